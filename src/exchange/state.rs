//! A resource as it stands: its key, its side-car entry, its record, its SCIM view.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::convert::key;
use crate::convert::to_scim::{self, Kept, Presence};
use crate::exchange::error::ExchangeError;
use crate::exchange::native::Exchange;
use crate::exchange::version::{self, Conditions, Keeper, Record, Verdict};
use crate::mapping::model::{
    CollectionSource, Deactivate, Delete, IdSourceRule, ResourceMapping, Source,
};
use crate::scim::etag::EntityTag;
use crate::scim::resource::Resource;
use crate::sidecar::entry::{Entry, EntryState};

/// A resource that the bridge knows how to address.
#[derive(Debug, Clone)]
pub struct Located {
    /// SCIM id.
    pub id: String,
    /// Native key.
    pub key: String,
    /// Its side-car entry, where there is one.
    pub entry: Option<Entry>,
}

/// A resource, read.
#[derive(Debug, Clone)]
pub struct State {
    /// Its native record; the last one, when it has been switched off by deletion.
    pub native: Value,
    /// The application's version of it, where a header told that.
    pub told: Option<String>,
    /// Its SCIM view, with its version in `meta` where that is known.
    pub view: Resource,
    /// Native elements of the collections behind requests of their own that have been read, by
    /// index.
    pub external: BTreeMap<usize, Vec<Value>>,
}

impl State {
    /// The state of a resource that nobody has read.
    pub fn unread() -> Self {
        Self {
            native: Value::Null,
            told: None,
            view: Resource::default(),
            external: BTreeMap::new(),
        }
    }
}

/// Whether anything of this type is kept in the side-car.
pub fn uses_sidecar(resource: &ResourceMapping) -> bool {
    resource.id.source == IdSourceRule::Issued
        || keeps_attributes(resource)
        || matches!(resource.deactivate, Deactivate::Delete)
        || matches!(resource.delete, Delete::Deactivate)
        // Which records clients have seen must be known before one is taken over.
        || resource.adopt.is_some()
}

/// Whether anything is kept of resources of this type that are there like any other.
fn keeps_living(resource: &ResourceMapping) -> bool {
    resource.id.source == IdSourceRule::Issued
        || keeps_attributes(resource)
        || resource.adopt.is_some()
}

/// Whether attributes of this type, or memos of them, are kept in the side-car.
pub fn keeps_attributes(resource: &ResourceMapping) -> bool {
    resource.rows.iter().any(|row| row.memo || matches!(row.source, Source::Sidecar))
}

