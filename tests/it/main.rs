//! Everything that is tested from outside the library, in one crate.

mod fixtures;
mod gateway;
mod health;
mod http;
mod mapping_broken;
mod mapping_load;
mod readme;
mod scim_filters;
mod scim_patch;
mod scim_projection;
mod scim_validation;
mod store_contract;
mod tidy;
mod upstream;
