//! The table of classes: for each row how its values travel, in which directions, and what is lost
//! on the way.

use std::sync::Arc;

use crate::dialogue::laws;
use crate::dialogue::trial::{Counter, Verdict};
use crate::mapping::model::{
    Collection, ItemRow, Mapping, Mode, Request, ResourceMapping, Row, Source,
};
use crate::mapping::transform::kind::{Class, Transform};

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The resource type.
    pub resource: String,
    /// The SCIM place, as the file calls it.
    pub path: String,
    /// How values travel: `copy`, the transforms, `ref User`, `sidecar` and the like.
    pub chain: String,
    /// What is lost, perhaps with a counter-example.
    pub class: String,
    /// In which directions.
    pub direction: &'static str,
}

/// The table of one resource.
pub fn table(resource: &ResourceMapping, found: &laws::Found) -> Vec<Line> {
    let name = &resource.name;
    let mut lines = Vec::new();
    for (row, verdict) in resource.rows.iter().zip(&found.rows) {
        lines.push(Line {
            resource: name.clone(),
            path: row.label.clone(),
            chain: chain(row),
            class: row_class(row, verdict),
            direction: if row.alias { "alias" } else { direction(row.mode) },
        });
    }
    for (list, verdicts) in resource.collections.iter().zip(&found.items) {
        lines.push(Line {
            resource: name.clone(),
            path: list.label.clone(),
            chain: "collection".to_owned(),
            class: collection_class(list),
            direction: direction(list.mode),
        });
        for (item, verdict) in list.items.iter().zip(verdicts).filter(|(item, _)| is_told(item)) {
            let mode = if item.write.is_some() { list.mode } else { Mode::Read };
            lines.push(Line {
                resource: name.clone(),
                path: format!("{}.{}", list.label, item.sub),
                chain: steps(&item.via).join(" + "),
                class: class(&item.via, verdict, None),
                direction: direction(mode),
            });
        }
    }
    lines
}

/// The table of a whole file.
pub fn of_mapping(mapping: &Mapping, found: &[laws::Found]) -> Vec<Line> {
    let resources = mapping.resources.iter().zip(found);
    resources.flat_map(|(resource, found)| table(resource, found)).collect()
}

/// Items that are copied go without saying.
fn is_told(item: &ItemRow) -> bool {
    !item.via.is_empty()
}

fn chain(row: &Row) -> String {
    let mut words = match &row.source {
        Source::Sidecar => return "sidecar".to_owned(),
        Source::Constant(_) => return "constant".to_owned(),
        Source::Path { .. } | Source::Paths { .. } | Source::Computed => steps(&row.via),
    };
    words.extend(row.formulas.to_scim.as_ref().map(|_| "to_scim".to_owned()));
    words.extend(row.formulas.to_native.as_ref().map(|_| "to_native".to_owned()));
    let by = row.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
    words.extend(row.reference.as_ref().map(|target| format!("ref {target}{by}")));
    if words.is_empty() { "copy".to_owned() } else { words.join(" + ") }
}

fn steps(via: &[Arc<dyn Transform>]) -> Vec<String> {
    via.iter().map(|transform| transform.name().to_owned()).collect()
}

fn row_class(row: &Row, verdict: &Verdict) -> String {
    match row.source {
        Source::Sidecar => "iso".to_owned(),
        Source::Constant(_) => "constant".to_owned(),
        Source::Computed => "one way".to_owned(),
        Source::Path { .. } | Source::Paths { .. } => {
            class(&row.via, verdict, row.memo.then_some("restored by memo"))
        }
    }
}

fn class(via: &[Arc<dyn Transform>], verdict: &Verdict, rescue: Option<&str>) -> String {
    if let Some(counter) = &verdict.put_get {
        let rescue = rescue.map(|rescue| format!(", {rescue}")).unwrap_or_default();
        return format!("lossy{rescue}; e.g. {}", journey(counter));
    }
    let worst = via.iter().map(|transform| (transform.class(), transform.remark()));
    match worst.max_by_key(|(class, _)| rank(*class)) {
        None | Some((Class::Iso, _)) => "iso".to_owned(),
        Some((Class::Quotient, Some(remark))) => format!("quotient ({remark})"),
        Some((Class::Quotient, None)) => "quotient".to_owned(),
        Some((Class::Lossy, _)) => "lossy natively; SCIM values come back".to_owned(),
    }
}

fn rank(class: Class) -> u8 {
    match class {
        Class::Iso => 0,
        Class::Quotient => 1,
        Class::Lossy => 2,
    }
}

fn journey(counter: &Counter) -> String {
    counter.texts().join(" -> ")
}

fn collection_class(list: &Collection) -> String {
    let mut words = vec![format!("by key {}", list.key.join(", "))];
    words.extend(list.reference.as_ref().map(|target| format!("effect: ref {target}")));
    let call = |name: &str, request: &Option<Request>| {
        request.as_ref().map(|request| format!("{name} by {}", request.method.name()))
    };
    words.extend(call("add", &list.add));
    words.extend(call("remove", &list.remove));
    words.extend(call("set", &list.set));
    words.join(", ")
}

fn direction(mode: Mode) -> &'static str {
    match mode {
        Mode::Both => "both",
        Mode::Read => "read",
        Mode::Write => "write",
        Mode::Create => "create",
    }
}
