//! The mapping language as written: every object and field, with its place, not yet understood.
//!
//! Each object is a table (`object!`) of its fields and their types; `table.rs` turns a table
//! into a struct with a reader and reports what does not fit. What a field means is the comment in
//! its table; the JSON Schema and the reference are made from these, see `shape.rs`.
//! Whether the parts fit together is judged in `compile`, not here.

pub(crate) mod api;
pub(crate) mod catalogue;
pub(crate) mod reader;
pub(crate) mod request;
pub(crate) mod resource;
pub(crate) mod scalar;
pub(crate) mod script;
pub(crate) mod shape;
mod short;
pub(crate) mod step;
pub(crate) mod table;
pub(crate) mod top;