impl Exchange<'_> {
    /// Finds a resource by its SCIM id, without asking the application.
    pub async fn locate(
        &self,
        resource: &ResourceMapping,
        id: &str,
    ) -> Result<Located, ExchangeError> {
        let not_found = || ExchangeError::NotFound { resource: resource.name.clone() };
        let is_native = resource.id.source == IdSourceRule::Native;
        if is_native && !key::is_plausible(&resource.id, id) {
            return Err(not_found());
        }
        let entry = if self.keeps_any(resource).await? {
            let partition = self.tenant.partition();
            let ids = [id.to_owned()];
            self.tenant.sidecar.by_ids(&partition, &resource.name, &ids).await?.pop()
        } else {
            None
        };
        match entry {
            Some(Entry { state: EntryState::Deleted, .. }) => Err(not_found()),
            Some(entry) => {
                Ok(Located { id: id.to_owned(), key: entry.key.clone(), entry: Some(entry) })
            }
            None if is_native => Ok(Located { id: id.to_owned(), key: id.to_owned(), entry: None }),
            None => Err(not_found()),
        }
    }

    /// Whether the side-car may have anything of resources of this type. Where only those who have
    /// left are kept, it is enough to know that there are none.
    pub(in crate::exchange) async fn keeps_any(
        &self,
        resource: &ResourceMapping,
    ) -> Result<bool, ExchangeError> {
        Ok(uses_sidecar(resource)
            && (keeps_living(resource) || !self.retired(resource).await?.is_none()))
    }

    /// The native record of a located resource: the application's, or the one that was kept when
    /// it was switched off by deletion.
    pub async fn native(
        &self,
        resource: &ResourceMapping,
        located: &Located,
    ) -> Result<Record, ExchangeError> {
        match &located.entry {
            Some(Entry { state: EntryState::Off(native), .. }) => Ok(native.clone().into()),
            _ => self.record(resource, &located.key).await,
        }
    }

    /// The state of a resource whose record has been read. `external` names the collections
    /// behind requests of their own that are needed too.
    pub async fn state(
        &self,
        resource: &ResourceMapping,
        located: &Located,
        record: impl Into<Record>,
        external: &[usize],
    ) -> Result<State, ExchangeError> {
        let record = record.into();
        let (view, external) = self.read_view(resource, located, &record, external).await?;
        let Record { native, told, .. } = record;
        Ok(State { native, told, view, external })
    }

    /// The same for a resource that is to be changed: nobody is shown its version as it was.
    pub async fn state_before(
        &self,
        resource: &ResourceMapping,
        located: &Located,
        record: Record,
        external: &[usize],
    ) -> Result<State, ExchangeError> {
        let Record { native, told, .. } = record;
        let external = self.external(resource, located, &native, external).await?;
        let view = self.view(resource, located, &native, &external).await?;
        Ok(State { native, told, view, external })
    }

    /// The view of such a state, with the collections that have been read for it.
    pub async fn read_view(
        &self,
        resource: &ResourceMapping,
        located: &Located,
        record: &Record,
        external: &[usize],
    ) -> Result<(Resource, BTreeMap<usize, Vec<Value>>), ExchangeError> {
        let read = self.external(resource, located, &record.native, external).await?;
        let mut view = self.view(resource, located, &record.native, &read).await?;
        if let Some(version) = version::of(resource, keeper(located), record, &view) {
            version::stamp(&mut view, &version);
        }
        Ok((view, read))
    }

    /// The elements of collections behind requests of their own, by index; nobody has any who has
    /// left the application.
    async fn external(
        &self,
        resource: &ResourceMapping,
        located: &Located,
        native: &Value,
        wanted: &[usize],
    ) -> Result<BTreeMap<usize, Vec<Value>>, ExchangeError> {
        let mut read = BTreeMap::new();
        for index in wanted.iter().filter(|_| !is_off(located)) {
            if let Some(collection) = resource.collections.get(*index) {
                let elements = self.elements(resource, collection, &located.key, native).await?;
                read.insert(*index, elements);
            }
        }
        Ok(read)
    }

    /// Judges what a request asks of the version of a resource whose record has been read.
    pub async fn judge(
        &self,
        resource: &ResourceMapping,
        located: &Located,
        record: &Record,
        conditions: &Conditions,
    ) -> Result<(Verdict, Option<EntityTag>), ExchangeError> {
        let view = self.view(resource, located, &record.native, &BTreeMap::new()).await?;
        let current = version::of(resource, keeper(located), record, &view);
        Ok((conditions.judge(current.as_ref()), current))
    }

    /// Reads a resource that is to be changed when there are conditions on its version, and
    /// refuses when they do not hold. What `If-None-Match` names may not be changed either
    /// (RFC 9110 section 13.1.2).
    pub async fn admit(
        &self,
        resource: &ResourceMapping,
        located: &Located,
        conditions: &Conditions,
    ) -> Result<Option<Record>, ExchangeError> {
        if conditions.are_none() {
            return Ok(None);
        }
        let record = self.native(resource, located).await?;
        match self.judge(resource, located, &record, conditions).await? {
            (Verdict::Proceed, _) => Ok(Some(record)),
            (Verdict::Known | Verdict::Failed, _) => Err(ExchangeError::PreconditionFailed),
        }
    }

    /// The SCIM view of a record, with collections that have been read beside it, without
    /// version.
    pub async fn view(
        &self,
        resource: &ResourceMapping,
        located: &Located,
        native: &Value,
        external: &BTreeMap<usize, Vec<Value>>,
    ) -> Result<Resource, ExchangeError> {
        let mut keys = crate::convert::references::Wanted::new();
        let mapping = &self.tenant.mapping;
        crate::convert::references::keys_in(mapping, resource, native, &mut keys);
        for (index, elements) in external {
            if let Some(collection) = resource.collections.get(*index) {
                crate::convert::references::keys_in_elements(
                    mapping, collection, elements, &mut keys,
                );
            }
        }
        let references = self.resolve(keys, crate::convert::references::Wanted::new()).await?;
        let context = self.context(resource, &references);
        let mut view = to_scim::view(&context, &located.id, native, kept(located));
        for (index, elements) in external {
            if let Some(collection) = resource.collections.get(*index) {
                to_scim::set_collection(&context, collection, elements, &mut view);
            }
        }
        Ok(view)
    }
}

/// Whether a resource has left the application, and is kept here.
pub fn is_off(located: &Located) -> bool {
    matches!(&located.entry, Some(Entry { state: EntryState::Off(_), .. }))
}

fn keeper(located: &Located) -> Keeper {
    match &located.entry {
        Some(Entry { state: EntryState::Off(_), .. }) => Keeper::Bridge,
        Some(Entry { state: EntryState::Live | EntryState::Deleted, .. }) | None => {
            Keeper::Application
        }
    }
}

fn kept(located: &Located) -> Kept<'_> {
    let Some(entry) = &located.entry else { return Kept::default() };
    let presence = match entry.state {
        EntryState::Off(_) => Presence::Left,
        EntryState::Live | EntryState::Deleted => Presence::Present,
    };
    Kept { attributes: Some(&entry.attributes), presence }
}

/// Collections behind requests of their own.
pub fn external(resource: &ResourceMapping) -> impl Iterator<Item = usize> {
    resource.collections.iter().enumerate().filter_map(|(index, collection)| {
        matches!(collection.source, CollectionSource::List(_)).then_some(index)
    })
}
