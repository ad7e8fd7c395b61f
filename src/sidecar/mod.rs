//! What the bridge keeps because the application cannot: issued ids, attributes, records of
//! switched-off users, tombstones.

pub mod counted;
pub mod entry;
pub mod links;
pub mod memory;
pub mod memory_links;
pub mod port;
