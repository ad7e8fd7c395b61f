//! Schemas and resource types (RFC 7643 sections 2, 6 and 7).
//!
//! Everything that looks at a resource (filters, PATCH, projection, conversion) asks a
//! [`ResourceType`] what an attribute is; which attributes it has comes from the mapping file.

use crate::scim::attr::AttrPath;

/// A set of attributes under one URN (RFC 7643 section 7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// The URN.
    pub id: String,
    /// A name for people.
    pub name: String,
    /// A description for people.
    pub description: String,
    /// The attributes, in the order in which they are shown.
    pub attributes: Vec<Attribute>,
}

/// One attribute or sub-attribute with its characteristics (RFC 7643 section 7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Canonical spelling of the name.
    pub name: String,
    /// Data type.
    pub kind: AttributeType,
    /// Whether the value is an array.
    pub multi_valued: bool,
    /// A description for people.
    pub description: String,
    /// Whether a resource must have it.
    pub required: bool,
    /// Allowed or suggested values.
    pub canonical_values: Vec<String>,
    /// Whether strings compare with letter case.
    pub case_exact: bool,
    /// Who may write it.
    pub mutability: Mutability,
    /// When it is part of an answer.
    pub returned: Returned,
    /// How far its value is unique.
    pub uniqueness: Uniqueness,
    /// What a reference may point to.
    pub reference_types: Vec<String>,
    /// Sub-attributes of a complex attribute.
    pub sub_attributes: Vec<Self>,
}

/// SCIM data types (RFC 7643 section 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttributeType {
    /// Text.
    String,
    /// `true` or `false`.
    Boolean,
    /// A number with a fraction.
    Decimal,
    /// A whole number.
    Integer,
    /// An RFC 3339 instant.
    DateTime,
    /// Base64 text.
    Binary,
    /// A URI.
    Reference,
    /// Sub-attributes.
    Complex,
}

/// RFC 7643 section 7, `mutability`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutability {
    /// The service provider's alone.
    ReadOnly,
    /// Read and written.
    ReadWrite,
    /// Written once.
    Immutable,
    /// Written, never read.
    WriteOnly,
}

/// RFC 7643 section 7, `returned`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returned {
    /// In every answer.
    Always,
    /// In no answer.
    Never,
    /// Unless excluded.
    Default,
    /// Only when named.
    Request,
}

/// RFC 7643 section 7, `uniqueness`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uniqueness {
    /// Any number of resources may share a value.
    None,
    /// Unique within the service provider.
    Server,
    /// Unique everywhere.
    Global,
}

/// A kind of resource: its endpoint, its core schema and its extensions (RFC 7643 section 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceType {
    /// `User`, `Group` or a name of the mapping's own.
    pub name: String,
    /// A description for people.
    pub description: String,
    /// Path below the base, with a leading slash: `/Users`.
    pub endpoint: String,
    /// The core schema. The common attributes (`id`, `externalId`, `meta`) are among its
    /// attributes here, although `/Schemas` does not list them.
    pub core: Schema,
    /// Schema extensions.
    pub extensions: Vec<Extension>,
}

/// An extension of a resource type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// Its schema.
    pub schema: Schema,
    /// Whether every resource must have it.
    pub required: bool,
}

/// An attribute as found in a resource type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolved<'t> {
    /// The extension it belongs to; `None` for the core schema.
    pub extension: Option<&'t Schema>,
    /// The attribute.
    pub attribute: &'t Attribute,
    /// The sub-attribute, when one was named.
    pub sub: Option<&'t Attribute>,
}

impl Resolved<'_> {
    /// The attribute that the whole path names: the sub-attribute, if there is one.
    pub fn leaf(&self) -> &Attribute {
        self.sub.unwrap_or(self.attribute)
    }
}

impl Schema {
    /// The attribute of this name, without regard to case.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
    }
}

impl Attribute {
    /// An attribute with the characteristics that RFC 7643 section 7 gives by default: optional,
    /// single-valued, read and written, compared without case.
    pub fn new(name: &str, kind: AttributeType) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            multi_valued: false,
            description: String::new(),
            required: false,
            canonical_values: Vec::new(),
            case_exact: false,
            mutability: Mutability::ReadWrite,
            returned: Returned::Default,
            uniqueness: Uniqueness::None,
            reference_types: Vec::new(),
            sub_attributes: Vec::new(),
        }
    }

    /// The sub-attribute of this name, without regard to case.
    pub fn sub_attribute(&self, name: &str) -> Option<&Self> {
        self.sub_attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
    }
}

impl ResourceType {
    /// Looks up what a path names; `None` when the type has no such attribute.
    ///
    /// A name without URN is looked for in the core schema, then in the extensions: identity
    /// providers send a bare `manager` for the enterprise attribute.
    pub fn resolve(&self, path: &AttrPath) -> Option<Resolved<'_>> {
        self.schemas().find_map(|(extension, schema)| {
            let fits = path.urn.as_ref().is_none_or(|urn| urn.eq_ignore_ascii_case(&schema.id));
            let attribute = fits.then(|| schema.attribute(&path.attr)).flatten()?;
            let sub = match &path.sub {
                Some(name) => Some(attribute.sub_attribute(name)?),
                None => None,
            };
            Some(Resolved { extension, attribute, sub })
        })
    }

    /// The extension of this URN, without regard to case.
    pub fn extension(&self, urn: &str) -> Option<&Schema> {
        let extensions = self.extensions.iter().map(|extension| &extension.schema);
        extensions.into_iter().find(|schema| schema.id.eq_ignore_ascii_case(urn))
    }

    /// The core schema (with `None`), then each extension (with itself).
    pub fn schemas(&self) -> impl Iterator<Item = (Option<&Schema>, &Schema)> {
        let extensions = self.extensions.iter().map(|extension| &extension.schema);
        std::iter::once((None, &self.core)).chain(extensions.map(|schema| (Some(schema), schema)))
    }
}
