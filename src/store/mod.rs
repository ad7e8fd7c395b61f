//! What must outlive the process, in SQLite or PostgreSQL through sqlx: issued tokens, side-car
//! entries, keys.
//!
//! The ports lie below, in `auth` and `sidecar`; one contract test holds every implementation to
//! the same behaviour. [`open::Store`] is all of them at once, and nobody outside this room knows
//! which database it is.
//!
//! **A further port** gets a file of its own (`tokens` is the shortest example): an
//! `impl Port for Store` whose methods hand a `Statement` to `self.database.read`, `.write` or a
//! `Transaction` and read the answer's `Row`s by column name. One text serves both databases:
//! places are `$1`, `$2`; `ON CONFLICT` and `RETURNING` mean the same on both, a NULL that is
//! compared wants `CAST($1 AS TEXT)`, and everything else is plain SQL. Where they differ a
//! `Wording` has one text for each: `among!` for a list, JSON for many rows at once (`audit`). No
//! text depends on what is asked, so that every connection prepares a statement once.
//! Columns are `TEXT` (JSON, too), `INTEGER`/`BIGINT` (also for yes and no, and for instants in
//! microseconds) and `BLOB`/`BYTEA`. Its tables are made in `migrations/sqlite` and in
//! `migrations/postgres` under the same number; there every text that is compared or ordered says
//! `COLLATE "C"`, and the SQLite tables are `STRICT`. Migrations are compiled in, are only ever
//! added, and a released one is never changed. Then the port's contract is run on memory, SQLite
//! and PostgreSQL in `tests/it/store_contract.rs`.
//!
//! Statements name columns one by one and every value is bound.

mod audit;
mod connections;
mod database;
mod entries;
mod error;
mod guards;
mod keys;
mod links;
mod locks;
pub mod open;
mod postgres;
mod row;
mod sqlite;
mod statement;
mod text;
mod tokens;
