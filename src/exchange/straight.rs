//! Reading a resource straight through: the application's answer becomes ours, text to text.
//!
//! This is for plain reading only, which is most of what identity providers do all day. Where
//! anything is out of the ordinary (a condition, an envelope, somebody switched off, a mapping or
//! a record that a plan cannot read) the record is read in the general way, out of the same
//! answer.

use serde_json::Value;

use crate::convert::plan::Plan;
use crate::convert::record;
use crate::convert::references::References;
use crate::convert::slots::Found;
use crate::convert::stream::{Frame, Mask};
use crate::exchange::error::ExchangeError;
use crate::exchange::native::Exchange;
use crate::exchange::represent;
use crate::exchange::response::{Body, ScimResponse};
use crate::exchange::state::Located;
use crate::exchange::version::{Conditions, Record};
use crate::mapping::model::ResourceMapping;
use crate::native::listed::Listed;
use crate::native::scan::Scanner;
use crate::scim::attr::AttrPath;
use crate::scim::projection::Projection;
use crate::scim::resource::Resource;
use crate::scim::schema::Returned;
use crate::sidecar::entry::EntryState;

/// What reading a resource gave.
pub enum Read {
    /// The answer.
    Answered(ScimResponse),
    /// The record, which is still to be made one.
    Record(Record),
}

/// Reads a resource that has been located.
pub async fn answer(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    located: &Located,
    projection: &Projection,
    conditions: &Conditions,
) -> Result<Read, ExchangeError> {
    let get = resource.get.as_ref().filter(|get| record::is_whole(get) && is_live(located));
    let plan = exchange.tenant.plan(resource).filter(|_| conditions.are_none());
    let (Some(get), Some(plan)) = (get, plan) else {
        return exchange.native(resource, located).await.map(Read::Record);
    };
    let response = exchange.answer_about(resource, get, &located.key).await?;
    let native = response.body.text();
    let answer = match &native {
        Some(native) => written(exchange, resource, plan, located, projection, native).await?,
        None => None,
    };
    match answer {
        Some(answer) => Ok(Read::Answered(answer)),
        // A mapping with a plan shows every record.
        None => {
            let record = exchange.record_in(resource, get, &located.key, &response).await?;
            Ok(Read::Record(record))
        }
    }
}

/// Whether nothing is known of a resource that makes it another than its record.
fn is_live(located: &Located) -> bool {
    located.entry.as_ref().is_none_or(|entry| entry.state == EntryState::Live)
}

/// The answer to a write after which the record is this one; `None` when it is to be made in the
/// general way. `named` are attributes that the request named.
pub async fn written_anew(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    located: &Located,
    record: &Record,
    projection: &Projection,
    named: &[AttrPath],
) -> Result<Option<ScimResponse>, ExchangeError> {
    // Naming them brings them back, which no plan knows of.
    let is_hidden = |path: &AttrPath| {
        let found = resource.resource_type.resolve(path);
        found.is_some_and(|found| found.attribute.returned == Returned::Request)
    };
    let plan = exchange.tenant.plan(resource).filter(|_| is_live(located));
    let text = record.text.as_deref().and_then(|text| std::str::from_utf8(text).ok());
    match (plan, text) {
        (Some(plan), Some(native)) if !named.iter().any(is_hidden) => {
            written(exchange, resource, plan, located, projection, native).await
        }
        _ => Ok(None),
    }
}

async fn written(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    plan: &Plan,
    located: &Located,
    projection: &Projection,
    native: &str,
) -> Result<Option<ScimResponse>, ExchangeError> {
    let mask = plan.mask(resource, projection);
    let mask = mask.filter(|_| represent::needed(resource, projection).is_empty());
    let Some(mask) = mask else { return Ok(None) };
    let mut scanner = Scanner::new(native);
    let Some(found) = plan.read(&mut scanner).filter(|_| scanner.is_at_end()) else {
        return Ok(None);
    };
    // Another record's key: what that means depends on what was asked, which others know.
    if !plan.key(resource, &found).is_ok_and(|key| key == located.key) {
        return Ok(None);
    }
    let references = resolved(exchange, resource, plan, std::slice::from_ref(&found)).await?;
    let context = exchange.context(resource, &references);
    let mut frame = Frame::new(plan, context, &exchange.base, &mask);
    let mut text = Vec::with_capacity(native.len() * 2 + 512);
    let Some(version) = frame.write(&located.id, &found, &mut text) else { return Ok(None) };
    let location = represent::location(exchange, resource, &located.id);
    let answer = ScimResponse { status: 200, headers: Vec::new(), body: Some(Body::written(text)) };
    Ok(Some(answer.with_header("Location", location).with_header("ETag", version.to_string())))
}

