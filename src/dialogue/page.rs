//! A mapping as a page for people: what is exchanged, by which calls, what becomes of those who
//! leave, what is not possible, and what an installation has to supply.

use std::sync::Arc;

use serde_json::Value;

use crate::dialogue::classes;
use crate::dialogue::report::{self, Report};
use crate::mapping::model::{
    Activate, Collection, CollectionSource, ConfigType, ConfigVar, Deactivate, Delete,
    FilterAction, IdSourceRule, Mapping, ReplaceMode, Request, ResourceMapping, Row, SignIn,
    Source,
};
use crate::scim::schema::{AttributeType, Mutability};

/// The page, as Markdown.
pub async fn markdown(mapping: &Arc<Mapping>) -> String {
    let report = Box::pin(report::run(mapping)).await;
    let mut page = Page(Vec::new());
    page.line(&format!("# {}", mapping.title));
    page.line(&format!(
        "How SCIM resources and this application's own records correspond, in the mapping `{}`. It has {} tests and {} examples.",
        mapping.name, report.tests, report.examples
    ));
    installation(mapping, &mut page);
    for (index, resource) in mapping.resources.iter().enumerate() {
        section(mapping, resource, &report, index, &mut page);
    }
    page.0.join("\n\n") + "\n"
}

/// Paragraphs and tables.
struct Page(Vec<String>);

impl Page {
    fn line(&mut self, text: &str) {
        self.0.push(text.to_owned());
    }

    fn list(&mut self, items: &[String]) {
        if !items.is_empty() {
            self.0
                .push(items.iter().map(|item| format!("- {item}")).collect::<Vec<_>>().join("\n"));
        }
    }

