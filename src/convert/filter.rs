//! A SCIM filter as native calls: what is pushed down, what is left to the bridge.
//!
//! Everything is filtered again on the SCIM view, so pushing down only ever narrows what is read.
//! That is sound as long as a pushed term returns no less than SCIM would match; where the
//! application may return less (`case: sensitive`), an empty answer is followed by a scan.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use crate::convert::context::Context;
use crate::convert::error::ConvertError;
use crate::convert::parameters::{self, Parameters};
use crate::convert::{collection, key, lens, request};
use crate::mapping::formulas::Formulas;
use crate::mapping::model::{
    CollectionSource, FilterAction, FilterCase, FilterLanguage, FilterRule, FilterSubject,
    ParameterPlace, Reach, Request, RequestBody, is_same_text,
};
use crate::mapping::scope::Scope;
use crate::mapping::template::Template;
use crate::mapping::transform::kind::Transform;
use crate::native::message::NativeRequest;
use crate::scim::attr::AttrPath;
use crate::scim::filter::ast::{CompareOp, Filter};

/// How a filter is answered natively.
#[derive(Debug)]
pub struct Pushdown<'m> {
    /// The calls.
    pub calls: Calls<'m>,
    /// An empty answer may be wrong: scan then.
    pub may_miss: bool,
    /// What the bridge filters by. Terms on a collection behind a request of its own that the
    /// application answers exactly are left out: checking them would cost a call for each record.
    pub residual: Option<Filter>,
    /// Indexes of the collections of such terms.
    pub answered: BTreeSet<usize>,
}

impl<'m> Pushdown<'m> {
    fn new(calls: Calls<'m>, filter: &Filter) -> Self {
        let residual = Some(filter.clone());
        Self { calls, may_miss: false, residual, answered: BTreeSet::new() }
    }

    /// Notes the terms whose rules the calls use.
    fn using(mut self, context: &Context<'_>, terms: &[Filter], used: &[&Found<'_>]) -> Self {
        let mut left: Vec<Filter> = Vec::new();
        for (index, term) in terms.iter().enumerate() {
            let found = used.iter().find(|found| found.term == index);
            self.may_miss |= found.is_some_and(|found| found.rule.case == FilterCase::Sensitive);
            match found.and_then(|found| answers(context, term, found)) {
                Some(collection) => {
                    self.answered.insert(collection);
                }
                None => left.push(term.clone()),
            }
        }
        self.residual = match left.len() {
            0 | 1 => left.pop(),
            _ => Some(Filter::And(left)),
        };
        self
    }
}

/// The collection behind a request of its own that an exact term speaks of.
fn answers(context: &Context<'_>, term: &Filter, found: &Found<'_>) -> Option<usize> {
    let FilterSubject::Item(index, _) = found.rule.subject else { return None };
    let collection = context.resource.collections.get(index)?;
    let is_external = matches!(collection.source, CollectionSource::List(_));
    let is_exact = found.rule.exact && found.rule.case != FilterCase::Sensitive;
    let is_plain = matches!(term, Filter::Compare(..));
    (is_external && is_exact && is_plain).then_some(index)
}

/// The calls of a pushdown.
#[derive(Debug)]
pub enum Calls<'m> {
    /// No record can match.
    Nothing,
    /// The resource of this SCIM id, and no other.
    ById(String),
    /// The list request with these parameters; none of them: a scan.
    List(Parameters),
    /// Another request instead of the list; 404 means no match.
    LookUp(&'m Request, NativeRequest),
}

