//! The one way to a [`Mapping`]: text in, a mapping without errors out, or everything that is wrong
//! with it.

use std::collections::BTreeMap;

use crate::mapping::compile::api::{api, config, errors};
use crate::mapping::compile::context::Context;
use crate::mapping::compile::resource::resource;
use crate::mapping::compile::script::tests;
use crate::mapping::diagnostic::{Diagnostic, Diagnostics, wrong_value};
use crate::mapping::file::reader::Read;
use crate::mapping::file::top::File;
use crate::mapping::model::{Encoding, Mapping};
use crate::mapping::yaml::{self, Node};
use crate::scim::urn;

impl Mapping {
    /// Reads a mapping file; beside the mapping come its warnings.
    ///
    /// # Errors
    /// Every fault of the file, in its order, when one of them is an error.
    pub fn load(text: &str) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        let mut faults = Diagnostics::default();
        match yaml::read(text, &mut faults) {
            Some(node) => Self::understand(&node, faults),
            None => Err(faults.into_sorted()),
        }
    }

    /// The same from what YAML made of the text. `faults` are those of the text.
    pub(crate) fn understand(
        node: &Node,
        mut faults: Diagnostics,
    ) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        let Some(file) = File::read(node, "mapping", &mut faults) else {
            return Err(faults.into_sorted());
        };
        let mut context = context(&file, faults);
        let mapping = compile(&file, &mut context);
        match mapping {
            Some(mapping) if !context.faults.has_errors() => {
                Ok((mapping, context.faults.into_sorted()))
            }
            Some(_) | None => Err(context.faults.into_sorted()),
        }
    }
}

fn context(file: &File, faults: Diagnostics) -> Context {
    let config = file.config.0.iter().map(|(key, variable)| (key.name.clone(), variable.secret));
    let declared = file.namespaces.0.iter().map(|(key, urn)| (key.name.clone(), urn.clone()));
    let builtin = ("enterprise".to_owned(), urn::ENTERPRISE_USER.to_owned());
    let namespaces: BTreeMap<String, String> = declared.chain([builtin]).collect();
    Context {
        faults,
        config: config.collect(),
        namespaces,
        resources: file.resources.0.iter().map(|(key, _)| key.name.clone()).collect(),
        encoding: file.api.encode.unwrap_or(Encoding::Json),
    }
}

fn compile(file: &File, context: &mut Context) -> Option<Mapping> {
    if file.bridge.value != 1 {
        context.faults.push(wrong_value(file.bridge.at, "bridge", "this version reads format 1"));
    }
    if !is_short_name(&file.name.value) {
        let message = "expected a-z, then a-z, 0-9 and -";
        context.faults.push(wrong_value(file.name.at, "name", message));
    }
    for (key, urn) in &file.namespaces.0 {
        if !urn.to_ascii_lowercase().starts_with("urn:") {
            context.faults.push(wrong_value(key.at, &key.name, "expected a URN"));
        }
    }
    let config = config(&file.config, context);
    let errors = errors(file.errors.as_ref(), context);
    let api = api(&file.api, &errors, context);
    let mut resources = Vec::new();
    for (key, written) in &file.resources.0 {
        let Some(compiled) = resource(key, written, context) else { continue };
        let endpoint = &compiled.resource_type.endpoint;
        if resources.iter().any(|other: &crate::mapping::model::ResourceMapping| {
            other.resource_type.endpoint.eq_ignore_ascii_case(endpoint)
        }) {
            let message = format!("another resource has the endpoint {endpoint}");
            context.faults.push(wrong_value(key.at, &key.name, &message));
        }
        resources.push(compiled);
    }
    let tests = tests(&file.tests, context);
    Some(Mapping {
        name: file.name.value.clone(),
        title: file.title.clone().unwrap_or_else(|| file.name.value.clone()),
        config,
        api: api?,
        errors,
        namespaces: context.namespaces.clone(),
        resources,
        tests,
    })
}

