//! Operations in regular form (RFC 7644 section 3.5.2): one attribute each, names in canonical
//! spelling, values as their schema has them. Deliberately absent: path-less operations, which
//! are split when the request is read.

use serde_json::Value;

use crate::scim::attr::AttrPath;
use crate::scim::filter::ast::Filter;
use crate::scim::schema::{Resolved, ResourceType};

/// One operation on one attribute.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// What to do.
    pub kind: OperationKind,
    /// Where.
    pub target: Target,
    /// The value in canonical form: always there, and never unassigned, for add and replace;
    /// `None` for remove. A list for a multi-valued target without filter, one element for a
    /// target with a filter, the sub-attribute's value where one is named.
    pub value: Option<Value>,
}

/// `op` of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OperationKind {
    /// RFC 7644 section 3.5.2.1.
    Add,
    /// RFC 7644 section 3.5.2.2.
    Remove,
    /// RFC 7644 section 3.5.2.3.
    Replace,
}

/// What an operation changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The URN of the extension, in canonical spelling; `None` for the core schema.
    pub extension: Option<String>,
    /// The attribute, in canonical spelling.
    pub attribute: String,
    /// Which elements of a multi-valued attribute; `None` means all.
    pub filter: Option<Filter>,
    /// The sub-attribute, in canonical spelling.
    pub sub: Option<String>,
}

impl Target {
    /// A target of these attributes.
    pub fn new(resolved: Resolved<'_>, filter: Option<Filter>) -> Self {
        Self {
            extension: resolved.extension.map(|schema| schema.id.clone()),
            attribute: resolved.attribute.name.clone(),
            filter,
            sub: resolved.sub.map(|sub| sub.name.clone()),
        }
    }

    /// The attributes that the target names in a resource type; `None` when it lacks them.
    pub fn resolve<'t>(&self, resource_type: &'t ResourceType) -> Option<Resolved<'t>> {
        let extension = match &self.extension {
            Some(urn) => Some(resource_type.extension(urn)?),
            None => None,
        };
        let attribute = extension.unwrap_or(&resource_type.core).attribute(&self.attribute)?;
        let sub = match &self.sub {
            Some(name) => Some(attribute.sub_attribute(name)?),
            None => None,
        };
        Some(Resolved { extension, attribute, sub })
    }

    /// The target's name, without its filter.
    pub fn path(&self) -> AttrPath {
        AttrPath {
            urn: self.extension.clone(),
            attr: self.attribute.clone(),
            sub: self.sub.clone(),
        }
    }

    /// The target's name for people. A filter is left out: it may hold personal values.
    pub fn label(&self) -> String {
        let mut label = self.attribute.clone();
        if self.filter.is_some() {
            label.push_str("[…]");
        }
        if let Some(sub) = &self.sub {
            label.push('.');
            label.push_str(sub);
        }
        label
    }
}
