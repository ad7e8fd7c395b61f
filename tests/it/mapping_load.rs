//! Good mapping files become the model that they describe.

use scimbridge::mapping::model::{
    Activate, Batch, Batches, CollectionSource, Deactivate, Fetch, FilterAction, FilterCase,
    FilterSubject, IdSourceRule, Mapping, Mode, PageStyle, RequestBody, ResourceMapping, SendMode,
    SignIn, Source, TokenPlace,
};
use scimbridge::scim::attr::AttrPath;
use scimbridge::scim::schema::{Mutability, Returned, Uniqueness};

const KEYSTONE: &str = include_str!("../mappings/keystone.yaml");
const JUPYTERHUB: &str = include_str!("../mappings/jupyterhub.yaml");
const MATTERMOST: &str = include_str!("../mappings/mattermost.yaml");
const DISCOURSE: &str = include_str!("../mappings/discourse.yaml");
const XURRENT: &str = include_str!("../mappings/xurrent.yaml");
const POCKETBASE: &str = r#"
bridge: 1
name: pocketbase
config:
  url: { required: true, type: url }
  identity: { required: true }
  password: { required: true, secret: true }
api:
  base_url: "{config.url}/api"
  auth:
    session:
      post: /collections/_superusers/auth-with-password
      body: { identity: "{config.identity}", password: "{config.password}" }
      token: $.token
      send: { header: Authorization, value: "{token}" }
      lifetime: 1h
      renew_on: [401, 403]
resources:
  User:
    id: { path: $.id, pattern: "^[a-z0-9]{15}$" }
    attributes:
      userName: { path: $.email, required: true }
      displayName: $.name
      active: { path: $.disabled, via: not, default: true }
      password: { path: $.password, mode: write, default: "{random(24)}" }
    list: { get: /collections/users/records, records: "$.items[*]", pages: { page: page, size: perPage, max: 500, total: $.totalItems } }
    get: { get: "/collections/users/records/{id}" }
    create: { post: /collections/users/records, set: { emailVisibility: true } }
    update: { patch: "/collections/users/records/{id}" }
    delete: { delete: "/collections/users/records/{id}", accept: [404] }
    filter_language: { param: filter, and: "({a} && {b})", or: "({a} || {b})" }
    filters:
      userName eq: { term: "email = {value|json}" }
      displayName co: { term: "name ~ {value|json}", exact: false }
      active eq: { term: "disabled = {value|raw}" }
"#;

fn load(text: &str) -> Mapping {
    match Mapping::load(text) {
        Ok((mapping, warnings)) => {
            assert_eq!(warnings, [], "a good file has no warnings");
            mapping
        }
        Err(faults) => {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            assert_eq!(faults, Vec::<String>::new());
            unreachable!("the line above has failed")
        }
    }
}

fn names(resource: &ResourceMapping) -> Vec<String> {
    let core = resource.resource_type.core.attributes.iter().map(|attribute| {
        let subs: Vec<&str> =
            attribute.sub_attributes.iter().map(|sub| sub.name.as_str()).collect();
        if subs.is_empty() {
            attribute.name.clone()
        } else {
            format!("{}({})", attribute.name, subs.join(" "))
        }
    });
    let extensions = resource.resource_type.extensions.iter().flat_map(|extension| {
        let name = &extension.schema.name;
        extension
            .schema
            .attributes
            .iter()
            .map(move |attribute| format!("{name}:{}", attribute.name))
    });
    core.chain(extensions).collect()
}

fn rows_of(resource: &ResourceMapping, rows: &std::collections::BTreeSet<usize>) -> Vec<String> {
    let rows = rows.iter().filter_map(|index| resource.rows.get(*index));
    rows.map(|row| row.place.attribute.clone()).collect()
}

fn leaf<'m>(resource: &'m ResourceMapping, path: &str) -> &'m scimbridge::scim::schema::Attribute {
    let found = path.parse().ok().and_then(|path: AttrPath| {
        let resolved = resource.resource_type.resolve(&path)?;
        Some(resolved.sub.unwrap_or(resolved.attribute))
    });
    let Some(found) = found else { unreachable!("{path} is mapped") };
    found
}

