//! Who calls: bearer tokens, the table that knows them, and the [`principal::Principal`] that
//! proves a call was authenticated (RFC 7644 section 2, RFC 6750). Only hashes of tokens are
//! kept. Tokens of an issuer (JWTs) are checked with its public keys. OAuth's own flows are
//! deliberately absent.

pub mod authenticate;
pub mod client;
pub mod expiry;
pub mod failures;
pub mod jwk;
pub mod jwt;
pub mod jwt_error;
#[cfg(test)]
mod jwt_tests;
pub mod memory;
pub mod port;
pub mod principal;
pub mod scope;
pub mod shared;
pub mod token;
pub mod usage;
