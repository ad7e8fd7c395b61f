//! The application's side as data: requests, answers, and paths into its documents.

pub mod listed;
pub mod message;
pub mod path;
pub mod scan;
pub mod span;
mod step;
