//! A resource: its parts in order, then what they are to each other.

use crate::mapping::compile::attribute::Draft;
use crate::mapping::compile::carrying::{Activation, Route, assign};
use crate::mapping::compile::context::Context;
use crate::mapping::compile::filter::{filters, language};
use crate::mapping::compile::place::Known;
use crate::mapping::compile::relations;
use crate::mapping::compile::request::{Kind, request};
use crate::mapping::compile::row::{Attributes, transform};
use crate::mapping::compile::rows::attributes;
use crate::mapping::compile::script;
use crate::mapping::compile::sort::sort;
use crate::mapping::compile::subject::Surroundings;
use crate::mapping::compile::unique::{adopt, unique};
use crate::mapping::compile::variables::RECORD;
use crate::mapping::diagnostic::{leaves_base, missing_field, wrong_value};
use crate::mapping::file::reader::OneOrMany;
use crate::mapping::file::request::Request;
use crate::mapping::file::resource::{
    ActivateEntry, DeactivateEntry, DeleteEntry, FilterEntry, Id, Replace, Resource, VersionEntry,
};
use crate::mapping::model;
use crate::mapping::model::{
    Activate, Deactivate, Delete, IdRule, IdSourceRule, IdType, Locator, ReplaceMode,
    ResourceMapping, VersionRule,
};
use crate::mapping::yaml::Key;
use crate::native::path::NativePath;
use crate::scim::schema::Mutability;

const SCAN_LIMIT: usize = 2000;
/// Endpoints of SCIM itself (RFC 7644 section 3.2).
const RESERVED: [&str; 6] =
    ["/Me", "/ServiceProviderConfig", "/ResourceTypes", "/Schemas", "/Bulk", "/.search"];

/// Compiles a resource. `None` after a fault that leaves nothing to build on.
pub(crate) fn resource(
    key: &Key,
    written: &Resource,
    context: &mut Context,
) -> Option<ResourceMapping> {
    let schema = written.schema.as_ref().map(|schema| schema.value.as_str());
    let Some(known) = Known::new(&key.name, schema) else {
        return context.fault(missing_field(key.at, &key.name, "schema"));
    };
    let id = id(&written.id, context);
    let endpoint = endpoint(&key.name, written, context);
    let mut attributes = attributes(&written.attributes.value, &known, context);
    let native_key = id.as_ref().map(|id| id.path.clone());
    let mut requests = Requests::compile(written, native_key.as_ref(), context);
    requests.assign(written, &attributes, context);
    relations::overlaps(&attributes, context);
    if !attributes.broken && !requests.broken {
        let parts = relations::Parts {
            name: &key.name,
            at: key.at,
            written,
            attributes: &attributes,
            create: &requests.create,
            update: requests.changing(),
            activation: requests.activation(),
            ids: id.as_ref().map(|id| id.source),
            keys: id.as_ref().map(|id| &id.path),
        };
        relations::check(&parts, context);
    }
    let draft = std::mem::take(&mut attributes.draft);
    let draft = honest(draft, &attributes, &requests, &known);
    let resource_type = draft.finish(&known, endpoint?, written.doc.clone());
    let around = Surroundings {
        written,
        known: &known,
        attributes: &attributes,
        resource_type: &resource_type,
    };
    let filters = filters(&around, context);
    let filter_language = language(written, context);
    let sort = sort(&around, context);
    let unmapped = written.unmapped.iter().filter_map(|path| context.path(path)).collect();
    let version = version(written, context);
    let visible = match &written.r#where {
        None => None,
        Some(condition) => Some(context.expression(condition, &RECORD)?),
    };
    let (unique, adopt) = (unique(&around, context), adopt(&around, context));
    needs_get(written, context);
    let examples = script::examples(&written.examples, context);
    Some(ResourceMapping {
        name: key.name.clone(),
        resource_type,
        id: id?,
        rows: attributes.rows,
        collections: attributes.collections,
        list: requests.list,
        get: requests.get,
        create: requests.create,
        update: requests.update,
        replace: match written.replace {
            Some(Replace::Mode(mode)) => mode,
            Some(Replace::With(_)) | None => ReplaceMode::Strict,
        },
        replace_with: requests.replace,
        delete: requests.delete,
        activate: requests.activate,
        deactivate: requests.deactivate,
        filters,
        filter_language,
        scan_limit: scan_limit(written),
        visible,
        unique,
        adopt,
        version,
        sort,
        unmapped,
        examples,
        line: key.at.line,
        column: key.at.column,
    })
}

