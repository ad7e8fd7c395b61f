//! What an installation makes of DELETE in the place of the mapping: switching off, or nothing.

use crate::mapping::model::{Deactivate, Delete, Mapping, ResourceMapping};
use crate::mapping::row::Mode;

/// What DELETE does to resources of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deletion {
    /// What the mapping says.
    #[default]
    AsMapped,
    /// Switches the record off and leaves a tombstone, whatever the mapping says.
    Deactivate,
    /// Nothing: it is answered as if the mapping had no deletion.
    Refuse,
}

impl Mapping {
    /// Puts the installation's wish, by name of resource type, over the mapping.
    ///
    /// # Errors
    /// What the mapping cannot do, a sentence each.
    pub fn override_deletion(
        &mut self,
        wish: impl Fn(&str) -> Deletion,
    ) -> Result<(), Vec<String>> {
        let mut faults = Vec::new();
        for resource in &mut self.resources {
            let wish = wish(&resource.name);
            if let Some(fault) = obstacle(resource, wish) {
                faults.push(fault);
                continue;
            }
            match wish {
                Deletion::AsMapped => {}
                Deletion::Deactivate => resource.delete = Delete::Deactivate,
                Deletion::Refuse => resource.delete = Delete::NotAllowed,
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

/// What stands in the way of a wish.
fn obstacle(resource: &ResourceMapping, wish: Deletion) -> Option<String> {
    let name = &resource.name;
    let leaves = matches!(resource.deactivate, Deactivate::Delete);
    match wish {
        Deletion::AsMapped => None,
        _ if leaves => Some(format!(
            "{name} is switched off by being deleted, so its deletion cannot be anything else"
        )),
        Deletion::Refuse => None,
        Deletion::Deactivate if can_be_switched_off(resource) => None,
        Deletion::Deactivate => Some(format!(
            "{name} cannot be switched off: the mapping has neither `deactivate` nor a row for \
             `active` that is written; say what each type does, as in {{ {name} = \"refuse\" }}"
        )),
    }
}

fn can_be_switched_off(resource: &ResourceMapping) -> bool {
    match resource.deactivate {
        Deactivate::Requests(_) => true,
        Deactivate::Delete => false,
        Deactivate::ViaUpdate => resource.rows.iter().any(|row| {
            let is_written = matches!(row.mode, Mode::Both | Mode::Write);
            row.place.attribute.eq_ignore_ascii_case("active") && is_written
        }),
    }
}

#[cfg(test)]
mod tests {
    use crate::mapping::deletion::Deletion;
    use crate::mapping::model::{Delete, Mapping};

    const MAPPING: &str = r#"
bridge: 1
name: deletions
config: { url: { required: true, type: url } }
api: { base_url: "{config.url}" }
resources:
  User:
    id: $.id
    attributes:
      userName: { path: $.login, required: true }
      active: $.enabled
    get:    { get: "/users/{id}" }
    create: { post: /users }
    update: { patch: "/users/{id}" }
    delete: { delete: "/users/{id}" }
  Group:
    id: $.id
    attributes:
      displayName: { path: $.name, required: true }
    get:    { get: "/teams/{id}" }
    create: { post: /teams }
    update: { patch: "/teams/{id}" }
    delete: { delete: "/teams/{id}" }
"#;

    fn check(users: Deletion, groups: Deletion, expected: Result<[&str; 2], &str>) {
        let (mut mapping, _) = Mapping::load(MAPPING).unwrap();
        let wish = |name: &str| if name == "User" { users } else { groups };
        let done = mapping.override_deletion(wish).map_err(|faults| faults.join("; "));
        let found = mapping.resources.iter().map(|resource| match resource.delete {
            Delete::NotAllowed => "refused",
            Delete::Requests(_) => "deleted",
            Delete::Deactivate => "switched off",
        });
        let found: Vec<&str> = found.collect();
        match expected {
            Ok(expected) => assert_eq!((done, found), (Ok(()), expected.to_vec())),
            Err(part) => assert!(done.as_ref().is_err_and(|it| it.contains(part)), "{done:?}"),
        }
    }

    #[test]
    fn the_installation_may_be_more_careful_than_the_mapping() {
        let (mapped, off, refuse) = (Deletion::AsMapped, Deletion::Deactivate, Deletion::Refuse);
        check(mapped, mapped, Ok(["deleted", "deleted"]));
        check(off, mapped, Ok(["switched off", "deleted"]));
        check(off, refuse, Ok(["switched off", "refused"]));
        check(off, off, Err("Group cannot be switched off"));
    }
}