    fn table<const N: usize>(&mut self, head: [&str; N], rows: Vec<[String; N]>) {
        if rows.is_empty() {
            return;
        }
        let line = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
        let mut lines = vec![line(head.map(str::to_owned).to_vec()), "|---".repeat(N) + "|"];
        let cell = |cell: String| cell.replace('|', "\\|").replace('\n', " ");
        lines.extend(rows.into_iter().map(|row| line(row.map(cell).to_vec())));
        self.0.push(lines.join("\n"));
    }
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn installation(mapping: &Mapping, page: &mut Page) {
    page.line("## What an installation supplies");
    let rows: Vec<[String; 4]> = mapping.config.iter().map(variable).collect();
    if rows.is_empty() {
        page.line("Nothing.");
    }
    page.table(["name", "value", "default", "meaning"], rows);
    page.line(&format!(
        "The application is called at {}, {}.",
        code(&mapping.api.base_url.to_string()),
        sign_in(&mapping.api.sign_in)
    ));
}

fn variable(variable: &ConfigVar) -> [String; 4] {
    let kind = match variable.kind {
        ConfigType::String => "text",
        ConfigType::Integer => "a whole number",
        ConfigType::Boolean => "`true` or `false`",
        ConfigType::Url => "a URL",
        ConfigType::Duration => "a duration",
    };
    let mut value = kind.to_owned();
    if variable.secret {
        value.push_str(", secret");
    }
    let default = match &variable.default {
        Some(default) => code(&plain(default)),
        None if variable.required => "must be given".to_owned(),
        None => "may be left out".to_owned(),
    };
    [code(&variable.name), value, default, variable.doc.clone().unwrap_or_default()]
}

fn sign_in(sign_in: &SignIn) -> String {
    match sign_in {
        SignIn::None => "without signing in".to_owned(),
        SignIn::Bearer(_) => "with a bearer token".to_owned(),
        SignIn::Basic { .. } => "with a user name and a password".to_owned(),
        SignIn::Header { name, .. } => format!("with a key in the header `{name}`"),
        SignIn::Query { name, .. } => format!("with a key in the parameter `{name}`"),
        SignIn::Session(session) => {
            format!("after logging in by `{} {}`", session.method.name(), session.path)
        }
        SignIn::OAuth2(_) => "with a token of its OAuth 2.0 server".to_owned(),
    }
}

fn section(
    mapping: &Mapping,
    resource: &ResourceMapping,
    report: &Report,
    index: usize,
    page: &mut Page,
) {
    page.line(&format!("## {}", resource.name));
    page.line(&format!("Served at `{}`. {}", resource.resource_type.endpoint, id(resource)));
    page.line("### Attributes");
    attributes(resource, report, index, page);
    page.line("### Filters");
    filters(resource, report, page);
    page.line("### Calls");
    calls(resource, page);
    page.line("### Switching off and deleting");
    page.list(&leaving(resource));
    let absent = absent(mapping, resource);
    if !absent.is_empty() {
        page.line("### Not possible");
        page.list(&absent);
    }
}

fn id(resource: &ResourceMapping) -> String {
    let path = &resource.id.path;
    match resource.id.source {
        IdSourceRule::Native => format!("The id is the application's own, `{path}`."),
        IdSourceRule::Issued => format!(
            "The id is a UUID that the bridge issues and keeps; the application's key is `{path}`."
        ),
    }
}

fn attributes(resource: &ResourceMapping, report: &Report, index: usize, page: &mut Page) {
    let classes = report.laws.get(index).map(|found| classes::table(resource, found));
    let classes = classes.unwrap_or_default();
    let find = |label: &str| classes.iter().find(|line| line.path == label);
    let line = |label: &str, native: String, notes: Vec<String>| {
        let found = find(label);
        let cell = |text: Option<&str>| text.unwrap_or_default().to_owned();
        [
            code(label),
            native,
            cell(found.map(|line| direction(line.direction))),
            cell(found.map(|line| line.chain.as_str())),
            cell(found.map(|line| line.class.as_str()).map(lost).as_deref()),
            notes.join("; "),
        ]
    };
    let rows = resource.rows.iter().map(|row| line(&row.label, native(row), notes(row)));
    let lists = resource.collections.iter().flat_map(|list| {
        let of_list = line(&list.label, elements(list), list_notes(list));
        let items = list.items.iter().map(|item| {
            let label = format!("{}.{}", list.label, item.sub);
            line(&label, format!("`{}` of an element", item.path), Vec::new())
        });
        std::iter::once(of_list).chain(items.collect::<Vec<_>>())
    });
    let rows: Vec<[String; 6]> = rows.chain(lists).collect();
    page.table(["SCIM", "application", "direction", "by way of", "what is lost", "notes"], rows);
}

/// The words of the table of classes, in words for people.
fn direction(word: &str) -> &str {
    match word {
        "both" => "both ways",
        "read" => "read only",
        "write" => "written, never shown",
        "create" => "set on creation",
        "alias" => "both ways, yields to another row",
        other => other,
    }
}

/// What is lost, in words for people.
fn lost(class: &str) -> String {
    match class.strip_prefix("quotient") {
        Some(remark) => format!("nothing that SCIM sees{remark}"),
        None if class == "iso" => "nothing".to_owned(),
        None => class.to_owned(),
    }
}

fn native(row: &Row) -> String {
    match &row.source {
        Source::Path { read, write: Some(write) } if read.to_string() != write.to_string() => {
            format!("`{read}`, written to `{write}`")
        }
        Source::Path { read, .. } => code(&read.to_string()),
        Source::Paths { read, .. } => {
            let read: Vec<String> = read.iter().map(|path| code(&path.to_string())).collect();
            read.join(", ")
        }
        Source::Computed => "made of the whole record".to_owned(),
        Source::Sidecar => "kept by the bridge".to_owned(),
        Source::Constant(value) => format!("always `{}`", plain(value)),
    }
}

fn elements(list: &Collection) -> String {
    match &list.source {
        CollectionSource::Items(path) => code(&path.to_string()),
        CollectionSource::List(request) => code(&call(request)),
    }
}

fn notes(row: &Row) -> Vec<String> {
    let mut notes = Vec::new();
    if row.required {
        notes.push("required".to_owned());
    }
    if let Some(default) = &row.default {
        let written = default.to_string();
        // What is no text is a hole to templates, and people would not write it as one.
        let value = written.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let value = value.filter(|value| serde_json::from_str::<Value>(value).is_ok());
        let value = value.unwrap_or(&written);
        notes.push(format!("`{value}` when a new resource does not say"));
    }
    if let Some(target) = &row.reference {
        notes.push(format!("names a {target}"));
    }
    notes
}

fn list_notes(list: &Collection) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(target) = &list.reference {
        notes.push(format!("names a {target}"));
    }
    let call = |word: &str, request: &Option<Request>| {
        request.as_ref().map(|request| format!("{word} by `{}`", call(request)))
    };
    notes.extend(call("added", &list.add));
    notes.extend(call("changed", &list.change));
    notes.extend(call("removed", &list.remove));
    notes.extend(call("replaced", &list.set));
    notes
}