/// The resources of a page as the text of a JSON array, behind a text; `None` when one of them
/// cannot be read straight, and the text is not to be used then.
pub async fn page(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    projection: &Projection,
    hits: &[(&Located, &Listed)],
    text: &mut Vec<u8>,
) -> Result<Option<()>, ExchangeError> {
    let Some(plan) = exchange.tenant.plan(resource) else { return Ok(None) };
    let mask = plan.mask(resource, projection);
    let mask = mask.filter(|_| represent::needed(resource, projection).is_empty());
    let Some(mask) = mask else { return Ok(None) };
    let mut records = Vec::with_capacity(hits.len());
    for (located, native) in hits {
        let Some(found) = found(located, native) else { return Ok(None) };
        records.push(found);
    }
    let references = resolved(exchange, resource, plan, &records).await?;
    let context = exchange.context(resource, &references);
    let mut frame = Frame::new(plan, context, &exchange.base, &mask);
    text.reserve(records.iter().map(|found| found.text().len() * 2 + 512).sum());
    text.push(b'[');
    for (index, ((located, _), found)) in hits.iter().zip(&records).enumerate() {
        if index > 0 {
            text.push(b',');
        }
        if frame.write_listed(&located.id, found, text).is_none() {
            return Ok(None);
        }
    }
    text.push(b']');
    Ok(Some(()))
}

/// As much of records' views as a filter looks at.
pub struct Glimpse<'a> {
    plan: &'a Plan,
    mask: Mask,
}

impl<'a> Glimpse<'a> {
    /// What a filter looks at that speaks of these paths; `None` when that takes a whole view.
    pub fn new(
        exchange: &Exchange<'a>,
        resource: &ResourceMapping,
        paths: &[&AttrPath],
    ) -> Option<Self> {
        let plan = exchange.tenant.plan(resource)?;
        Some(Self { plan, mask: plan.mask_of(resource, paths)? })
    }

    /// Looks at a record; `None` when only its whole view tells.
    pub async fn of(
        &self,
        exchange: &Exchange<'_>,
        resource: &ResourceMapping,
        located: &Located,
        native: &Listed,
    ) -> Result<Option<Resource>, ExchangeError> {
        let Some(found) = found(located, native) else { return Ok(None) };
        let found = std::slice::from_ref(&found);
        let references = resolved(exchange, resource, self.plan, found).await?;
        let context = exchange.context(resource, &references);
        let mut frame = Frame::new(self.plan, context, &exchange.base, &self.mask);
        let text = found.first().and_then(|found| frame.part(&located.id, found));
        Ok(text.and_then(|text| serde_json::from_slice(&text).ok()).map(Resource))
    }
}

/// What a plan has found in a record of a list that nobody knows more of.
fn found<'n>(located: &Located, native: &'n Listed) -> Option<Found<'n>> {
    let (text, places) = native.found().filter(|_| is_live(located))?;
    Some(Found::again(text, places))
}

/// What is known of the resources that records refer to: nothing, as long as none has left.
async fn resolved(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    plan: &Plan,
    records: &[Found<'_>],
) -> Result<References, ExchangeError> {
    let mut has_left = false;
    for target in plan.targets() {
        if let Some(target) = exchange.tenant.mapping.resource(target) {
            has_left |= !exchange.retired(target).await?.is_none();
        }
    }
    if !has_left {
        return Ok(References::default());
    }
    let named: Vec<Value> = records.iter().filter_map(|found| plan.references(found)).collect();
    let named: Vec<&Value> = named.iter().collect();
    exchange.resolve_records(resource, &named).await
}
