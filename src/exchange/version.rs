//! Versions of resources and conditions on them (RFC 7644 section 3.14).
//!
//! A version is a hash of what the record and the side-car say of a resource, seen as SCIM, or
//! what the mapping's `version.from` finds. A collection behind a request of its own has no part
//! in it: otherwise every version would cost that request, and a list would have other versions
//! than its resources. Who wants memberships to count needs an application that counts them, and
//! `version.from`.

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::convert::locate::{locate, read};
use crate::convert::{key, places, record};
use crate::mapping::model::{CollectionSource, Locator, Request, ResourceMapping, Source};
use crate::native::message::{NativeRequest, NativeResponse};
use crate::scim::canonical::{Path, hash, hash_without};
use crate::scim::etag::{EntityTag, TagList, is_tag};
use crate::scim::resource::Resource;
use crate::scim::schema::Returned;

/// A record with what its answer said of its version.
#[derive(Debug, Clone)]
pub struct Record {
    /// The record.
    pub native: Value,
    /// Its version, where the mapping finds that in a header; `None` elsewhere, and for records
    /// out of lists.
    pub told: Option<String>,
    /// Its text, where an answer was the record and nothing else.
    pub text: Option<Bytes>,
}

impl From<Value> for Record {
    fn from(native: Value) -> Self {
        Self { native, told: None, text: None }
    }
}

impl Record {
    /// A record out of an answer to a request about this one resource.
    pub fn answered(
        resource: &ResourceMapping,
        request: &Request,
        native: Value,
        response: &NativeResponse,
    ) -> Self {
        let told = match resource.version.as_ref().map(|rule| &rule.from) {
            Some(header @ Locator::Header(..)) => {
                locate(header, response).as_ref().and_then(key::text)
            }
            Some(Locator::Body(_) | Locator::Part(..)) | None => None,
        };
        let text = record::is_whole(request).then(|| response.body.to_bytes()).flatten();
        Self { native, told, text }
    }

    /// The same, but what there is of the record comes back when something of it, or its version,
    /// is not in the answer: then the record must be read for it.
    pub fn complete(
        resource: &ResourceMapping,
        request: &Request,
        native: Value,
        response: &NativeResponse,
    ) -> Result<Self, Value> {
        // Parts that stand behind look-ups are in no answer to a write.
        if !resource.embedded().is_empty() {
            return Err(native);
        }
        let record = Self::answered(resource, request, native, response);
        let is_whole = record.told.is_some() || !is_told_in_header(resource);
        if is_whole { Ok(record) } else { Err(record.native) }
    }

    /// The application's own version of it.
    fn version(&self, resource: &ResourceMapping) -> Option<String> {
        match &resource.version.as_ref()?.from {
            body @ (Locator::Body(_) | Locator::Part(..)) => {
                read(body, &self.native).as_ref().and_then(key::text)
            }
            Locator::Header(..) => self.told.clone(),
        }
    }
}

fn is_told_in_header(resource: &ResourceMapping) -> bool {
    resource.version.as_ref().is_some_and(|rule| matches!(rule.from, Locator::Header(..)))
}

/// Whether writes carry the version of the record that they change.
pub fn is_sent(resource: &ResourceMapping) -> bool {
    resource.version.as_ref().is_some_and(|rule| rule.send.is_some())
}

/// Makes a write conditional on the record still being in the version that was read, where the
/// mapping says how. A header that the request has of its own stays.
pub fn guard(resource: &ResourceMapping, record: &Record, native: &mut NativeRequest) {
    let Some(header) = resource.version.as_ref().and_then(|rule| rule.send.as_ref()) else {
        return;
    };
    let Some(version) = record.version(resource) else { return };
    if native.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(header)) {
        return;
    }
    // A version out of a body is often bare, and `If-Match` takes entity tags only.
    let is_bare = header.eq_ignore_ascii_case("if-match") && !is_tag(&version);
    let value = if is_bare { format!("\"{version}\"") } else { version };
    native.headers.push((header.clone(), value));
}

/// Whether a resource's record is the application's own or the last one, which the bridge keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeper {
    /// The application has it.
    Application,
    /// It has left the application: whatever its version was there, it changes here.
    Bridge,
}

/// The version of a resource. `None` when only the application's answer to a request for this one
/// resource would tell it.
pub fn of(
    resource: &ResourceMapping,
    keeper: Keeper,
    record: &Record,
    view: &Resource,
) -> Option<EntityTag> {
    let told = record.version(resource).filter(|_| keeper == Keeper::Application);
    match told {
        Some(version) => {
            let version = EntityTag::of(&version);
            // The application does not know of what the side-car keeps.
            let kept = kept(resource, view);
            let is_whole = kept.is_empty();
            Some(if is_whole { version } else { version.and(&hash(&Value::Object(kept))) })
        }
        None if is_told_in_header(resource) && keeper == Keeper::Application => None,
        None => Some(EntityTag::of(&hash_without(&view.0, &paths(&hidden(resource))))),
    }
}

