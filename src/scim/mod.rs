//! SCIM 2.0 as data: RFC 7643 (schema) and RFC 7644 (protocol), without transport.
//!
//! A [`resource::Resource`] is JSON that a [`schema::ResourceType`] describes. Filters, PATCH and
//! projection work on any resource type; the dialects of identity providers are made regular in
//! `patch/request.rs`, `value.rs` and `query.rs`, so nothing below or above has to know them.

pub mod attr;
pub mod builtin;
pub mod bulk;
pub mod canonical;
pub mod deviation;
pub mod discovery;
pub mod error;
pub mod etag;
pub mod filter;
pub mod immutable;
pub mod list;
pub mod patch;
pub mod projection;
pub mod query;
pub mod resource;
pub mod schema;
pub mod segment;
pub mod simple;
pub mod sort;
pub mod urn;
pub mod validate;
pub mod value;
#[cfg(test)]
mod value_tests;
