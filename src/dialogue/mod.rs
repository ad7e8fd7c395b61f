//! Exchanges in writing: the `tests:` and `examples:` of a mapping file, played through the real
//! engine against a scripted application. The form in which a test is written is the form in
//! which [`report`] shows what really happened.

pub mod classes;
pub mod coverage;
pub mod examples;
pub mod explain;
pub mod laws;
mod mutants;
pub mod mutate;
pub mod player;
pub mod report;
pub mod samples;
pub mod script;
pub mod stage;