/// Plans a filter.
pub fn plan<'m>(context: &Context<'m>, filter: &Filter) -> Result<Pushdown<'m>, ConvertError> {
    let terms = filter.terms();
    if let Some(id) = terms.iter().find_map(id_asked_for) {
        return Ok(Pushdown::new(Calls::ById(id), filter));
    }
    let mut usable = Vec::new();
    for (index, term) in terms.iter().enumerate() {
        match native_term(context, term) {
            Term::Impossible => return Ok(Pushdown::new(Calls::Nothing, filter)),
            Term::Usable(found) => usable.push(Found { term: index, ..found }),
            Term::Unusable => {}
        }
    }
    // One look-up says more than any parameters: it names the record.
    for found in &usable {
        if let FilterAction::LookUp(look_up) = &found.rule.action {
            match request::build(look_up, &found.scope(context), None) {
                Ok(native) => {
                    let calls = Calls::LookUp(look_up, native);
                    return Ok(Pushdown::new(calls, filter).using(context, terms, &[found]));
                }
                // The value has no place in the look-up's path: the record can be scanned for.
                Err(ConvertError::Template(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }
    let mut parameters = Parameters::default();
    let mut used = Vec::new();
    for found in &usable {
        if narrow(&mut parameters, found, context)? {
            used.push(found);
        }
    }
    let mut may_miss = false;
    if let Some(language) = &context.resource.filter_language
        && !parameters.has(language.place, &language.param)
        && let Some(phrase) = phrase(context, language, filter, Side::Widening)?
    {
        may_miss = phrase.may_miss;
        parameters.put(language.place, &language.param, Value::from(phrase.text));
    }
    let mut plan = Pushdown::new(Calls::List(parameters), filter).using(context, terms, &used);
    plan.may_miss |= may_miss;
    Ok(plan)
}

/// Adds what a term makes of the list request, unless that says something else already.
fn narrow(
    parameters: &mut Parameters,
    found: &Found<'_>,
    context: &Context<'_>,
) -> Result<bool, ConvertError> {
    match &found.rule.action {
        FilterAction::Query(templates) => {
            let pairs = request::pairs(templates, &found.scope(context))?;
            if pairs.iter().any(|(name, _)| parameters.has(ParameterPlace::Query, name)) {
                return Ok(false);
            }
            parameters.query.extend(pairs);
        }
        FilterAction::Body(tree) => {
            let tree = tree.evaluate(&found.scope(context))?;
            if parameters::clash(&parameters.body, &tree) {
                return Ok(false);
            }
            parameters::merge(&mut parameters.body, tree);
        }
        FilterAction::LookUp(_) | FilterAction::Term(_) => return Ok(false),
    }
    Ok(true)
}

fn id_asked_for(term: &Filter) -> Option<String> {
    let Filter::Compare(path, CompareOp::Eq, literal) = term else { return None };
    if !path.attr.eq_ignore_ascii_case("id") || path.sub.is_some() {
        return None;
    }
    match literal {
        Value::String(id) => Some(id.clone()),
        // Entra ID's older reference checks have no quotes, and some ids consist of digits. Whether
        // a number may stand for text is decided when the resource is filtered again.
        Value::Number(id) if id.is_u64() => Some(id.to_string()),
        _ => None,
    }
}

/// A term with its rule and the native form of its value.
struct Found<'m> {
    /// Index of the term.
    term: usize,
    rule: &'m FilterRule,
    value: Value,
    scim_value: Value,
}

impl Found<'_> {
    fn scope<'s>(&'s self, context: &Context<'s>) -> Scope<'s> {
        context.scope().with("value", &self.value).with("scim_value", &self.scim_value)
    }
}

enum Term<'m> {
    Usable(Found<'m>),
    Unusable,
    /// It asks for the id of a resource that does not exist: nothing matches.
    Impossible,
}

fn native_term<'m>(context: &Context<'m>, term: &Filter) -> Term<'m> {
    match term {
        Filter::Compare(path, operator, value) => comparison(context, path, *operator, value, &[]),
        // `emails[type eq "work" and value eq "x"]` has no more matches than `emails.value eq
        // "x"`.
        Filter::ValuePath(path, inner) => {
            let flat: Vec<Filter> = inner.of_attribute(path).collect();
            for one in &flat {
                let Filter::Compare(path, operator, value) = one else { continue };
                let found = comparison(context, path, *operator, value, &flat);
                if !matches!(found, Term::Unusable) {
                    return found;
                }
            }
            Term::Unusable
        }
        Filter::Present(_) | Filter::And(_) | Filter::Or(_) | Filter::Not(_) => Term::Unusable,
    }
}

/// Whether the application looks at every value that a comparison may match. `element` are the
/// comparisons that hold for the same element.
fn reaches(rule: &FilterRule, element: &[Filter]) -> bool {
    let is_said = |(name, wanted): &(String, Value)| {
        element.iter().any(|term| match term {
            Filter::Compare(AttrPath { sub: Some(sub), .. }, CompareOp::Eq, value) => {
                sub.eq_ignore_ascii_case(name) && is_same_text(value, wanted)
            }
            _ => false,
        })
    };
    match &rule.reach {
        Reach::All(_) => true,
        Reach::Element(selector) => selector.iter().all(is_said),
        Reach::Unknown => false,
    }
}

