//! The `examples:` of a mapping, both ways: the native record reads as the SCIM resource, and
//! writing back what was read changes nothing (the law `GetPut`).

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::convert::elements::native_elements;
use crate::convert::formula::Sight;
use crate::convert::references::{Name, Wanted, keys_in};
use crate::convert::{collection, key, lens};
use crate::dialogue::script::ScriptedUpstream;
use crate::dialogue::stage;
use crate::exchange::error::ExchangeError;
use crate::exchange::native::Exchange;
use crate::exchange::state::Located;
use crate::mapping::model::{CollectionSource, Example, Given, Mapping, Mode, ResourceMapping};
use crate::native::path::NativePath;
use crate::scim::resource::{Resource, is_unassigned};

/// What an example shows to be wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The record reads as something else.
    Differs(String),
    /// Writing back what was read changes the record.
    GetPut(String),
}

/// Checks one example.
pub async fn check(
    mapping: &Arc<Mapping>,
    resource: &ResourceMapping,
    example: &Example,
) -> Vec<Finding> {
    match read(mapping, resource, example).await {
        Ok(findings) => findings,
        Err(error) => vec![Finding::Differs(format!("{}: {error}", resource.name))],
    }
}

async fn read(
    mapping: &Arc<Mapping>,
    resource: &ResourceMapping,
    example: &Example,
) -> Result<Vec<Finding>, ExchangeError> {
    let ids = example.sidecar.get("ids").map(|ids| ("ids".to_owned(), ids.clone()));
    let given = Given { sidecar: Value::Object(ids.into_iter().collect()), ..Given::default() };
    let silent = Arc::new(ScriptedUpstream::new(Vec::new()));
    let tenant = stage::set(mapping, &given, silent).await?;
    let exchange = Exchange::new(&tenant, "example".to_owned(), String::new());
    name(&exchange, resource, example);
    let native_key = key::of_record(&resource.id, &example.native)?;
    let id = example.sidecar.get("id").and_then(key::text).unwrap_or_else(|| native_key.clone());
    let entry = stage::entry(&id, &native_key, &example.sidecar);
    let located = Located { id, key: native_key, entry: Some(entry) };
    let none = std::collections::BTreeMap::new();
    let view = exchange.view(resource, &located, &example.native, &none).await?;
    let mut findings = Vec::new();
    if let Some((path, wanted, got)) = difference(&example.scim, &view) {
        let text =
            format!("{} {}: {path}: wanted {wanted}, got {got}", resource.name, example.name);
        findings.push(Finding::Differs(text));
    }
    let references = exchange.resolve_records(resource, &[&example.native]).await?;
    let context = exchange.context(resource, &references);
    for row in &resource.rows {
        // What is written elsewhere cannot be compared with what was read.
        let texts = |paths: &[NativePath]| paths.iter().map(NativePath::to_string).collect();
        let (read, write): (Vec<String>, Vec<String>) =
            (texts(row.sources()), texts(row.targets()));
        let is_compared = row.is_written() && read == write && !row.lossy;
        if matches!(row.mode, Mode::Read | Mode::Write) || !is_compared {
            continue;
        }
        let Some(value) = lens::get(&context, row, &example.native) else { continue };
        let mut document = example.native.clone();
        let sight = Sight {
            scim: Value::Object(view.0.clone()),
            old: Value::Object(view.0.clone()),
            native: example.native.clone(),
        };
        let put = lens::put_seeing(&context, row, &mut document, Some(&value), Some(&sight));
        if put.is_err() || document != example.native {
            findings.push(Finding::GetPut(format!(
                "{} {}: writing back what was read changes {}",
                resource.name,
                example.name,
                write.join(", ")
            )));
        }
    }
    for list in &resource.collections {
        let CollectionSource::Items(path) = &list.source else { continue };
        let elements = native_elements(list, &example.native);
        if list.mode == Mode::Read || elements.is_empty() {
            continue;
        }
        let wanted: Vec<Value> = elements
            .iter()
            .filter_map(|native| collection::get_element(&context, list, native.as_ref()))
            .collect();
        let mut document = example.native.clone();
        let put = collection::put_list(&context, list, &mut document, &wanted);
        if put.is_err() || document != example.native {
            findings.push(Finding::GetPut(format!(
                "{} {}: writing back what was read changes {path}",
                resource.name, example.name
            )));
        }
    }
    Ok(findings)
}

/// Tells the exchange whom references mean that are no keys: nobody can be asked.
fn name(exchange: &Exchange<'_>, resource: &ResourceMapping, example: &Example) {
    let mut wanted = Wanted::new();
    keys_in(&exchange.tenant.mapping, resource, &example.native, &mut wanted);
    let named = |name: &Name| {
        let names = example.sidecar.get("names")?.get(&name.resource)?;
        names.get(&name.value).and_then(key::text)
    };
    let mut known = exchange.names.lock();
    known.keys.extend(wanted.names.into_iter().map(|name| (name.clone(), named(&name))));
}

/// The first place where an example and what was read differ. `schemas` and what the bridge adds
/// to `meta` are not compared.
fn difference(wanted: &Value, view: &Resource) -> Option<(String, Value, Value)> {
    let mut got = view.0.clone();
    let mut wanted = wanted.as_object().cloned().unwrap_or_default();
    for document in [&mut got, &mut wanted] {
        document.remove("schemas");
    }
    differs("", &Value::Object(wanted), &Value::Object(got))
}

fn differs(path: &str, wanted: &Value, got: &Value) -> Option<(String, Value, Value)> {
    if is_unassigned(wanted) && is_unassigned(got) {
        return None;
    }
    let empty = Map::new();
    match (wanted, got) {
        (Value::Object(wanted), got) if got.is_object() || got.is_null() => {
            let got = got.as_object().unwrap_or(&empty);
            let names = wanted.keys().chain(got.keys().filter(|name| !wanted.contains_key(*name)));
            names.into_iter().find_map(|name| {
                let (left, right) = (wanted.get(name), got.get(name));
                let null = Value::Null;
                differs(&format!("{path}.{name}"), left.unwrap_or(&null), right.unwrap_or(&null))
            })
        }
        (Value::Array(wanted), Value::Array(got)) if wanted.len() == got.len() => {
            wanted.iter().zip(got).enumerate().find_map(|(index, (wanted, got))| {
                differs(&format!("{path}[{index}]"), wanted, got)
            })
        }
        (wanted, got) if wanted == got => None,
        (wanted, got) => Some((path.to_owned(), wanted.clone(), got.clone())),
    }
}