fn filters(resource: &ResourceMapping, report: &Report, page: &mut Page) {
    page.line(&scan(resource));
    let own = report.filters.iter().filter(|line| line.resource == resource.name);
    let rows: Vec<[String; 3]> = own
        .map(|line| [code(&line.filter), line.answer.name().to_owned(), code(&line.by)])
        .collect();
    page.table(["asked for", "answered", "by"], rows);
    let searches = resource.filters.iter().filter(|rule| {
        matches!(rule.action, FilterAction::Term(_)) && resource.filter_language.is_some()
    });
    let count = searches.count();
    if count > 0 {
        page.line(&format!(
            "{count} of these are terms of the application's query language, and `and` and `or` of such terms go there as a whole."
        ));
    }
}

fn scan(resource: &ResourceMapping) -> String {
    let rest = match (&resource.list, resource.scan_limit) {
        (None, _) => "a filter that no look-up answers finds nobody".to_owned(),
        (Some(_), 0) => "what the application cannot filter by is refused".to_owned(),
        (Some(_), limit) => format!(
            "what the application cannot filter by is looked for in its whole list, up to {limit} records; beyond them the answer is `tooMany`"
        ),
    };
    format!("Everything the application answers is filtered again by the bridge; {rest}.")
}

fn calls(resource: &ResourceMapping, page: &mut Page) {
    let mut rows = Vec::new();
    let mut row = |operation: &str, requests: &[&Request]| {
        let calls: Vec<String> = requests.iter().map(|request| code(&call(request))).collect();
        if !calls.is_empty() {
            rows.push([operation.to_owned(), calls.join(", then ")]);
        }
    };
    row("list", &resource.list.iter().collect::<Vec<_>>());
    row("read one", &resource.get.iter().collect::<Vec<_>>());
    row("create", &resource.create.iter().collect::<Vec<_>>());
    for update in &resource.update {
        row(format!("change {}", carried(resource, update)).trim_end(), &[update]);
    }
    row("replace", &resource.replace_with.iter().collect::<Vec<_>>());
    if let Activate::Requests(requests) = &resource.activate {
        row("switch on", &requests.iter().collect::<Vec<_>>());
    }
    if let Deactivate::Requests(requests) = &resource.deactivate {
        row("switch off", &requests.iter().collect::<Vec<_>>());
    }
    if let Delete::Requests(requests) = &resource.delete {
        row("delete", &requests.iter().collect::<Vec<_>>());
    }
    page.table(["what", "by"], rows);
    if resource.changing().next().is_some() {
        page.line(match resource.replace {
            ReplaceMode::Strict => "PUT clears what it does not name.",
            ReplaceMode::Soft => "PUT leaves what it does not name as it is.",
        });
    }
}