fn is_short_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests {
    use crate::mapping::model::Mapping;

    const BASE: &str = r#"
bridge: 1
name: app
config: { url: { required: true }, key: { secret: true } }
api: { base_url: "{config.url}", auth: { bearer: "{config.key}" } }
namespaces: { app: "urn:example:params:scim:schemas:extension:app:2.0:User" }
resources:
  User:
    id: $.id
    attributes:
      userName: { path: $.login, required: true }
      active: $.enabled
      emails[type eq "work"].value: $.mail
      name.givenName: $.first
      groups: { list: { get: "/users/{id}/groups" }, item: { value: $.id }, mode: read }
    list: { get: /users, pages: { page: page } }
    get: { get: "/users/{id}" }
    create: { post: /users }
    update: { patch: "/users/{id}" }
    filters:
      userName eq: login
"#;

    fn report(text: &str) -> String {
        let faults = match Mapping::load(text) {
            Ok((_, warnings)) => warnings,
            Err(faults) => faults,
        };
        let codes: Vec<&str> = faults.iter().map(|fault| fault.code).collect();
        codes.join(" ")
    }

    /// Replaces one text of the base file and compares the codes that are reported.
    fn check(from: &str, to: &str, codes: &str) {
        assert!(BASE.contains(from), "{from}");
        assert_eq!(report(&BASE.replace(from, to)), codes, "{to}");
    }

    #[test]
    fn the_base_file_is_good() {
        assert_eq!(report(BASE), "");
    }

    #[test]
    fn the_shape_of_the_file() {
        check("bridge: 1", "bridge: 2", "E012");
        check("name: app", "name: App", "E012");
        check("id: $.id\n", "id: { path: $.id, as: native, typ: integer }\n", "E010");
        check("create: { post: /users }", "create: [ { post: /users, encode: xml } ]", "E012");
        check("pages: { page: page }", "pages: { size: limit }", "E011");
        check("pages: { page: page }", "pages: { page: a, offset: b }", "E013");
        check("pages: { page: page }", "pages: { cursor: c }", "E011");
        check("pages: { page: page }", "pages: { page: page, max: 0 }", "E012");
        check("{ bearer: \"{config.key}\" }", "{}", "E013");
        check("{ bearer: \"{config.key}\" }", "{ header: X-Key }", "E011");
    }

    #[test]
    fn paths_and_templates() {
        check("$.mail", "$.mail[*]", "E102");
        check("$.mail", "mail", "E012");
        check("/users/{id}\" }\n    create", "/users/{id\" }\n    create", "E110");
        check("/users/{id}\" }\n    create", "/users/{id|}\" }\n    create", "E111");
        check("/users/{id}\" }\n    create", "/users/{value}\" }\n    create", "E112");
        check("/users/{id}\" }\n    create", "/users/{config.key}\" }\n    create", "E114");
        check("/users/{id}\" }\n    create", "/users/{config['key']}\" }\n    create", "E114");
        check("/users/{id}\" }\n    create", "/users/{config.nokey}\" }\n    create", "E115");
        check("/users/{id}\" }\n    create", "/users?id={id}\" }\n    create", "E116");
        check("post: /users }", "post: users }", "E117");
        check("post: /users }", "post: //elsewhere/users }", "E117");
        check("post: /users }", "post: https://elsewhere/users }", "E117");
        check("post: /users }", "post: /a/../users }", "E117");
        check("post: /users }", "post: /users, headers: { Host: x } }", "E117");
        check("post: /users }", "post: /users, body: { a: [ { b: \"{nobody}\" } ] } }", "E112");
    }

    #[test]
    fn query_languages_need_escapes() {
        for (parameter, codes) in [
            ("{ q: \"{value}\" }", ""),
            ("{ q: \">{value}\" }", ""),
            ("{ q: \"*{value}*\" }", ""),
            ("{ q: \"login:{value}\" }", "E113"),
            ("{ q: \"login eq '{value}'\" }", "E113"),
            ("{ q: \"login eq '{value|odata}'\" }", ""),
            ("{ q: \"login eq {value|raw}\" }", ""),
        ] {
            check("userName eq: login", &format!("userName eq: {{ query: {parameter} }}"), codes);
        }
        let language = "filter_language: { param: filter }\n    filters:";
        let with_language = BASE.replace("filters:", language);
        for (term, codes) in [("login = {value|json}", ""), ("login = '{value}'", "E113")] {
            let entry = format!("userName eq: {{ term: \"{term}\" }}");
            assert_eq!(
                report(&with_language.replace("userName eq: login", &entry)),
                codes,
                "{term}"
            );
        }
        check("userName eq: login", "userName eq: { term: \"a = {value|json}\" }", "E310");
    }

    #[test]
    fn the_scim_side() {
        check("name.givenName:", "name.givenName.more:", "E201");
        check("name.givenName:", "emails[type sw \"w\"].value:", "E201");
        check("name.givenName:", "name.given:", "E202");
        check("name.givenName:", "NAME.GIVENNAME:", "");
        check("name.givenName:", "apq:level:", "E203");
        check("name.givenName:", "app:level:", "");
        check("name.givenName:", "name:", "E204");
        check("name.givenName:", "emails:", "E204");
        check("name.givenName:", "emails.value:", "E204");
        check("name.givenName:", "emails[type eq \"home\"]:", "E204");
        check("name.givenName:", "title[type eq \"x\"].value:", "E202");
        check("active: $.enabled", "active: { path: $.enabled, via: lower }", "E204");
        check("active: $.enabled", "active: { path: $.enabled, via: not }", "");
        check("active: $.enabled", "active: { path: $.enabled, type: string }", "E204");
    }

    #[test]
    fn the_parts_fit_together() {
        check("$.first", "$.login", "E301");
        check("$.first", "{ path: $.login, mode: read }", "");
        check("$.first", "{ path: $.login, alias: true }", "");
        check("$.first", "{ required: true }", "E303");
        check(
            "patch: \"/users/{id}\" }",
            "patch: \"/users/{id}\", only: [ name ] }",
            "E304 E304 E304",
        );
        check(
            "patch: \"/users/{id}\" }",
            "patch: \"/users/{id}\", only: [ nam ] }",
            "E304 E304 E304 E304 E306",
        );
        check("mode: read }\n", "mode: read, ref: Groups }\n", "E305");
        check("    update: { patch: \"/users/{id}\" }\n", "", "W307");
        check("userName eq: login", "userName: login", "W303 E308");
        check("userName eq: login", "userName pr: login", "W303 E308");
        check("userName eq: login", "title eq: title\n      userName eq: login", "E309");
        check("userName eq: login", "userName eq: { query: login, case: sensitive }", "W306");
        check("      userName: { path: $.login, required: true }\n", "", "E311 E309");
        check("    create:", "    delete: deactivate\n    create:", "");
        check(", pages: { page: page } }", " }", "W304");
    }

    #[test]
    fn which_values_a_filter_is_about() {
        let filter = |entry: &str, codes: &str| {
            let text = BASE
                .replace("$.mail\n", "$.mail\n      emails[type eq \"home\"].value: sidecar\n")
                .replace("userName eq: login", &format!("userName eq: login\n      {entry}"));
            assert_eq!(report(&text), codes, "{entry}");
        };
        filter("emails.value eq: mail", "W316");
        filter("emails[type eq \"work\"].value eq: mail", "");
        filter("emails[type eq \"home\"].value eq: mail", "E309");
        filter("emails[type eq \"other\"].value eq: mail", "E309");
        filter("emails[type eq \"work\" eq: mail", "E201");
        filter("emails.value eq: { query: mail, any: true }", "E012");
        check("userName eq: login", "userName eq: login\n      emails.value eq: mail", "");
        check("userName eq: login", "userName eq: { get: /find, query: { q: \"{value}\" } }", "");
        check("userName eq: login", "userName eq: { query: login, term: \"{value}\" }", "E013");
    }

    #[test]
    fn how_many_elements_a_call_takes() {
        let batch = |written: &str, codes: &str| {
            let calls =
                "add: { post: /in, body: \"{members}\" }, remove: { delete: \"/out/{member}\" }";
            let read = "item: { value: $.id }, mode: read }";
            assert!(BASE.contains(read));
            let with = format!("item: {{ value: $.id }}, mode: both, {calls}, batch: {written} }}");
            // Groups of a user are read only; those of another name are not.
            let text = BASE.replace(read, &with).replace("groups:", "entitlements:");
            assert_eq!(report(&text), codes, "{written}");
        };
        batch("all", "");
        batch("20", "");
        batch("{ add: all, remove: 1 }", "");
        batch("{ add: 20 }", "");
        batch("{ add: all, remove: 2 }", "E012");
        batch("{ add: none }", "E012");
        batch("0", "E012");
        batch("{ both: 1 }", "E010");
    }

    #[test]
    fn versions() {
        let version = |written: &str, codes: &str| {
            check("id: $.id\n", &format!("id: $.id\n    version: {written}\n"), codes);
        };
        version("$.rev", "");
        version("\"header:ETag\"", "");
        version("{ from: \"header:ETag\", send: If-Match }", "");
        version("rev", "E101");
        version("{ send: If-Match }", "E011");
        version("{ from: $.rev, sent: If-Match }", "E010");
        version("{ from: $.rev, send: \"If Match\" }", "E012");
        version("{ from: $.rev, send: Host }", "E117");
        let listed = BASE.replace("    get: { get: \"/users/{id}\" }\n", "");
        assert_ne!(listed, BASE);
        for (from, codes) in [("$.rev", ""), ("\"header:ETag\"", "E012")] {
            let written = format!("id: $.id\n    version: {from}\n");
            assert_eq!(report(&listed.replace("id: $.id\n", &written)), codes, "{from}");
        }
    }

    #[test]
    fn signing_in() {
        let auth =
            |written: &str, codes: &str| check("{ bearer: \"{config.key}\" }", written, codes);
        let oauth2 =
            |fields: &str, codes: &str| auth(&format!("{{ oauth2: {{ {fields} }} }}"), codes);
        oauth2("token_url: https://id.example/t, client_id: a", "");
        oauth2("token_url: \"{config.key}\", client_id: a, client_secret: \"{config.key}\"", "");
        oauth2("client_id: a", "E011");
        oauth2("token_url: /t, client_id: a", "E012");
        oauth2("token_url: https://id.example/t", "E011");
        oauth2("token_url: https://id.example/t, grant: refresh_token", "E011");
        oauth2("token_url: https://id.example/t, grant: password, username: a", "E011");
        oauth2("token_url: https://id.example/t, grant: password, username: a, password: b", "");
        oauth2("token_url: https://id.example/t, grant: implicit, client_id: a", "E012");
        oauth2("token_url: https://id.example/t, grant: jwt_bearer", "E011");
        oauth2(
            "token_url: https://id.example/t, client_id: a, client_auth: private_key_jwt",
            "E011",
        );
        let key = "grant: jwt_bearer, token_url: https://id.example/t, assertion: { key: k";
        oauth2(&format!("{key}, alg: ES256, claims: {{ a: b }}, headers: {{ kid: x }} }}"), "");
        oauth2(&format!("{key}, alg: none }}"), "E012");
        oauth2(&format!("{key}, claims: {{ exp: 1 }} }}"), "E012");
        oauth2(&format!("{key}, headers: {{ alg: none }} }}"), "E012");
        oauth2("token_url: https://id.example/t, client_id: a, params: { scope: b }", "E012");
        let session = |fields: &str, codes: &str| {
            auth(&format!("{{ session: {{ post: /login, token: $.t, {fields} }} }}"), codes);
        };
        session("send: { body: auth }", "");
        session("send: { body: params.auth, value: \"t {token}\" }", "");
        session("send: { body: $.auth }", "E012");
        session("send: { body: a, header: b }", "E013");
        session("renew_when: message is defined and status == 200", "");
        session("renew_when: nobody == 1", "E112");
    }

    #[test]
    fn the_connection() {
        check("api: {", "api: { rate: 700/m, proxy: \"http://{config.key}@proxy:3128\",", "");
        check("api: {", "api: { rate: fast,", "E012");
        check("api: {", "api: { retry: { methods: all, after: $.ms, after_unit: ms },", "");
        check("api: {", "api: { retry: { after_unit: h },", "E012");
        check("api: {", "api: { tls: { ca: \"{config.key}\", min: 1.3, verify: false },", "");
        check("api: {", "api: { tls: { min: 1.1 },", "E012");
        check("api: {", "api: { tls: { cert: a },", "E011");
        check("post: /users }", "post: /users, idempotency: X-Key }", "");
        check("post: /users }", "post: /users, idempotency: Host }", "E117");
        check("post: /users }", "post: /users, idempotency: \"a b\" }", "E012");
        check(
            "post: /users }",
            "post: /users, headers: { x-key: a }, idempotency: X-Key }",
            "E012",
        );
    }

    #[test]
    fn what_is_read() {
        let get = "get: { get: \"/users/{id}\" }";
        let list = "list: { get: /users,";
        check(list, "list: { get: /users, hydrate: true,", "");
        check(list, "list: { get: /users, missing: never,", "E012");
        check("post: /users }", "post: /users, hydrate: true }", "E012");
        let embed = |written: &str, codes: &str| {
            check(
                get,
                &format!("get: {{ get: \"/users/{{id}}\", embed: {{ x: {written} }} }}"),
                codes,
            );
        };
        embed("{ get: \"/x/{id}\", pick: $.a, required: false }", "");
        embed("{ get: \"/x/{scim.userName}\" }", "E112");
        embed("{ pick: $.a }", "E011");
        check("post: /users }", "post: /users, embed: { x: { get: /x } } }", "E012");
        check("page: page }", "page: page, in: body }", "E012");
        check("page: page }", "link: \"header:X-Next\" }", "");
        check("page: page }", "link: \"$.next#[^ ]+\" }", "");
        check("page: page }", "link: \"$.next#[\" }", "E012");
        check("userName eq: login", "userName eq: { body: { login: \"{value}\" } }", "E012");
        check("post: /users }", "post: /users, id: \"$.href#[^/]+$\" }", "");
        let beside = |field: &str, codes: &str| {
            check("id: $.id\n", &format!("id: $.id\n    {field}\n"), codes);
        };
        beside("where: not native.system", "");
        beside("where: not system", "E112");
        beside("unique: [ userName ]", "");
        beside("unique: [ nickName ]", "E012");
        beside("unique: [ active ]", "E012");
        beside("adopt: userName", "");
        beside("adopt: \"user name\"", "E012");
    }

    #[test]
    fn one_row_for_several_places_needs_several_values() {
        check("name.givenName:", "name.givenName + name.familyName:", "E204");
    }

    #[test]
    fn what_a_request_asks_and_judges() {
        let create = |rest: &str, codes: &str| {
            check("post: /users }", &format!("post: /users, {rest} }}"), codes);
        };
        create(
            "with: { a: { get: /a }, b: { post: /b, body: \"{a}\" } }, query: { q: \"{b}\" }",
            "",
        );
        create("with: { a: { get: /a, query: { q: \"{b}\" } }, b: { get: /b } }", "E112");
        create("query: { q: \"{a}\" }", "E112");
        create("with: { a: { delete: /a } }", "E011 E010");
        create("with: { a: { get: /a, put: /a } }", "E013");
        create("with: { scim: { get: /a } }", "E012");
        create("with: { a-b: { get: /a } }", "E012");
        create("with: { \"true\": { get: /a } }", "E012");
        create("failed: status == 200, errors: [ { status: 200, scim: uniqueness } ]", "");
        create("failed: state == 200", "E112");
        create("errors: [ { status: 200 } ]", "E011");
    }

    #[test]
    fn what_a_request_sends() {
        let update = |rest: &str, codes: &str| {
            let request = format!("patch: \"/users/{{id}}\", {rest} }}");
            check("patch: \"/users/{id}\" }", &request, codes);
        };
        update("body: { params: \"{record}\" }", "");
        update("query: { params: \"{record}\" }", "E112");
        update("send: each, body: { v: \"{value}\" }, query: { f: \"{field}\" }", "");
        update("body: { v: \"{value}\" }", "E112");
        update("encode: merge-patch, set: { by: scim }", "");
        update("encode: json-patch, set: { by: scim }", "E012");
        update("encode: json-patch, send: each", "E012");
        update("wrap: data.attributes", "");
        update("wrap: data..attributes", "E012");
        check("post: /users }", "post: \"/users/{id}\" }", "E312");
        check("post: /users }", "post: /users, headers: { v: \"{native.v}\" } }", "E312");
        check("{ post: /users }", "[ { post: /users }, { put: \"/u/{id}\", body: none } ]", "");
        check("    create:", "    replace: { put: \"/users/{id}\" }\n    create:", "");
        check("    update: { patch: ", "    replace: { put: ", "");
    }

    #[test]
    fn collections_of_other_shapes() {
        let members = |fields: &str, codes: &str| {
            let row = format!("      roles: {{ item: {{ value: $.key }}, {fields} }}\n    list:");
            check("    list:", &row, codes);
        };
        let set = "set: { put: \"/users/{id}/roles\", body: { all: \"{items}\" } }";
        members("items: $.roles, entries: { on: true, off: false }", "");
        members("items: \"$.roles[*]\", entries: { on: true }", "E012");
        members("items: $.roles, entries: { off: false }", "E102 E011");
        members("items: $.roles", "E102");
        members("list: { get: \"/users/{id}/roles\" }, entries: { on: true }", "E011");
        members(&format!("list: {{ get: \"/users/{{id}}/roles\" }}, {set}"), "");
        members(&format!("items: \"$.roles[*]\", {set}"), "");
        members("items: \"$.roles[*]\", set: { put: \"/{item.id}\" }", "E112");
    }
}
