//! Everything that is tested from outside the library, in one crate.

mod bulk;
mod corpus;
mod dialects;
mod dialogues;
mod end_to_end;
mod fixtures;
mod gateway;
mod health;
mod http;
mod laws;
mod mapping_broken;
mod mapping_load;
mod page;
mod paging;
mod readme;
mod rehearsal;
mod scim_filters;
mod scim_patch;
mod scim_projection;
mod scim_validation;
mod simulated;
mod store_contract;
mod tidy;
mod upstream;
mod versions;
