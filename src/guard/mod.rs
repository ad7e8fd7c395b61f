//! How many resources may be deactivated and deleted in a while, until somebody looks.

pub mod memory;
pub mod port;
pub mod rule;
