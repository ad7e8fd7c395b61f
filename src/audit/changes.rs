//! Which attributes a request changes, as SCIM paths.

use serde_json::{Map, Value};

use crate::audit::event::Changed;
use crate::scim::attr::AttrPath;
use crate::scim::resource::Resource;
use crate::scim::schema::{Mutability, ResourceType, Returned};

/// Most bytes of one value.
const LARGEST: usize = 4096;

/// Most attributes of one event.
const MOST: usize = 200;

/// What is kept of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Nothing.
    Paths,
    /// Before and after, but for what is never shown to anybody.
    Values,
}

/// The attributes in which two views differ. Sub-attributes have paths of their own where there
/// is only one element.
pub fn between(
    resource_type: &ResourceType,
    before: &Resource,
    wanted: &Resource,
    keep: Keep,
) -> Vec<Changed> {
    let mut found = Vec::new();
    let mut note = |path: String, before: Option<&Value>, after: Option<&Value>| {
        if found.len() < MOST {
            found.push(changed(resource_type, path, before, after, keep));
        }
    };
    differing(&before.0, &wanted.0, |name, before, after| {
        if matches!(name, "schemas" | "id" | "meta") {
            return;
        }
        match (parts(before), parts(after)) {
            (Some(before), Some(after)) => {
                let joint = if name.contains(':') { ':' } else { '.' };
                differing(before, after, |sub, before, after| {
                    note(format!("{name}{joint}{sub}"), before, after);
                });
            }
            _ => note(name.to_owned(), before, after),
        }
    });
    found
}

/// Elements that come and go, of a collection that nobody has read.
pub fn of_elements(path: String, added: &[Value], removed: &[Value], keep: Keep) -> Changed {
    let list = |elements: &[Value]| match keep {
        Keep::Values if !elements.is_empty() => Some(bounded(&Value::from(elements))),
        Keep::Values | Keep::Paths => None,
    };
    Changed { path, before: list(removed), after: list(added) }
}

/// The members of a value that is an object, or not there.
fn parts(value: Option<&Value>) -> Option<&Map<String, Value>> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    match value {
        None => Some(&NONE),
        Some(Value::Object(members)) => Some(members),
        Some(_) => None,
    }
}

fn differing<'v>(
    before: &'v Map<String, Value>,
    after: &'v Map<String, Value>,
    mut note: impl FnMut(&str, Option<&'v Value>, Option<&'v Value>),
) {
    for (name, value) in before {
        let other = after.get(name);
        if other != Some(value) {
            note(name, Some(value), other);
        }
    }
    for (name, value) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
        note(name, None, Some(value));
    }
}

fn changed(
    resource_type: &ResourceType,
    path: String,
    before: Option<&Value>,
    after: Option<&Value>,
    keep: Keep,
) -> Changed {
    if keep == Keep::Paths || is_secret(resource_type, &path) {
        return Changed { path, before: None, after: None };
    }
    Changed { path, before: before.map(bounded), after: after.map(bounded) }
}

/// Whether nobody is ever shown the value.
fn is_secret(resource_type: &ResourceType, path: &str) -> bool {
    let Ok(path) = path.parse::<AttrPath>() else { return true };
    if path.attr.eq_ignore_ascii_case("password") {
        return true;
    }
    let Some(resolved) = resource_type.resolve(&path) else { return true };
    let attributes = [Some(resolved.attribute), resolved.sub];
    attributes.into_iter().flatten().any(|attribute| {
        attribute.returned == Returned::Never
            || attribute.mutability == Mutability::WriteOnly
            || attribute.sub_attributes.iter().any(|sub| sub.returned == Returned::Never)
    })
}

fn bounded(value: &Value) -> Value {
    let length = value.to_string().len();
    if length <= LARGEST { value.clone() } else { Value::from(format!("({length} bytes)")) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::audit::changes::{Keep, between};
    use crate::scim::builtin;
    use crate::scim::resource::Resource;

    fn resource(value: Value) -> Resource {
        let Value::Object(members) = value else { panic!("a resource is an object") };
        Resource(members)
    }

    fn check(before: Value, wanted: Value, expected: &[&str]) {
        let found =
            between(&builtin::user_type(), &resource(before), &resource(wanted), Keep::Paths);
        assert!(found.iter().all(|it| it.before.is_none() && it.after.is_none()));
        assert_eq!(found.iter().map(|it| it.path.as_str()).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn paths_say_what_differs() {
        check(json!({ "active": true }), json!({ "active": true, "id": "7" }), &[]);
        check(json!({ "active": true }), json!({ "active": false }), &["active"]);
        check(
            json!({ "name": { "givenName": "Ada", "familyName": "Byron" } }),
            json!({ "name": { "givenName": "Ada", "familyName": "King" } }),
            &["name.familyName"],
        );
        check(json!({}), json!({ "name": { "givenName": "Ada" } }), &["name.givenName"]);
        check(json!({ "emails": [] }), json!({ "emails": [{ "value": "a@x" }] }), &["emails"]);
        let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        let expected = format!("{urn}:department");
        check(json!({}), json!({ urn: { "department": "x" } }), &[&expected]);
    }

    #[test]
    fn values_are_kept_but_for_secrets() {
        let wanted = resource(json!({ "userName": "ada", "password": "hunter2", "x": "y" }));
        let before = resource(json!({ "userName": "eva" }));
        let found = between(&builtin::user_type(), &before, &wanted, Keep::Values);
        let of = |path: &str| found.iter().find(|it| it.path == path).unwrap().clone();
        assert_eq!(of("userName").before, Some(json!("eva")));
        assert_eq!(of("userName").after, Some(json!("ada")));
        assert_eq!((of("password").before, of("password").after), (None, None));
        // What no schema describes may be anything.
        assert_eq!(of("x").after, None);
    }
}