#[test]
fn keystone_users() {
    let mapping = load(KEYSTONE);
    let user = mapping.resource("User").expect("there are users");
    assert_eq!(
        names(user),
        [
            "id",
            "externalId",
            "meta(resourceType location version)",
            "userName",
            "active",
            "password",
            "emails(value type primary)",
            "displayName",
            "name(givenName familyName)",
            "groups($ref value display)",
            "EnterpriseUser:employeeNumber",
        ]
    );
    assert_eq!(leaf(user, "userName").uniqueness, Uniqueness::Server);
    assert!(leaf(user, "userName").required);
    assert_eq!(leaf(user, "password").mutability, Mutability::WriteOnly);
    assert_eq!(leaf(user, "password").returned, Returned::Never);
    assert_eq!(leaf(user, "groups").mutability, Mutability::ReadOnly);
    assert_eq!(leaf(user, "emails.type").canonical_values, ["work"]);
    let groups = &user.collections[0];
    assert!(matches!(groups.source, CollectionSource::List(_)));
    assert_eq!((groups.mode, groups.fetch), (Mode::Read, Fetch::Request));
    let create = &user.create[0];
    assert_eq!(
        rows_of(user, &create.carries.rows),
        [
            "userName",
            "active",
            "password",
            "emails",
            "displayName",
            "externalId",
            "name",
            "name",
            "employeeNumber"
        ]
    );
    assert_eq!(
        (create.wrap.as_ref().map(ToString::to_string).as_deref(), create.send),
        (Some("$['user']"), SendMode::Changed)
    );
    assert_eq!(user.update[0].carries.rows, create.carries.rows);
    let list = user.list.as_ref().expect("there is a list");
    let pages = list.pages.as_ref().expect("it has pages");
    assert!(
        matches!(&pages.style, PageStyle::LinkBody(path) if path.to_string() == "$.links.next")
    );
    assert_eq!((pages.size.as_deref(), pages.max), (Some("limit"), 200));
    let filters: Vec<String> =
        user.filters.iter().map(|rule| format!("{} {:?}", rule.path, rule.operator)).collect();
    assert_eq!(filters, ["userName Eq", "userName Sw", "userName Co", "active Eq"]);
    assert_eq!(user.filters[3].subject, FilterSubject::Row(1));
    assert!(user.filters.iter().all(|rule| rule.case == FilterCase::Insensitive && rule.exact));
    let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    assert_eq!(user.examples[0].scim[urn]["employeeNumber"], "42");
}

#[test]
fn keystone_groups_and_sign_in() {
    let mapping = load(KEYSTONE);
    let SignIn::Session(session) = &mapping.api.sign_in else { panic!("a session") };
    assert!(matches!(&session.send, TokenPlace::Header(name, _) if name == "X-Auth-Token"));
    assert!(session.body.is_some() && session.expires.is_some());
    let group = mapping.resource("Group").expect("there are groups");
    let members = &group.collections[0];
    assert_eq!((members.reference.as_deref(), members.batch.add), (Some("User"), Batch::Of(1)));
    assert_eq!(members.key, ["value"]);
    let add = members.add.as_ref().expect("members join");
    assert!(matches!(add.body, RequestBody::None));
    assert_eq!(members.remove.as_ref().expect("members leave").accept, [404]);
    assert!(group.create[0].carries.collections.is_empty());
    let by_member = &group.filters[2];
    assert_eq!(by_member.subject, FilterSubject::Item(0, 0));
    let FilterAction::LookUp(look_up) = &by_member.action else { panic!("a look-up") };
    assert_eq!(look_up.records.to_string(), "$.groups[*]");
    assert_eq!(mapping.tests.len(), 15);
}

#[test]
fn jupyterhub_carries_what_its_requests_name() {
    let mapping = load(JUPYTERHUB);
    let user = mapping.resource("User").expect("there are users");
    assert_eq!(user.id.source, IdSourceRule::Issued);
    let (create, update) = (&user.create[0], &user.update[0]);
    assert_eq!(rows_of(user, &create.carries.rows), ["userType"]);
    assert_eq!(rows_of(user, &create.carries.mentioned), ["userName"]);
    assert_eq!(rows_of(user, &update.carries.rows), ["userName", "userType"]);
    assert!(matches!(user.activate, Activate::Create));
    assert!(matches!(user.deactivate, Deactivate::Delete));
    assert!(user.rows.iter().filter(|row| matches!(row.source, Source::Sidecar)).count() == 5);
    // `active` comes from the requests that switch, `name` and `emails` keep every sub-attribute.
    assert_eq!(leaf(user, "active").mutability, Mutability::ReadWrite);
    assert_eq!(leaf(user, "name").sub_attributes.len(), 6);
    assert_eq!(leaf(user, "meta.created").mutability, Mutability::ReadOnly);
    let group = mapping.resource("Group").expect("there are groups");
    let (create, update) = (&group.create[0], &group.update[0]);
    assert_eq!(leaf(group, "displayName").mutability, Mutability::Immutable);
    assert_eq!(create.carries.collections.len(), 1);
    assert_eq!(rows_of(group, &create.carries.mentioned), ["displayName"]);
    assert_eq!(rows_of(group, &update.carries.rows), ["externalId"]);
    assert_eq!(update.send, SendMode::Full);
    assert_eq!(update.subtree.as_ref().map(ToString::to_string).as_deref(), Some("$.properties"));
    assert_eq!(group.collections[0].batch, Batches { add: Batch::All, remove: Batch::All });
}

