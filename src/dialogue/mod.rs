//! Exchanges in writing: the `tests:` and `examples:` of a mapping file, played through the real
//! engine against a scripted application. The form in which a test is written is the form in
//! which [`report`] shows what really happened.
//!
//! Beside it lives what else can be known of a file without an application: whether values come
//! back as they were written ([`laws`], [`classes`]), what becomes of filters ([`explain`]), what
//! nothing speaks of ([`coverage`]), and what the tests would notice ([`mutate`]). [`inquiry`]
//! puts it all together for `check`.

pub mod classes;
pub mod coverage;
pub mod examples;
pub mod explain;
pub mod inquiry;
pub mod laws;
mod mutants;
pub mod mutate;
pub mod player;
pub mod report;
pub mod samples;
pub mod script;
pub mod stage;
