//! Bulk requests as data (RFC 7644 section 3.7): what a request says, which of its operations
//! wait for which, what is answered. Carrying them out is not done here.

pub mod conflict;
pub mod error;
pub mod plan;
pub mod reference;
pub mod request;
pub mod response;
