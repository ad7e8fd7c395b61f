//! What happened: one event for every operation, with what it did to the application.
//!
//! [`journal`] is the way in, [`port`] the way down to a store. An event of a write is durable as
//! *begun* before the first native write is sent and is completed afterwards, so that a process
//! that dies leaves a trace of everything it may have written. Values are left out unless the
//! operator asks for them, and passwords always.

pub mod changes;
pub mod desk;
pub mod event;
pub mod journal;
pub mod keeper;
pub mod memory;
pub mod port;
mod queues;
pub mod redact;
pub mod refusals;
