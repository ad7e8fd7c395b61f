//! From the language as written to the language as understood.
//!
//! Each file compiles one kind of object; `context.rs` holds what they share: the faults found so
//! far, the declared configuration, and the checks that every template and path goes through.
//! What the parts must be to each other is judged in `carrying.rs` and `relations.rs`.

pub(crate) mod api;
pub(crate) mod attribute;
pub(crate) mod body;
pub(crate) mod carrying;
pub(crate) mod collection;
pub(crate) mod context;
pub(crate) mod failure;
pub(crate) mod filter;
pub(crate) mod fit;
pub(crate) mod item;
pub(crate) mod label;
pub(crate) mod lookup;
pub(crate) mod oauth2;
pub(crate) mod place;
pub(crate) mod relations;
pub(crate) mod request;
pub(crate) mod resource;
pub(crate) mod row;
pub(crate) mod rows;
pub(crate) mod script;
pub(crate) mod session;
pub(crate) mod sort;
pub(crate) mod source;
pub(crate) mod subject;
pub(crate) mod together;
pub(crate) mod unique;
pub(crate) mod variables;