/// Whoever gets stubs must be able to read what they stand for.
fn needs_get(written: &Resource, context: &mut Context) {
    let lists = written.list.iter().filter(|list| list.hydrate).map(|list| list.at);
    let filters = written.filters.iter().flat_map(|filters| &filters.value.0);
    let filters = filters.map(|(_, FilterEntry(filter))| filter).chain(&written.filter_defaults);
    let filters = filters.filter(|filter| filter.hydrate == Some(true)).map(|filter| filter.at);
    let first = lists.chain(filters).next();
    if let (Some(at), None) = (first, &written.get) {
        context.faults.push(wrong_value(at, "hydrate", "each record is read by \"get\""));
    }
}

fn scan_limit(written: &Resource) -> usize {
    written.scan_limit.map_or(SCAN_LIMIT, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

fn id(Id(written): &Id, context: &mut Context) -> Option<IdRule> {
    let path = context.path(&written.path);
    let pattern = match &written.pattern {
        None => None,
        Some(pattern) => Some(context.regex(pattern, "pattern")?),
    };
    let extract = match &written.extract {
        None => None,
        Some(extract) => Some(context.regex(extract, "extract")?),
    };
    let steps = written.via.as_ref().map_or(&[][..], |OneOrMany(steps)| steps);
    let via: Vec<_> = steps.iter().filter_map(|step| transform(step, context)).collect();
    if via.len() < steps.len() {
        return None;
    }
    Some(IdRule {
        path: path?,
        kind: written.r#type.unwrap_or(IdType::String),
        source: written.r#as.unwrap_or(IdSourceRule::Native),
        pattern,
        extract,
        via,
    })
}

fn version(written: &Resource, context: &mut Context) -> Option<VersionRule> {
    let VersionEntry(version) = written.version.as_ref()?;
    let from = context.locator(&version.from);
    if matches!(from, Some(Locator::Header(..))) && written.get.is_none() {
        let message = "a header tells the version of one record only, which needs \"get\"";
        context.faults.push(wrong_value(version.from.0.at, "version", message));
    }
    let send = match &version.send {
        None => None,
        Some(header) => Some(context.header_name(&header.value, header.at)?),
    };
    if let (Some("host"), Some(header)) = (send.as_deref(), &version.send) {
        context.faults.push(leaves_base(header.at, "a Host header"));
    }
    Some(VersionRule { from: from?, send })
}

fn endpoint(name: &str, written: &Resource, context: &mut Context) -> Option<String> {
    let Some(endpoint) = &written.endpoint else { return Some(format!("/{name}s")) };
    let is_name = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    if !endpoint.value.strip_prefix('/').is_some_and(is_name) {
        let message = "expected \"/\" and one word of letters, digits, - and _";
        return context.fault(wrong_value(endpoint.at, "endpoint", message));
    }
    if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(&endpoint.value)) {
        let message = format!("{} belongs to SCIM itself", endpoint.value);
        return context.fault(wrong_value(endpoint.at, "endpoint", &message));
    }
    Some(endpoint.value.clone())
}

/// Takes back what the requests cannot do: without `update` nothing changes after birth, without
/// `create` and `update` nothing is written at all.
fn honest(mut draft: Draft, attributes: &Attributes, requests: &Requests, known: &Known) -> Draft {
    let verbs = !matches!(requests.activate, Activate::ViaUpdate)
        || !matches!(requests.deactivate, Deactivate::ViaUpdate);
    if verbs {
        draft.active(known);
    }
    let restriction = match (requests.create.is_empty(), requests.changing().is_empty()) {
        (_, false) => return draft,
        (false, true) => Mutability::Immutable,
        (true, true) => Mutability::ReadOnly,
    };
    let by_calls = |name: &str| {
        attributes
            .collections
            .iter()
            .any(|collection| collection.place.attribute == name && collection.has_calls())
    };
    draft.restrict(restriction, &|name| (name == "active" && verbs) || by_calls(name));
    draft
}

/// The request that PUT uses in the place of `update`.
fn replacing(written: &Resource) -> &[Request] {
    match &written.replace {
        Some(Replace::With(request)) => std::slice::from_ref(request),
        Some(Replace::Mode(_)) | None => &[],
    }
}

/// The requests of a resource.
struct Requests {
    list: Option<model::Request>,
    get: Option<model::Request>,
    create: Vec<model::Request>,
    update: Vec<model::Request>,
    replace: Option<model::Request>,
    delete: Delete,
    activate: Activate,
    deactivate: Deactivate,
    /// Whether one was left out because of a fault.
    broken: bool,
}

impl Requests {
    fn compile(written: &Resource, key: Option<&NativePath>, context: &mut Context) -> Self {
        let mut broken = false;
        let mut all = |written: &[Request], kind: Kind, context: &mut Context| {
            let compiled: Vec<model::Request> =
                written.iter().filter_map(|written| request(written, kind, key, context)).collect();
            broken |= compiled.len() < written.len();
            compiled
        };
        let list = all(written.list.as_slice(), Kind::List, context).pop();
        let get = all(written.get.as_slice(), Kind::Get, context).pop();
        let create = all(&written.create.0, Kind::Create, context);
        let update = all(&written.update.0, Kind::Update, context);
        let replace = all(replacing(written), Kind::Replace, context).pop();
        let delete = match &written.delete {
            None => Delete::NotAllowed,
            Some(DeleteEntry::Deactivate) => Delete::Deactivate,
            Some(DeleteEntry::Steps(steps)) => Delete::Requests(all(&steps.0, Kind::Verb, context)),
        };
        let activate = match &written.activate {
            None => Activate::ViaUpdate,
            Some(ActivateEntry::Create) => Activate::Create,
            Some(ActivateEntry::Steps(steps)) => {
                Activate::Requests(all(&steps.0, Kind::Verb, context))
            }
        };
        let deactivate = match &written.deactivate {
            None => Deactivate::ViaUpdate,
            Some(DeactivateEntry::Delete) => Deactivate::Delete,
            Some(DeactivateEntry::Steps(steps)) => {
                Deactivate::Requests(all(&steps.0, Kind::Verb, context))
            }
        };
        Self { list, get, create, update, replace, delete, activate, deactivate, broken }
    }

    /// The requests that change a record when not all of it is replaced.
    fn changing(&self) -> &[model::Request] {
        if self.update.is_empty() { self.replace.as_slice() } else { &self.update }
    }

    /// `active` leaves the ordinary requests only when both directions have requests of their own:
    /// otherwise the other direction would have no way.
    fn activation(&self) -> Activation {
        match (&self.activate, &self.deactivate) {
            (Activate::ViaUpdate, _) | (_, Deactivate::ViaUpdate) => Activation::ByRow,
            (
                Activate::Requests(_) | Activate::Create,
                Deactivate::Requests(_) | Deactivate::Delete,
            ) => Activation::ByVerb,
        }
    }

    fn assign(&mut self, written: &Resource, attributes: &Attributes, context: &mut Context) {
        // Requests and what was written go side by side, which they do not when one is left out.
        if self.broken {
            return;
        }
        let activation = self.activation();
        let parts = self.get.as_ref().or(self.list.as_ref()).map(|request| &request.embed);
        let parts = parts.into_iter().flatten();
        let apart: Vec<NativePath> =
            parts.filter_map(|(name, _)| NativePath::member(name)).collect();
        let create = &written.create.0;
        assign(Route::Create, create, &mut self.create, &apart, attributes, activation, context);
        let update = &written.update.0;
        assign(Route::Update, update, &mut self.update, &apart, attributes, activation, context);
        let replace = self.replace.as_mut_slice();
        let written = replacing(written);
        assign(Route::Update, written, replace, &apart, attributes, activation, context);
        // Routes that name what they carry go first.
        let mut order: Vec<(bool, model::Request)> = update
            .iter()
            .map(|written| written.only.is_none())
            .zip(std::mem::take(&mut self.update))
            .collect();
        order.sort_by_key(|(without_only, _)| *without_only);
        self.update = order.into_iter().map(|(_, request)| request).collect();
    }
}
