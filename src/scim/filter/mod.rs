//! Filters (RFC 7644 section 3.4.2.2): text to tree, tree to text, and whether a resource matches.
//!
//! [`ast::Filter`] is what was written; [`eval::CompiledFilter`] is the same looked up in a
//! resource type, so that evaluating it costs no names and no folding of its literals.

pub mod ast;
pub(crate) mod comparison;
pub mod error;
pub mod eval;
pub mod fold;
mod lex;
pub mod parse;
mod print;
pub mod typed;
