//! Values that the bridge keeps unique because the application does not (`unique`).
//!
//! Before a value is written it is looked up; two requests for one value wait for each other.
//! What is written past the bridge at the same moment is not seen.

use serde_json::Value;

use crate::exchange::error::ExchangeError;
use crate::exchange::hit::{Sight, Window};
use crate::exchange::locks::Held;
use crate::exchange::native::Exchange;
use crate::exchange::search::{self, Asked};
use crate::mapping::model::ResourceMapping;
use crate::scim::attr::AttrPath;
use crate::scim::filter::ast::{CompareOp, Filter};
use crate::scim::resource::Resource;

/// Most values of one resource that are looked up.
const MOST: usize = 100;

/// Holds the values that are new to a resource, and refuses those that another one has. `before`
/// is the resource as it is, empty for a new one: whoever has a value already may keep it.
///
/// Whoever holds a resource may hold its values afterwards, but not the other way round.
pub async fn hold<'t>(
    exchange: &Exchange<'t>,
    resource: &ResourceMapping,
    before: &Resource,
    wanted: &Resource,
) -> Result<Held<'t>, ExchangeError> {
    let mut new: Vec<(&AttrPath, Value)> = Vec::new();
    for path in &resource.unique {
        let have: Vec<String> = values(before, path).iter().map(folded).collect();
        let values = values(wanted, path).into_iter().filter(|it| !have.contains(&folded(it)));
        new.extend(values.map(|value| (path, value)));
    }
    if new.len() > MOST {
        return Err(ExchangeError::TooMany { limit: MOST });
    }
    let names = new.iter().map(|(path, value)| format!("{path} {}", folded(value)));
    let held = exchange.tenant.locks.hold_values(&resource.name, names).await?;
    for (path, value) in new {
        if is_taken(exchange, resource, before.id(), path, value).await? {
            let (resource, attribute) = (resource.name.clone(), path.to_string());
            return Err(ExchangeError::Taken { resource, attribute });
        }
    }
    Ok(held)
}

async fn is_taken(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    own: Option<&str>,
    path: &AttrPath,
    value: Value,
) -> Result<bool, ExchangeError> {
    let filter = Filter::Compare(path.clone(), CompareOp::Eq, value);
    // Of two at least one is another one.
    let window = Window { start: 1, count: 2 };
    let asked = Asked { sight: Sight::Everything, ..Asked::new(Some(&filter), window) };
    let found = Box::pin(search::search(exchange, resource, asked)).await?;
    Ok(found.page.iter().any(|hit| own != Some(hit.located.id.as_str())))
}

/// The values of an attribute, in a resource's order.
pub fn values(scim: &Resource, path: &AttrPath) -> Vec<Value> {
    let Some(value) = scim.get(path.urn.as_deref(), &path.attr) else { return Vec::new() };
    let elements = match value {
        Value::Array(elements) => elements.as_slice(),
        single => std::slice::from_ref(single),
    };
    let leaves = elements.iter().filter_map(|element| match &path.sub {
        Some(sub) => element.get(sub),
        None => Some(element),
    });
    leaves.filter(|leaf| !leaf.is_null()).cloned().collect()
}

/// A value as it is told apart. More than SCIM takes for equal may wait for each other.
pub fn folded(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::exchange::unique::{folded, values};
    use crate::scim::attr::AttrPath;
    use crate::scim::resource::Resource;

    fn check(scim: Value, attr: &str, sub: Option<&str>, expected: &[&str]) {
        let Value::Object(members) = scim else { panic!("a resource is an object") };
        let path = AttrPath { urn: None, attr: attr.to_owned(), sub: sub.map(str::to_owned) };
        let found: Vec<String> = values(&Resource(members), &path).iter().map(folded).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn values_are_found_wherever_an_attribute_has_them() {
        check(json!({ "userName": "Ada" }), "userName", None, &["ada"]);
        check(json!({}), "userName", None, &[]);
        let emails =
            json!({ "emails": [{ "value": "A@x" }, { "type": "work" }, { "value": "b@x" }] });
        check(emails, "emails", Some("value"), &["a@x", "b@x"]);
        check(json!({ "name": { "familyName": "Byron" } }), "name", Some("familyName"), &["byron"]);
    }
}
