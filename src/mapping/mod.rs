//! The mapping language: from a YAML file to a [`model::Mapping`], or to diagnostics.
//!
//! `yaml.rs` reads text into nodes that know their line and column, `file/` is the language as
//! written, `compile/` turns it into `model.rs` and `access.rs`, the language
//! as understood.
//! Faults are collected with their places, never thrown one by one.

pub mod access;
pub mod answers;
mod attempt;
pub mod body_template;
mod compile;
pub mod deletion;
pub mod diagnostic;
pub mod expression;
pub mod file;
pub mod formulas;
pub mod load;
pub mod model;
pub mod reference;
pub mod requests;
mod row;
mod scan;
pub mod schema;
pub mod scope;
pub mod template;
pub mod transcript;
pub mod transform;
mod vocabulary;
pub mod yaml;
