//! `sort`: what the application can sort its list by, and how it is asked to.

use crate::mapping::compile::context::Context;
use crate::mapping::compile::subject::{Surroundings, mapped};
use crate::mapping::compile::variables::SORT;
use crate::mapping::diagnostic::wrong_value;
use crate::mapping::file::reader::{At, Entries};
use crate::mapping::file::resource::FilterQuery;
use crate::mapping::file::scalar::Tpl;
use crate::mapping::model::SortRule;
use crate::mapping::template::Template;
use crate::mapping::yaml::Key;
use crate::scim::attr::AttrPath;

/// How most applications write a descending order.
const SIGNED: &str = "{'-' ~ value if descending else value}";

/// Compiles `sort`.
pub(crate) fn sort(around: &Surroundings<'_>, context: &mut Context) -> Option<SortRule> {
    let written = around.written.sort.as_ref()?;
    if around.written.list.is_none() {
        return context.missing(wrong_value(written.at, "sort", "there is no \"list\" to sort"));
    }
    let query = match &written.query {
        FilterQuery::Name(name) => vec![(name.value.clone(), Template::compile(SIGNED).ok()?)],
        FilterQuery::Parameters(parameters) => templates(parameters, context),
    };
    let by = written.by.0.iter().filter_map(|(key, native)| {
        let path = path(key, around, context)?;
        Some((path, native.clone()))
    });
    Some(SortRule { by: by.collect(), query })
}

fn templates(parameters: &Entries<Tpl>, context: &mut Context) -> Vec<(String, Template)> {
    let Entries(parameters) = parameters;
    let compiled = parameters.iter().filter_map(|(key, Tpl(At { value, at }))| {
        Some((key.name.clone(), context.template_at(value, *at, &SORT)?))
    });
    compiled.collect()
}

fn path(key: &Key, around: &Surroundings<'_>, context: &mut Context) -> Option<AttrPath> {
    let name = key.name.as_str();
    let (prefix, bare) = match name.rsplit_once(':') {
        Some((prefix, bare)) => (Some(prefix), bare),
        None => (None, name),
    };
    let Ok(path) = bare.parse::<AttrPath>() else {
        return context.fault(wrong_value(key.at, "sort", &format!("\"{name}\" is no SCIM path")));
    };
    let urn = match prefix {
        None => None,
        Some(prefix) => around.known.extension(prefix, key.at, context)?,
    };
    let path = AttrPath { urn, ..path };
    if path.urn.is_none() && path.attr.eq_ignore_ascii_case("id") && path.sub.is_none() {
        return Some(AttrPath { attr: "id".to_owned(), ..path });
    }
    let why = match mapped(&path, around.attributes) {
        Some(Ok((path, _))) => return Some(path),
        Some(Err(why)) => format!("\"{name}\" {why}"),
        // A row that was left out because of a fault is not missing.
        None if around.attributes.broken => return None,
        None => format!("no row maps \"{name}\""),
    };
    context.fault(wrong_value(key.at, "sort", &why))
}