/// What an update request takes care of; empty for the only one.
fn carried(resource: &ResourceMapping, update: &Request) -> String {
    if resource.update.len() < 2 {
        return String::new();
    }
    let carried = update.carries.rows.iter().chain(&update.carries.mentioned);
    let rows = carried.filter_map(|index| resource.rows.get(*index)).map(|row| code(&row.label));
    let lists = update.carries.collections.iter();
    let lists = lists.filter_map(|index| resource.collections.get(*index));
    let names: Vec<String> = rows.chain(lists.map(|list| code(&list.label))).collect();
    names.join(", ")
}

fn leaving(resource: &ResourceMapping) -> Vec<String> {
    let has_active = resource.resource_type.core.attribute("active").is_some();
    let off = match (&resource.deactivate, has_active) {
        (Deactivate::Delete, _) => Some(
            "`active: false` deletes the record. The bridge keeps its last state: the resource stays readable as inactive under its id, and its name stays taken.",
        ),
        (Deactivate::Requests(_), _) => Some("`active: false` is a call of its own."),
        (Deactivate::ViaUpdate, true) => Some("`active: false` is a change like any other."),
        (Deactivate::ViaUpdate, false) => None,
    };
    let on = match (&resource.activate, has_active) {
        (Activate::Create, _) => Some(
            "`active: true` creates the record again, with what the resource is by then, and restores the memberships that are known.",
        ),
        (Activate::Requests(_), _) => Some("`active: true` is a call of its own."),
        (Activate::ViaUpdate, _) => None,
    };
    let gone = match &resource.delete {
        Delete::NotAllowed => None,
        Delete::Requests(_) => Some("DELETE deletes the record."),
        Delete::Deactivate => Some(
            "DELETE deletes nothing: it switches the record off, and to SCIM clients the resource is gone. When somebody of the same name is created later, the record comes back to life under its old id.",
        ),
    };
    [off, on, gone].into_iter().flatten().map(str::to_owned).collect()
}

fn absent(mapping: &Mapping, resource: &ResourceMapping) -> Vec<String> {
    let mut absent = Vec::new();
    let mut note = |is_absent: bool, text: &str| {
        if is_absent {
            absent.push(text.to_owned());
        }
    };
    let core = &resource.resource_type.core;
    note(resource.list.is_none(), "Listing.");
    note(resource.create.is_empty(), "Creating: POST is answered with 501.");
    note(resource.changing().next().is_none(), "Changing what the record holds.");
    note(matches!(resource.delete, Delete::NotAllowed), "Deleting: DELETE is answered with 501.");
    let is_user = resource.name == "User";
    note(is_user && core.attribute("active").is_none(), "Switching off: there is no `active`.");
    note(core.attribute("externalId").is_none(), "`externalId`: what clients send is not kept.");
    note(
        resource.name == "Group" && core.attribute("members").is_none(),
        "Members: groups have none.",
    );
    note(is_user && mapping.resource("Group").is_none(), "Groups: there is no such resource.");
    let schemas = resource.resource_type.schemas();
    let fixed: Vec<String> = schemas
        .flat_map(|(_, schema)| &schema.attributes)
        .filter(|attribute| is_fixed(attribute.mutability, attribute.kind, &attribute.name))
        .map(|attribute| code(&attribute.name))
        .collect();
    note(!fixed.is_empty(), &format!("Changing {} once a resource is there.", fixed.join(", ")));
    absent
}

fn is_fixed(mutability: Mutability, kind: AttributeType, name: &str) -> bool {
    let is_own = matches!(name, "id" | "meta" | "schemas");
    let is_whole = kind != AttributeType::Complex || mutability != Mutability::ReadWrite;
    let is_fixed = matches!(mutability, Mutability::ReadOnly | Mutability::Immutable);
    is_fixed && is_whole && !is_own
}

/// A request as people read it.
fn call(request: &Request) -> String {
    let query: Vec<String> =
        request.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let separator = if query.is_empty() { "" } else { "?" };
    format!("{} {}{separator}{}", request.method.name(), request.path, query.join("&"))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
