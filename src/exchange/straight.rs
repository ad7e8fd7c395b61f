//! Reading a resource straight through: the application's answer becomes ours, text to text.
//!
//! This is for plain reading only, which is most of what identity providers do all day. Where
//! anything is out of the ordinary (a condition, an envelope, somebody switched off, a mapping or
//! a record that a plan cannot read) the record is read in the general way, out of the same
//! answer.

use serde_json::Value;

use crate::convert::plan::Plan;
use crate::convert::references::References;
use crate::convert::stream::Frame;
use crate::exchange::error::ExchangeError;
use crate::exchange::native::Exchange;
use crate::exchange::represent;
use crate::exchange::response::{Body, ScimResponse};
use crate::exchange::state::Located;
use crate::exchange::version::{Conditions, Record};
use crate::mapping::model::{Request, ResourceMapping};
use crate::native::listed::Listed;
use crate::native::message::NativeResponse;
use crate::native::scan::Scanner;
use crate::scim::attr::AttrPath;
use crate::scim::projection::Projection;
use crate::scim::resource::Resource;
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
    let get = resource.get.as_ref().filter(|get| is_plain(get) && is_live(located));
    let plan = exchange.tenant.plan(resource).filter(|_| conditions.are_none());
    let (Some(get), Some(plan)) = (get, plan) else {
        return exchange.native(resource, located).await.map(Read::Record);
    };
    let response = exchange.answer_about(resource, get, &located.key).await?;
    match written(exchange, resource, plan, located, projection, &response).await? {
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

/// Whether a request's answer is the record and nothing else.
fn is_plain(get: &Request) -> bool {
    get.record.is_none() && get.wrap.is_none() && get.returns.is_none() && get.embed.is_empty()
}

async fn written(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    plan: &Plan,
    located: &Located,
    projection: &Projection,
    response: &NativeResponse,
) -> Result<Option<ScimResponse>, ExchangeError> {
    let mask = plan.mask(resource, projection);
    let mask = mask.filter(|_| represent::needed(resource, projection).is_empty());
    let (Some(mask), Some(native)) = (mask, response.body.text()) else { return Ok(None) };
    let mut scanner = Scanner::new(&native);
    let Some(found) = plan.read(&mut scanner).filter(|_| scanner.is_at_end()) else {
        return Ok(None);
    };
    match plan.key(resource, &found) {
        Ok(key) if key == located.key => {}
        // An application may have other names for its records (`me`); SCIM ids are not among them.
        Ok(_) => return Err(ExchangeError::NotFound { resource: resource.name.clone() }),
        Err(_) => return Ok(None),
    }
    let named: Vec<Value> = plan.references(&found).into_iter().collect();
    let references = resolved(exchange, resource, &named).await?;
    let frame = Frame::new(plan, exchange.context(resource, &references), &exchange.base, &mask);
    let mut text = String::with_capacity(native.len() * 2 + 512);
    let Some(version) = frame.write(&located.id, &found, &mut text) else { return Ok(None) };
    let location = represent::location(exchange, resource, &located.id);
    let answer = ScimResponse { status: 200, headers: Vec::new(), body: Some(Body::written(text)) };
    Ok(Some(answer.with_header("Location", location).with_header("ETag", version.to_string())))
}

/// The resources of a page as the text of a JSON array; `None` when one of them cannot be read
/// straight.
pub async fn page(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    projection: &Projection,
    found: &[(&Located, &Listed)],
) -> Result<Option<String>, ExchangeError> {
    let Some(plan) = exchange.tenant.plan(resource) else { return Ok(None) };
    let mask = plan.mask(resource, projection);
    let mask = mask.filter(|_| represent::needed(resource, projection).is_empty());
    let Some(mask) = mask else { return Ok(None) };
    let mut records = Vec::with_capacity(found.len());
    let mut named = Vec::new();
    for (located, native) in found {
        let Some(text) = native.text().filter(|_| is_live(located)) else { return Ok(None) };
        let Some(found) = plan.read(&mut Scanner::new(text)) else { return Ok(None) };
        named.extend(plan.references(&found));
        records.push((located.id.as_str(), text.len(), found));
    }
    let references = resolved(exchange, resource, &named).await?;
    let frame = Frame::new(plan, exchange.context(resource, &references), &exchange.base, &mask);
    let length: usize = records.iter().map(|(_, length, _)| length * 2).sum();
    let mut text = String::with_capacity(length + 2);
    text.push('[');
    for (id, _, found) in &records {
        if text.len() > 1 {
            text.push(',');
        }
        if frame.write(id, found, &mut text).is_none() {
            return Ok(None);
        }
    }
    text.push(']');
    Ok(Some(text))
}

/// As much of a record's view as a filter looks at, which speaks of these paths; `None` when that
/// takes a whole view.
pub async fn glimpse(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    located: &Located,
    native: &Listed,
    paths: &[AttrPath],
) -> Result<Option<Resource>, ExchangeError> {
    let plan = exchange.tenant.plan(resource).filter(|_| is_live(located));
    let (Some(plan), Some(text)) = (plan, native.text()) else { return Ok(None) };
    let found = plan.read(&mut Scanner::new(text));
    let (Some(mask), Some(found)) = (plan.mask_of(resource, paths), found) else {
        return Ok(None);
    };
    let named: Vec<Value> = plan.references(&found).into_iter().collect();
    let references = resolved(exchange, resource, &named).await?;
    let frame = Frame::new(plan, exchange.context(resource, &references), &exchange.base, &mask);
    let Some(text) = frame.part(&located.id, &found) else { return Ok(None) };
    Ok(serde_json::from_str(&text).ok().map(Resource))
}

async fn resolved(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    named: &[Value],
) -> Result<References, ExchangeError> {
    if named.is_empty() {
        return Ok(References::default());
    }
    let named: Vec<&Value> = named.iter().collect();
    exchange.resolve_records(resource, &named).await
}