#[test]
fn pocketbase_has_a_filter_language() {
    let mapping = load(POCKETBASE);
    let SignIn::Session(session) = &mapping.api.sign_in else { panic!("a session") };
    assert_eq!(session.renew_on, [401, 403]);
    let user = mapping.resource("User").expect("there are users");
    let language = user.filter_language.as_ref().expect("it has a language");
    assert_eq!((language.param.as_str(), language.not.is_none()), ("filter", true));
    assert!(user.filters.iter().all(|rule| matches!(rule.action, FilterAction::Term(_))));
    let list = user.list.as_ref().expect("there is a list");
    let pages = list.pages.as_ref().expect("it has pages");
    assert!(matches!(&pages.style, PageStyle::Page(name, 1) if name == "page"));
    assert_eq!(user.create[0].set.len(), 1);
    assert!(user.rows[2].default.is_some());
}

#[test]
fn prefixes_in_exchanges_become_urns() {
    let text = POCKETBASE.to_owned()
        + r#"
tests:
  - name: an extension in a query, a path and a value
    scim: PATCH /Users/7?attributes=enterprise:department
    body: { Operations: [ { op: add, path: "enterprise:department", value: x }, { op: add, value: { "enterprise:department": y, enterprise: { division: z } } } ] }
    status: 200
    response: { enterprise: { department: x } }
  - name: quotes are left alone
    scim: GET /Users?filter=userName eq "enterprise:x" and enterprise:department pr
    status: 200
"#;
    let mapping = load(&text);
    let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let test = &mapping.tests[0];
    assert_eq!(test.scim, format!("PATCH /Users/7?attributes={urn}:department"));
    let body = test.body.as_ref().expect("it has a body");
    assert_eq!(body["Operations"][0]["path"], format!("{urn}:department"));
    assert_eq!(body["Operations"][1]["value"][format!("{urn}:department")], "y");
    assert_eq!(body["Operations"][1]["value"][urn]["division"], "z");
    assert_eq!(test.response.as_ref().expect("it has one")[urn]["department"], "x");
    let filter = &mapping.tests[1].scim;
    assert!(filter.ends_with(&format!("\"enterprise:x\" and {urn}:department pr")), "{filter}");
}

#[test]
fn what_cannot_be_changed_is_not_claimed() {
    let update = "    update: { patch: \"/collections/users/records/{id}\" }\n";
    let create =
        "    create: { post: /collections/users/records, set: { emailVisibility: true } }\n";
    assert!(POCKETBASE.contains(update) && POCKETBASE.contains(create));
    let immutable = POCKETBASE.replace(update, "");
    let Ok((mapping, warnings)) = Mapping::load(&immutable) else { panic!("it loads") };
    assert_eq!(warnings.iter().map(|warning| warning.code).collect::<Vec<_>>(), ["W307"]);
    assert_eq!(leaf(&mapping.resources[0], "displayName").mutability, Mutability::Immutable);
    let mapping = load(&immutable.replace(create, ""));
    assert_eq!(leaf(&mapping.resources[0], "displayName").mutability, Mutability::ReadOnly);
}

#[test]
fn verbs_take_active_out_of_the_ordinary_requests() {
    let mapping = load(MATTERMOST);
    let user = mapping.resource("User").expect("there are users");
    assert!(matches!(&user.activate, Activate::Requests(requests) if requests.len() == 1));
    assert!(user.rows.iter().any(|row| row.place.attribute == "active"));
    for request in user.create.iter().chain(&user.update) {
        assert!(!rows_of(user, &request.carries.rows).contains(&"active".to_owned()));
    }
    assert_eq!(user.update[0].send, SendMode::Changed);
}

#[test]
fn the_whole_language_loads() {
    assert_eq!(load(DISCOURSE).resources.len(), 2);
    // The application tells names by letter case, and is said to.
    let Ok((mapping, warnings)) = Mapping::load(XURRENT) else { panic!("it loads") };
    assert_eq!(warnings.iter().map(|warning| warning.code).collect::<Vec<_>>(), ["W306"]);
    let user = mapping.resource("User").expect("there are users");
    let both = user.rows.iter().find(|row| row.is_several()).expect("one maps two places");
    assert!(both.memo && both.label == "name.givenName + name.familyName");
}
