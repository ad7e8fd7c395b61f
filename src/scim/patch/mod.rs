//! PATCH (RFC 7644 section 3.5.2).
//!
//! [`request`] reads a body and makes every dialect regular; what it yields are the operations of
//! [`operation`], each on one attribute, with values in canonical form. [`apply`] carries them
//! out on a resource.

pub mod apply;
pub mod elements;
pub mod error;
pub mod operation;
pub mod path;
pub mod request;

#[cfg(test)]
mod tests;