/// Writes the version into `meta`.
pub fn stamp(view: &mut Resource, version: &EntityTag) {
    let meta = view.0.entry("meta").or_insert_with(|| Value::Object(Map::new()));
    if let Some(meta) = meta.as_object_mut() {
        meta.insert("version".to_owned(), Value::from(version.to_string()));
    }
}

/// The version in `meta`.
pub fn stamped(view: &Resource) -> Option<&str> {
    view.0.get("meta")?.get("version")?.as_str()
}

/// What the side-car says of a resource.
fn kept(resource: &ResourceMapping, view: &Resource) -> Map<String, Value> {
    let rows = resource.rows.iter().filter(|row| row.memo || matches!(row.source, Source::Sidecar));
    let value = |row: &crate::mapping::model::Row| places::read_strictly(row, view);
    rows.filter_map(|row| Some((places::name(row), value(row)?.into_owned()))).collect()
}

/// What of a view a version does not stand for: what not every request that reads the record sees,
/// and what may not be shown. A hash of what is never returned would let its value be guessed.
fn hidden(resource: &ResourceMapping) -> Vec<Vec<&str>> {
    // The list of schemas follows from which extensions have values.
    let mut hidden = vec![vec!["schemas"], vec!["meta", "location"], vec!["meta", "version"]];
    let lists = resource.collections.iter();
    for list in lists.filter(|list| matches!(list.source, CollectionSource::List(_))) {
        let extension = list.place.extension.as_deref();
        hidden.push(extension.into_iter().chain([list.place.attribute.as_str()]).collect());
    }
    for (extension, schema) in resource.resource_type.schemas() {
        let section = extension.map(|schema| schema.id.as_str());
        for attribute in &schema.attributes {
            if attribute.returned == Returned::Never {
                hidden.push(section.into_iter().chain([attribute.name.as_str()]).collect());
            }
            let subs = attribute.sub_attributes.iter();
            for sub in subs.filter(|sub| sub.returned == Returned::Never) {
                let names = [attribute.name.as_str(), &sub.name];
                hidden.push(section.into_iter().chain(names).collect());
            }
        }
    }
    hidden
}

fn paths<'p>(names: &'p [Vec<&'p str>]) -> Vec<Path<'p>> {
    names.iter().map(Vec::as_slice).collect()
}

/// What a request asks of a resource's version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    if_match: Option<TagList>,
    if_none_match: Option<TagList>,
}

/// What conditions say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Proceed,
    /// The client has this version.
    Known,
    /// The client speaks of another version.
    Failed,
}

impl Conditions {
    /// Reads the values of `If-Match` and `If-None-Match`.
    pub fn parse(if_match: Option<&str>, if_none_match: Option<&str>) -> Self {
        Self {
            if_match: if_match.map(TagList::parse),
            if_none_match: if_none_match.map(TagList::parse),
        }
    }

    /// Whether nothing is asked.
    pub fn are_none(&self) -> bool {
        self.if_match.is_none() && self.if_none_match.is_none()
    }

    /// Judges a resource that exists, in the order of RFC 9110 section 13.2.2.
    pub fn judge(&self, current: Option<&EntityTag>) -> Verdict {
        if self.if_match.as_ref().is_some_and(|wanted| !wanted.matches(current)) {
            return Verdict::Failed;
        }
        match &self.if_none_match {
            Some(known) if known.matches(current) => Verdict::Known,
            Some(_) | None => Verdict::Proceed,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::exchange::version::{Conditions, Verdict};
    use crate::scim::etag::EntityTag;

    #[test]
    fn conditions_are_judged_in_order() {
        let current = EntityTag::of("7");
        let (this, other, star) = (Some(r#"W/"7""#), Some(r#"W/"6""#), Some("*"));
        for (if_match, if_none_match, verdict) in [
            (None, None, Verdict::Proceed),
            (this, None, Verdict::Proceed),
            (star, None, Verdict::Proceed),
            (other, None, Verdict::Failed),
            (Some("7"), None, Verdict::Failed),
            (None, this, Verdict::Known),
            (None, star, Verdict::Known),
            (None, other, Verdict::Proceed),
            (None, Some("7"), Verdict::Proceed),
            (other, this, Verdict::Failed),
            (this, this, Verdict::Known),
            (this, other, Verdict::Proceed),
        ] {
            let conditions = Conditions::parse(if_match, if_none_match);
            assert_eq!(conditions.judge(Some(&current)), verdict, "{conditions:?}");
        }
        let star = Conditions::parse(Some("*"), None);
        assert_eq!(star.judge(None), Verdict::Proceed);
        assert_eq!(Conditions::parse(this, None).judge(None), Verdict::Failed);
    }
}