fn comparison<'m>(
    context: &Context<'m>,
    path: &AttrPath,
    operator: CompareOp,
    scim_value: &Value,
    element: &[Filter],
) -> Term<'m> {
    let rule = context.resource.filters.iter().find(|rule| {
        rule.operator == operator && is_same(context, &rule.path, path) && reaches(rule, element)
    });
    let Some(rule) = rule.filter(|rule| narrows(context, rule)) else {
        return Term::Unusable;
    };
    let text = scim_value.as_str().map_or_else(|| scim_value.to_string(), str::to_owned);
    if rule.unsafe_values.as_ref().is_some_and(|pattern| pattern.is_match(&text)) {
        return Term::Unusable;
    }
    match native_form(context, rule.subject, scim_value) {
        Ok(value) if is_another(context, rule, scim_value, &value) => Term::Unusable,
        Ok(value) => Term::Usable(Found { term: 0, rule, value, scim_value: scim_value.clone() }),
        Err(ConvertError::UnknownReference { .. }) if operator == CompareOp::Eq => Term::Impossible,
        // A value that the application cannot hold is left to the scan: it is always right.
        Err(_) => Term::Unusable,
    }
}

/// Whether what a rule asks for holds no less than the SCIM filter. The native form of a part of a
/// text is a part of the native form only where nothing is cut off, looked up or computed on the
/// way, and smaller values have smaller forms only of instants; a rule that takes the value as
/// SCIM has it (`scim_value`) knows what it does.
fn narrows(context: &Context<'_>, rule: &FilterRule) -> bool {
    let kept: &[&str] = match rule.operator {
        CompareOp::Eq | CompareOp::Ne => return true,
        CompareOp::Co | CompareOp::Sw | CompareOp::Ew => &["lower"],
        CompareOp::Gt | CompareOp::Ge | CompareOp::Lt | CompareOp::Le => &["lower", "datetime"],
    };
    let resource = context.resource;
    let keeps = |via: &[Arc<dyn Transform>], formulas: &Formulas, reference: Option<&String>| {
        let is_plain = formulas.to_native.is_none() && formulas.to_scim.is_none();
        let is_kept = via.iter().all(|transform| kept.contains(&transform.name()));
        is_plain && is_kept && reference.is_none()
    };
    let is_kept = match rule.subject {
        FilterSubject::Row(index) => resource
            .rows
            .get(index)
            .is_none_or(|row| keeps(&row.via, &row.formulas, row.reference.as_ref())),
        FilterSubject::Item(outer, inner) => resource
            .collections
            .get(outer)
            .and_then(|list| list.items.get(inner))
            .is_none_or(|item| keeps(&item.via, &item.formulas, item.reference.as_ref())),
        FilterSubject::Id => resource.id.via.is_empty() && resource.id.extract.is_none(),
    };
    is_kept || !sends_native_form(&rule.action)
}

fn sends_native_form(action: &FilterAction) -> bool {
    match action {
        FilterAction::Query(pairs) => {
            pairs.iter().any(|(_, text)| text.variables().contains("value"))
        }
        FilterAction::Body(tree) => tree.variables().contains("value"),
        FilterAction::Term(text) => text.variables().contains("value"),
        FilterAction::LookUp(request) => {
            let in_body = match &request.body {
                RequestBody::Tree(tree) | RequestBody::Frame(tree) => {
                    tree.variables().contains("value")
                }
                RequestBody::None | RequestBody::FromRows => false,
            };
            let in_query = request.query.iter().any(|(_, text)| text.variables().contains("value"));
            in_body || in_query || request.path.variables().contains("value")
        }
    }
}

/// Whether two paths name the same attribute: without case, with or without URN, and a complex
/// attribute alone meaning its `value`.
pub(crate) fn is_same(context: &Context<'_>, rule: &AttrPath, path: &AttrPath) -> bool {
    let resource_type = &context.resource.resource_type;
    let (Some(left), Some(right)) = (resource_type.resolve(rule), resource_type.resolve(path))
    else {
        return false;
    };
    let sub = |resolved: &crate::scim::schema::Resolved<'_>| {
        let own = resolved.sub.map(|sub| sub.name.clone());
        let implied = resolved.attribute.sub_attribute("value").map(|sub| sub.name.clone());
        own.or(implied)
    };
    std::ptr::eq(left.attribute, right.attribute) && sub(&left) == sub(&right)
}

/// Whether another row that the application looks at would write the value in another way.
fn is_another(context: &Context<'_>, rule: &FilterRule, scim: &Value, native: &Value) -> bool {
    let Reach::All(also) = &rule.reach else { return false };
    also.iter().any(|other| match native_form(context, *other, scim) {
        Ok(other) => other != *native,
        Err(_) => true,
    })
}

