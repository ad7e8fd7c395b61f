//! Whether a row fits the attributes it maps (E204).

use serde_json::Value;

use crate::mapping::compile::attribute::is_complex;
use crate::mapping::compile::context::Context;
use crate::mapping::compile::label::Label;
use crate::mapping::compile::place::Found;
use crate::mapping::diagnostic::misfit;
use crate::mapping::file::reader::OneOrMany;
use crate::mapping::file::resource::Row;
use crate::mapping::model::Mode;
use crate::scim::schema::{Attribute, AttributeType};

/// Whether the row fits what it maps.
pub(crate) fn fit(
    found: &[Found],
    row: &Row,
    mode: Mode,
    label: &Label,
    context: &mut Context,
) -> Option<()> {
    let why = found.iter().find_map(|place| place_fault(place, row, found.len() > 1));
    match why.or_else(|| count_fault(found.len(), row)).or_else(|| memo_fault(row, mode)) {
        None => Some(()),
        Some(why) => context.fault(misfit(label.at, &label.text, why)),
    }
}

fn place_fault(found: &Found, row: &Row, is_several: bool) -> Option<&'static str> {
    let place = &found.place;
    let stored = row.sidecar || row.value.is_some() || row.to_scim.is_some();
    if place.extension.is_none() && matches!(place.attribute.as_str(), "id" | "schemas") {
        Some("is given by the bridge itself")
    } else if !place.selector.is_empty() && !place.multi_valued {
        Some("has one value, so there is nothing to select")
    } else if !place.selector.is_empty() && place.sub.is_none() {
        Some("selects an element and names none of its sub-attributes, such as .value")
    } else if is_complex(&found.attribute) && place.sub.is_none() && !stored && !reads_json(row) {
        Some(if place.multi_valued {
            "has elements: map one as [type eq \"work\"].value, or all of them with items"
        } else {
            "has sub-attributes: give each a row of its own"
        })
    } else if place.multi_valued && place.sub.is_some() && place.selector.is_empty() {
        Some("has several elements: say which, as in [type eq \"work\"].value, or use items")
    } else if declares_other(row, found.leaf()) {
        Some("has another type in its schema")
    } else if !is_several && !yields(row, found.leaf()) {
        Some("gets a value of another type from the last transform of its via")
    } else {
        None
    }
}

/// Whether there are as many values as places, on both sides.
fn count_fault(places: usize, row: &Row) -> Option<&'static str> {
    let stored = row.sidecar || row.value.is_some() || row.to_scim.is_some();
    let paths = row.path.as_ref().map_or(1, |path| path.0.len());
    let last = last_transform(row);
    if places > 1 && !stored && !matches!(last, Some("split" | "list" | "json" | "map")) {
        Some("names several attributes: its via must end with one value for each, as from split")
    } else if places > 1 && row.r#ref.is_some() {
        Some("names several attributes, and a reference is one value")
    } else if places == 1 && last == Some("split") {
        Some("is one attribute, and split gives several: name them all, joined by +")
    } else if paths > 1 && first_transform(row) != Some("join") {
        Some("has several paths: its via must begin with join")
    } else if paths == 1 && first_transform(row) == Some("join") {
        Some("has one path, and join takes several: path: [ $.a, $.b ]")
    } else if paths > 1 && (row.to_native.is_some() || row.r#ref.is_some()) {
        Some("has several paths, so that neither ref nor to_native fits")
    } else {
        None
    }
}

fn memo_fault(row: &Row, mode: Mode) -> Option<&'static str> {
    let is_remembered = !matches!(mode, Mode::Read | Mode::Write);
    let is_computed = row.to_scim.is_some() || row.to_native.is_some();
    let has_place = !row.sidecar && row.value.is_none() && row.r#ref.is_none() && !is_computed;
    (row.memo && !(is_remembered && has_place))
        .then_some("has memo, but nothing is written that could be read back as something else")
}

fn reads_json(row: &Row) -> bool {
    last_transform(row) == Some("json")
}

fn declares_other(row: &Row, leaf: &Attribute) -> bool {
    row.r#type.as_ref().is_some_and(|kind| kind.value != leaf.kind)
        || row.multi.as_ref().is_some_and(|multi| multi.value != leaf.multi_valued)
}

fn first_transform(row: &Row) -> Option<&str> {
    let OneOrMany(steps) = row.via.as_ref()?;
    transform_name(&steps.first()?.value.0)
}

fn last_transform(row: &Row) -> Option<&str> {
    let OneOrMany(steps) = row.via.as_ref()?;
    transform_name(&steps.last()?.value.0)
}

fn transform_name(step: &Value) -> Option<&str> {
    match step {
        Value::String(name) => Some(name),
        Value::Object(members) => {
            let counts = ["split", "join"].into_iter().find(|name| members.contains_key(*name));
            counts.or_else(|| members.keys().next().map(String::as_str))
        }
        _ => None,
    }
}

fn yields(row: &Row, leaf: &Attribute) -> bool {
    let text = [
        AttributeType::String,
        AttributeType::DateTime,
        AttributeType::Reference,
        AttributeType::Binary,
    ];
    match last_transform(row) {
        Some("not" | "timestamp_flag") => leaf.kind == AttributeType::Boolean,
        Some("lower" | "string" | "strip_prefix" | "strip_suffix" | "datetime" | "join") => {
            text.contains(&leaf.kind)
        }
        Some("integer" | "number") => {
            matches!(leaf.kind, AttributeType::Integer | AttributeType::Decimal)
        }
        Some("list") => leaf.multi_valued,
        Some(_) | None => true,
    }
}
