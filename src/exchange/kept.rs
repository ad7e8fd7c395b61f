//! What the side-car keeps of a resource's attributes: the values of side-car rows, and memos.

use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::sleep;

use crate::convert::context::Context;
use crate::convert::memo::{self, Before};
use crate::convert::places;
use crate::convert::references::References;
use crate::exchange::error::ExchangeError;
use crate::exchange::native::Exchange;
use crate::exchange::state::{self, Located, State};
use crate::mapping::model::{ResourceMapping, Source};
use crate::scim::resource::Resource;
use crate::sidecar::entry::{Entry, EntryState};
use crate::sidecar::port::StoreError;

/// Before a failed save is tried again for the first and the last time; each pause is twice the
/// one before, about thirteen seconds together.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_millis(6_400);

impl Exchange<'_> {
    /// Writes what the side-car keeps of a resource that has become what was wanted, when that
    /// differs from what it has.
    pub(crate) async fn keep_attributes(
        &self,
        resource: &ResourceMapping,
        located: &mut Located,
        before: &State,
        wanted: &Resource,
    ) -> Result<(), ExchangeError> {
        // Of somebody who is on the way back, everything is written in the end.
        let is_off = matches!(&located.entry, Some(Entry { state: EntryState::Off(_), .. }));
        // What clients have changed they have seen, and nobody may take it over.
        let is_noted = resource.adopt.is_some();
        if !(state::keeps_attributes(resource) || is_noted) || is_off {
            return Ok(());
        }
        let none = References::default();
        let kept = located.entry.as_ref().map(|entry| &entry.attributes);
        let before = Before { native: &before.native, attributes: kept };
        let attributes = attributes(&self.context(resource, &none), before, wanted);
        let entry = located.entry.clone().unwrap_or_else(|| Entry {
            id: located.id.clone(),
            key: located.key.clone(),
            ..Entry::default()
        });
        let is_kept = located.entry.is_some() || (attributes.is_empty() && !is_noted);
        if is_kept && entry.attributes == attributes && entry.key == located.key {
            return Ok(());
        }
        let entry = Entry { attributes, key: located.key.clone(), ..entry };
        self.save(resource, &entry).await?;
        located.entry = Some(entry);
        Ok(())
    }

    /// Saves what nobody could find out again, because the application has just forgotten it: a
    /// store that is away for a moment is waited for. The client may have given up by then.
    pub(crate) async fn save_surely(
        &self,
        resource: &ResourceMapping,
        entry: &Entry,
    ) -> Result<(), ExchangeError> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.save_held(resource, entry).await {
                Err(ExchangeError::Busy | ExchangeError::Store(StoreError::Unavailable(_)))
                    if pause <= LAST_PAUSE =>
                {
                    sleep(pause).await;
                    pause *= 2;
                }
                other => return other,
            }
        }
    }

    /// Saves an entry while nobody else changes what is kept of the resource.
    pub(crate) async fn save_held(
        &self,
        resource: &ResourceMapping,
        entry: &Entry,
    ) -> Result<(), ExchangeError> {
        let _held = self.tenant.locks.hold_kept(&resource.name, &entry.id).await?;
        self.save(resource, entry).await
    }
}

/// What the side-car keeps of a resource once it is as wanted.
pub fn attributes(
    context: &Context<'_>,
    before: Before<'_>,
    wanted: &Resource,
) -> Map<String, Value> {
    let rows = context.resource.rows.iter();
    let mut kept = Resource::default();
    for row in rows.filter(|row| matches!(row.source, Source::Sidecar)) {
        if let Some(value) = places::read(row, wanted) {
            places::write(row, &mut kept, value.into_owned());
        }
    }
    let memos = memo::memos(context, before, wanted);
    if !memos.is_empty() {
        kept.0.insert(memo::MEMBER.to_owned(), Value::Object(memos));
    }
    kept.0
}
