//! Exchanges in writing: the `tests:` and `examples:` of a mapping file, played through the real
//! engine against a scripted application. The form in which a test is written is the form in
//! which [`report`] shows what really happened. A [`rehearsal`] plays a request of which nobody
//! knows yet what comes of it.
//!
//! Beside it lives what else can be known of a file without an application: whether values come
//! back as they were written ([`laws`], [`classes`]), what becomes of filters ([`explain`]), what
//! nothing speaks of ([`coverage`]), and what the tests would notice ([`mutate`]). [`inquiry`]
//! puts it all together for `check`, [`page`] for people.

pub mod classes;
pub mod coverage;
pub mod draft;
mod equality;
pub mod examples;
pub mod explain;
pub mod inquiry;
pub mod laws;
mod mutants;
pub mod mutate;
pub mod narrative;
pub mod noted;
pub mod page;
pub mod player;
pub mod pushdown;
pub mod read_only;
pub mod recorder;
pub mod rehearsal;
pub mod report;
pub mod samples;
pub mod script;
pub mod secrets;
pub mod stage;
pub mod trial;
