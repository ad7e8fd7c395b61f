//! What a caller may do here (RFC 7644 section 2: "the service provider … MAY … perform access
//! control checks").
//!
//! Checked for every single request, and so for every operation of a bulk request. A resource type
//! that is neither `User` nor `Group` needs both scopes of types: a token that was made for one
//! type reaches no other.

use http::Method;

use crate::auth::scope::Scope;
use crate::exchange::error::ExchangeError;
use crate::exchange::request::Caller;
use crate::mapping::model::ResourceMapping;
use crate::scim::urn;

/// Whether the caller may read resources of these types.
///
/// # Errors
/// Names the first scope that is missing.
pub fn read(caller: &Caller, resources: &[ResourceMapping]) -> Result<(), ExchangeError> {
    let types = resources.iter().flat_map(types);
    check(caller, std::iter::once(Scope::Read).chain(types.copied()))
}

/// Whether the caller may do this to resources of this type.
///
/// # Errors
/// Names the first scope that is missing.
pub fn call(
    caller: &Caller,
    method: &Method,
    resource: &ResourceMapping,
) -> Result<(), ExchangeError> {
    let verb = if method.is_safe() { Scope::Read } else { Scope::Write };
    check(caller, std::iter::once(verb).chain(types(resource).iter().copied()))
}

fn types(resource: &ResourceMapping) -> &'static [Scope] {
    match resource.resource_type.core.id.as_str() {
        urn::USER => &[Scope::Users],
        urn::GROUP => &[Scope::Groups],
        _ => &[Scope::Users, Scope::Groups],
    }
}

fn check(caller: &Caller, needed: impl Iterator<Item = Scope>) -> Result<(), ExchangeError> {
    match caller.principal.scopes().lacks(needed) {
        Some(scope) => Err(ExchangeError::OutOfScope { scope }),
        None => Ok(()),
    }
}
