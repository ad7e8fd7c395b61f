//! The demo: the legacy application and the bridge in one process, and a tour of what an identity
//! provider does.

pub mod stack;
pub mod tour;
