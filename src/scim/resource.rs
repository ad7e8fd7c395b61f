//! A resource as JSON, spelled canonically (RFC 7643 section 3).

use serde_json::{Map, Value};

/// A resource whose attribute names are spelled as its [`ResourceType`] spells them and whose
/// extensions stand under their URNs. Unassigned attributes (null, `[]`, `{}`) are absent.
///
/// [`ResourceType`]: crate::scim::schema::ResourceType
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resource(pub Map<String, Value>);

impl Resource {
    /// The attributes of one schema: those at the top for the core schema (`None`), or those
    /// under the extension's URN.
    pub fn section(&self, extension: Option<&str>) -> Option<&Map<String, Value>> {
        match extension {
            None => Some(&self.0),
            Some(urn) => self.0.get(urn).and_then(Value::as_object),
        }
    }

    /// The same, made when missing.
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "the function makes it an object just before"
    )]
    pub fn section_mut(&mut self, extension: Option<&str>) -> &mut Map<String, Value> {
        let Some(urn) = extension else { return &mut self.0 };
        let section = self.0.entry(urn).or_insert_with(|| Value::Object(Map::new()));
        if !section.is_object() {
            *section = Value::Object(Map::new());
        }
        section.as_object_mut().expect("the lines above made it an object")
    }

    /// A top-level attribute of the core schema, or of the extension of this URN.
    pub fn get(&self, extension: Option<&str>, attribute: &str) -> Option<&Value> {
        self.section(extension)?.get(attribute)
    }

    /// The resource's `id`.
    pub fn id(&self) -> Option<&str> {
        self.0.get("id").and_then(Value::as_str)
    }
}

/// Whether a value is unassigned: null, `[]` and `{}` are the same (RFC 7643 section 2.5).
pub fn is_unassigned(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
