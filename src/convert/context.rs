//! What every conversion needs to know beside the values.

use serde_json::Value;

use crate::convert::references::References;
use crate::mapping::model::{Mapping, ResourceMapping};
use crate::mapping::scope::{Ambient, Scope};

/// The surroundings of a conversion.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The whole mapping: references lead to other resources.
    pub mapping: &'a Mapping,
    /// The resource at hand.
    pub resource: &'a ResourceMapping,
    /// Time, identifiers, request id.
    pub ambient: &'a Ambient,
    /// Configuration values that templates may see.
    pub config: &'a Value,
    /// Ids and keys of the resources that values refer to.
    pub references: &'a References,
}

impl<'a> Context<'a> {
    /// A scope with what every template may see.
    pub fn scope(&self) -> Scope<'a> {
        Scope::new(self.ambient).with("config", self.config)
    }
}
