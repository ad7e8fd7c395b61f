//! Conversion through a mapping, both ways, without any input or output.
//!
//! Rows are lenses: they *get* a SCIM value from a native record and *put* a wanted one back,
//! touching nothing else. On top of them: records to resources (`to_scim.rs`), a wanted resource
//! to the fewest changes (`document.rs`), changes to native requests (`request.rs`), filters to
//! parameters (`filter.rs`), lists to pages (`page.rs`), failures to meanings (`failure.rs`).

pub mod apart;
pub mod cells;
pub mod change;
pub mod collection;
pub mod context;
pub mod delta;
pub mod difference;
pub mod document;
pub mod elements;
pub mod error;
pub mod failure;
pub mod filter;
pub mod formula;
pub mod key;
pub mod lens;
pub mod listing;
pub mod locate;
pub mod location;
pub mod lookup;
pub mod members;
pub mod memo;
pub mod merge;
pub mod moment;
pub mod page;
pub mod parameters;
pub mod pattern;
pub mod place;
pub mod places;
pub mod plan;
mod planning;
pub mod record;
pub mod references;
pub mod request;
pub mod roll;
pub mod roster;
pub mod slots;
pub mod sort;
pub mod stream;
pub mod text;
pub mod through;
pub mod to_scim;
pub mod visible;
