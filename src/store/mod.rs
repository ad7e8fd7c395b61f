//! What must outlive the process: issued tokens, side-car entries and keys, in SQLite through sqlx.
//!
//! The ports lie below, in `auth` and `sidecar`; one contract test holds every implementation to
//! the same behaviour. Statements name columns one by one and every value is bound. Migrations
//! are compiled in and only ever added; PostgreSQL, for replicas that share their state, is
//! deliberately absent so far.

mod error;
mod row;
pub mod sqlite;
mod sqlite_open;
