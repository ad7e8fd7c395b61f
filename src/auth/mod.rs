//! Who calls: bearer tokens, the table that knows them, and the [`principal::Principal`] that
//! proves a call was authenticated (RFC 7644 section 2, RFC 6750). Only hashes of tokens are
//! kept. OAuth's own flows are deliberately absent: identity providers send long-lived tokens.

pub mod authenticate;
pub mod expiry;
pub mod memory;
pub mod port;
pub mod principal;
pub mod scope;
pub mod shared;
pub mod token;
pub mod usage;