fn native_form(
    context: &Context<'_>,
    subject: FilterSubject,
    scim: &Value,
) -> Result<Value, ConvertError> {
    let resource = context.resource;
    match subject {
        FilterSubject::Row(index) => match resource.rows.get(index) {
            Some(row) => lens::native_value(context, row, scim, None),
            None => Ok(scim.clone()),
        },
        FilterSubject::Item(outer, inner) => {
            let list = resource.collections.get(outer);
            match list.and_then(|list| Some((list, list.items.get(inner)?))) {
                Some((list, item)) => collection::native_item(context, list, item, scim, None),
                None => Ok(scim.clone()),
            }
        }
        FilterSubject::Id => {
            Ok(scim.as_str().map_or(Value::Null, |text| key::typed(&resource.id, text)))
        }
    }
}

/// A filter, or a part of it, in the application's query language.
struct Phrase {
    text: String,
    may_miss: bool,
    /// Whether the phrase means the same as the filter, not merely something wider.
    is_whole: bool,
}

/// Whether a part may be replaced by something wider: yes, until a `not` turns it round.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Widening,
    Exact,
}

fn phrase(
    context: &Context<'_>,
    language: &FilterLanguage,
    filter: &Filter,
    side: Side,
) -> Result<Option<Phrase>, ConvertError> {
    match filter {
        Filter::And(terms) => {
            let mut parts = Vec::new();
            for term in terms {
                parts.push(phrase(context, language, term, side)?);
            }
            let is_whole = parts.iter().all(|part| part.as_ref().is_some_and(|part| part.is_whole));
            if side == Side::Exact && !is_whole {
                return Ok(None);
            }
            combine(context, &language.and, parts.into_iter().flatten(), is_whole)
        }
        Filter::Or(terms) => {
            let mut parts = Vec::new();
            for term in terms {
                // One branch that cannot be said natively makes the whole alternative unsayable.
                let Some(part) = phrase(context, language, term, side)? else { return Ok(None) };
                parts.push(part);
            }
            let is_whole = parts.iter().all(|part| part.is_whole);
            combine(context, &language.or, parts.into_iter(), is_whole)
        }
        Filter::Not(inner) => {
            let Some(not) = &language.not else { return Ok(None) };
            let Some(part) = phrase(context, language, inner, Side::Exact)? else {
                return Ok(None);
            };
            if !part.is_whole {
                return Ok(None);
            }
            let text = fill(context, not, &part.text, "")?;
            Ok(Some(Phrase { text, may_miss: part.may_miss, is_whole: true }))
        }
        Filter::Compare(..) | Filter::ValuePath(..) => {
            let Term::Usable(found) = native_term(context, filter) else { return Ok(None) };
            let FilterAction::Term(template) = &found.rule.action else { return Ok(None) };
            let is_plain = matches!(filter, Filter::Compare(..));
            let is_whole = is_plain
                && found.rule.exact
                && found.rule.case != FilterCase::Sensitive
                && !may_match_unassigned(context, &found);
            if side == Side::Exact && !is_whole {
                return Ok(None);
            }
            let text = template.text(&found.scope(context))?;
            let may_miss = found.rule.case == FilterCase::Sensitive;
            Ok(text.map(|text| Phrase { text, may_miss, is_whole }))
        }
        Filter::Present(_) => Ok(None),
    }
}

/// Whether the application may find a value where SCIM sees none: an empty text begins with an
/// empty text, and what a row takes for "not assigned" is a value natively. Such a term is wider
/// than the filter, so its negation would be narrower.
fn may_match_unassigned(context: &Context<'_>, found: &Found<'_>) -> bool {
    let resource = context.resource;
    let empty = match found.rule.subject {
        FilterSubject::Row(index) => resource.rows.get(index).map(|row| &row.empty),
        FilterSubject::Item(outer, inner) => {
            let list = resource.collections.get(outer);
            list.and_then(|list| list.items.get(inner)).map(|item| &item.empty)
        }
        FilterSubject::Id => None,
    };
    let is_blank = |value: &Value| value.is_null() || value == "";
    found.scim_value == "" || empty.is_some_and(|empty| !empty.iter().all(is_blank))
}

fn combine(
    context: &Context<'_>,
    template: &Template,
    mut parts: impl Iterator<Item = Phrase>,
    is_whole: bool,
) -> Result<Option<Phrase>, ConvertError> {
    let Some(mut whole) = parts.next() else { return Ok(None) };
    for part in parts {
        whole.text = fill(context, template, &whole.text, &part.text)?;
        whole.may_miss |= part.may_miss;
    }
    Ok(Some(Phrase { is_whole, ..whole }))
}

fn fill(
    context: &Context<'_>,
    template: &Template,
    a: &str,
    b: &str,
) -> Result<String, ConvertError> {
    let (a, b) = (Value::from(a), Value::from(b));
    let scope = context.scope().with("a", &a).with("b", &b);
    Ok(template.text(&scope)?.unwrap_or_default())
}
