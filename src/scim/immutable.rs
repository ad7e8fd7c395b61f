//! Immutable attributes (RFC 7643 section 2.2): what a client may leave out and not change.

use serde_json::{Map, Value};

use crate::scim::attr::AttrPath;
use crate::scim::resource::Resource;
use crate::scim::schema::{Attribute, Mutability, ResourceType, Schema};
use crate::scim::validate::{ValidationError, declare_schemas};
use crate::scim::value::is_same;

/// Checks that immutable attributes keep the values they have. One that is absent from `after` is
/// not a change: [`keep_immutable`] carries it over. Elements of multi-valued attributes come and
/// go as a whole, so their immutable sub-attributes are not compared.
///
/// # Errors
/// [`ValidationError::Immutable`] for the first one that differs.
pub fn check_immutable(
    before: &Resource,
    after: &Resource,
    resource_type: &ResourceType,
) -> Result<(), ValidationError> {
    for place in immutable_places(resource_type) {
        if let (Some(old), Some(new)) = (place.value(before), place.value(after))
            && !is_same(place.sub.unwrap_or(place.attribute), old, new)
        {
            return Err(ValidationError::Immutable { path: place.path() });
        }
    }
    Ok(())
}

/// Puts immutable values of `before` into `after` where it has none, or the same in another
/// spelling.
pub fn keep_immutable(before: &Resource, after: &mut Resource, resource_type: &ResourceType) {
    for place in immutable_places(resource_type) {
        let Some(old) = place.value(before) else { continue };
        let leaf = place.sub.unwrap_or(place.attribute);
        if place.value(after).is_none_or(|new| is_same(leaf, old, new)) {
            place.put(after, old.clone());
        }
    }
    declare_schemas(after, resource_type);
}

/// An immutable attribute, or an immutable sub-attribute of a single complex value.
struct ImmutablePlace<'t> {
    extension: Option<&'t Schema>,
    attribute: &'t Attribute,
    sub: Option<&'t Attribute>,
}

fn immutable_places(resource_type: &ResourceType) -> impl Iterator<Item = ImmutablePlace<'_>> {
    resource_type.schemas().flat_map(|(extension, schema)| {
        schema.attributes.iter().flat_map(move |attribute| {
            let whole = (attribute.mutability == Mutability::Immutable).then_some(None);
            let subs = attribute
                .sub_attributes
                .iter()
                .filter(|sub| !attribute.multi_valued && sub.mutability == Mutability::Immutable);
            let places = whole.into_iter().chain(subs.map(Some));
            places.map(move |sub| ImmutablePlace { extension, attribute, sub })
        })
    })
}

impl ImmutablePlace<'_> {
    fn urn(&self) -> Option<&str> {
        self.extension.map(|schema| schema.id.as_str())
    }

    fn path(&self) -> String {
        let sub = self.sub.map(|sub| sub.name.clone());
        AttrPath { urn: None, attr: self.attribute.name.clone(), sub }.to_string()
    }

    fn value<'r>(&self, resource: &'r Resource) -> Option<&'r Value> {
        let value = resource.get(self.urn(), &self.attribute.name)?;
        match self.sub {
            Some(sub) => value.get(&sub.name),
            None => Some(value),
        }
    }

    fn put(&self, resource: &mut Resource, value: Value) {
        let section = resource.section_mut(self.urn());
        let Some(sub) = self.sub else {
            section.insert(self.attribute.name.clone(), value);
            return;
        };
        let complex =
            section.entry(self.attribute.name.as_str()).or_insert_with(|| Map::new().into());
        if let Some(members) = complex.as_object_mut() {
            members.insert(sub.name.clone(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::scim::builtin::user_type;
    use crate::scim::deviation::Deviations;
    use crate::scim::immutable::{check_immutable, keep_immutable};
    use crate::scim::resource::Resource;
    use crate::scim::schema::Mutability;
    use crate::scim::validate::read_resource;
    use crate::scim::value::Dialect;

    #[test]
    fn immutable_values_stay() {
        let mut user = user_type();
        for attribute in &mut user.extensions[0].schema.attributes {
            if attribute.name == "employeeNumber" {
                attribute.mutability = Mutability::Immutable;
            }
            for sub in attribute.sub_attributes.iter_mut().filter(|sub| sub.name == "value") {
                sub.mutability = Mutability::Immutable;
            }
        }
        let read = |members: Value| {
            read_resource(&members, &user, Dialect::Lenient, &mut Deviations::default()).unwrap()
        };
        let before = read(json!({ "employeeNumber": "1", "manager": "m" }));
        let refused = |after: &Resource| {
            check_immutable(&before, after, &user).err().map(|error| error.to_string())
        };
        let changed = read(json!({ "employeeNumber": "2" }));
        assert_eq!(refused(&changed).as_deref(), Some("`employeeNumber` cannot be changed"));
        let changed = read(json!({ "manager": "n" }));
        assert_eq!(refused(&changed).as_deref(), Some("`manager.value` cannot be changed"));
        let mut after = read(json!({}));
        assert_eq!(refused(&after), None);
        keep_immutable(&before, &mut after, &user);
        assert_eq!(after, before);
    }
}
