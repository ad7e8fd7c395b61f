//! Following links instead of reading a whole list, and keeping them while resources change.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::convert::references::References;
use crate::convert::to_scim::{self, Kept, Presence};
use crate::exchange::error::ExchangeError;
use crate::exchange::hit::Hit;
use crate::exchange::index::{self, Indexed, Term};
use crate::exchange::native::Exchange;
use crate::mapping::model::{Deactivate, ResourceMapping};
use crate::scim::attr::AttrPath;
use crate::scim::filter::ast::Filter;
use crate::scim::resource::Resource;
use crate::sidecar::entry::{Entry, EntryState};
use crate::sidecar::links::{Done, Link, Shelf, Sweep, UNBORN};

/// Most links that are followed: reading that many records one by one costs about as much as
/// reading a list.
const MOST: u32 = 100;

/// Entries that are linked at once.
const PAGE: u32 = 500;

/// Names by which those who are switched off are told apart.
const NAMES: [&str; 2] = ["userName", "displayName"];

/// What the names of those who are switched off are called in the index.
const OFF: &str = "off:";

/// When the index is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Only for what the application does not know: it can search for the rest.
    Kept,
    /// For everything it has: there would be a scan.
    All,
}

/// What the index knows of the matches of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Candidates {
    /// All of them have one of these native keys.
    Keys(BTreeSet<String>),
    /// Somebody with such a value was being made, and nobody knows what came of it.
    Doubtful,
    /// Nothing.
    Unknown,
}

impl Exchange<'_> {
    /// The native keys among which all matches of a filter are.
    pub async fn candidates(
        &self,
        resource: &ResourceMapping,
        filter: &Filter,
        scope: Scope,
    ) -> Result<Candidates, ExchangeError> {
        let Some(terms) = self.terms(resource, filter, scope) else {
            return Ok(Candidates::Unknown);
        };
        let mut found = BTreeSet::new();
        for term in &terms {
            if !self.is_complete(resource, term.shelf).await? {
                return Ok(Candidates::Unknown);
            }
            let links = self.linked(resource, term).await?;
            if links.iter().any(|key| key == UNBORN) {
                return Ok(Candidates::Doubtful);
            }
            found.extend(links);
            if found.len() > MOST as usize {
                return Ok(Candidates::Unknown);
            }
        }
        self.tenant.index.counters.note_answer(found.len());
        Ok(Candidates::Keys(found))
    }

    /// Links those who were found by reading the list because there was a doubt, which ends with
    /// that.
    pub async fn settle(
        &self,
        resource: &ResourceMapping,
        filter: &Filter,
        found: &[Hit],
    ) -> Result<(), ExchangeError> {
        let known: Vec<(&str, &Resource)> = found
            .iter()
            .filter_map(|hit| Some((hit.located.key.as_str(), hit.view.as_ref()?)))
            .collect();
        for (key, view) in &known {
            self.link_written(resource, key, view).await?;
        }
        if known.is_empty() || !matches!(filter, Filter::Compare(..)) {
            return Ok(());
        }
        let terms = self.terms(resource, filter, Scope::All);
        let links: Vec<Link> = terms.into_iter().flatten().map(|term| unborn(&term)).collect();
        self.unlink_unborn(resource, &links).await
    }

    /// Whether somebody with one of these values was being made before, and nobody knows what
    /// came of it.
    pub async fn is_doubtful(
        &self,
        resource: &ResourceMapping,
        wanted: &Resource,
    ) -> Result<bool, ExchangeError> {
        for Link { attribute, value, .. } in index::links(self.indexed(resource), wanted, UNBORN) {
            let term = Term { shelf: Shelf::Native, attribute, value };
            if self.linked(resource, &term).await?.iter().any(|key| key == UNBORN) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the index will be asked for a filter.
    pub async fn is_indexed(
        &self,
        resource: &ResourceMapping,
        filter: &Filter,
        scope: Scope,
    ) -> Result<bool, ExchangeError> {
        let Some(terms) = self.terms(resource, filter, scope) else { return Ok(false) };
        for term in &terms {
            if !self.is_complete(resource, term.shelf).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn terms(
        &self,
        resource: &ResourceMapping,
        filter: &Filter,
        scope: Scope,
    ) -> Option<Vec<Term>> {
        // Without a request for one record each of them would be a reading of the list.
        resource.get.as_ref()?;
        let kept = self.tenant.kept(resource);
        let native = match scope {
            Scope::Kept => &[],
            Scope::All => self.indexed(resource),
        };
        index::terms(resource, &[(Shelf::Kept, kept), (Shelf::Native, native)], filter)
    }

    /// The attributes of the application's records that are indexed.
    pub fn indexed(&self, resource: &ResourceMapping) -> &[Indexed] {
        self.tenant.index.attributes.get(&resource.name).map_or(&[], Vec::as_slice)
    }

    async fn linked(
        &self,
        resource: &ResourceMapping,
        term: &Term,
    ) -> Result<Vec<String>, ExchangeError> {
        let (partition, limit) = (self.tenant.partition(), MOST + 1);
        let Term { attribute, value, .. } = term;
        let links = &self.tenant.links;
        Ok(links.linked(&partition, &resource.name, attribute, value, limit).await?)
    }

    async fn is_complete(
        &self,
        resource: &ResourceMapping,
        shelf: Shelf,
    ) -> Result<bool, ExchangeError> {
        let partition = self.tenant.partition();
        let sweep = self.tenant.links.sweep(&partition, &resource.name, shelf).await?;
        let fits = |sweep: &Sweep| sweep.fingerprint == self.tenant.index.fingerprint;
        match shelf {
            Shelf::Native => {
                let age = |sweep: &Sweep| self.tenant.clock.now().duration_since(sweep.began);
                let refresh = self.tenant.index.refresh;
                Ok(sweep.is_some_and(|sweep| fits(&sweep) && age(&sweep) <= refresh))
            }
            Shelf::Kept => {
                if !sweep.is_some_and(|sweep| fits(&sweep)) {
                    self.link_entries(resource).await?;
                }
                Ok(true)
            }
        }
    }

    /// Links everything that the side-car had before there was an index, or under another
    /// mapping.
    async fn link_entries(&self, resource: &ResourceMapping) -> Result<(), ExchangeError> {
        let (partition, name) = (self.tenant.partition(), &resource.name);
        let (began, mut records) = (self.tenant.clock.now(), 0);
        let mut after: Option<String> = None;
        loop {
            let sidecar = &self.tenant.sidecar;
            let entries = sidecar.page(&partition, name, after.as_deref(), PAGE).await?;
            let mut links = Vec::new();
            for entry in &entries {
                links.extend(self.kept_links(resource, entry));
            }
            self.tenant.links.link(&partition, name, &links, began).await?;
            records += entries.len() as u64;
            after = entries.last().map(|entry| entry.id.clone());
            if entries.len() < PAGE as usize {
                break;
            }
        }
        let fingerprint = self.tenant.index.fingerprint.clone();
        let sweep = Sweep { fingerprint, began, ended: self.tenant.clock.now(), records };
        let done = Done { sweep: &sweep, attributes: &[], stale: Timestamp::MIN };
        self.tenant.links.end_sweep(&partition, name, Shelf::Kept, Some(&done)).await?;
        Ok(())
    }

    /// Writes an entry, and the links of what it keeps before that.
    pub async fn save(
        &self,
        resource: &ResourceMapping,
        entry: &Entry,
    ) -> Result<(), ExchangeError> {
        let partition = self.tenant.partition();
        let links = self.kept_links(resource, entry);
        if !links.is_empty() {
            let now = self.tenant.clock.now();
            self.tenant.links.link(&partition, &resource.name, &links, now).await?;
        }
        Ok(self.tenant.sidecar.save(&partition, &resource.name, entry).await?)
    }

    /// The links of what an entry keeps. Those who are switched off have their names there, too.
    fn kept_links(&self, resource: &ResourceMapping, entry: &Entry) -> Vec<Link> {
        let attributes = Resource(entry.attributes.clone());
        let mut links = index::links(self.tenant.kept(resource), &attributes, &entry.key);
        if let EntryState::Off(native) = &entry.state {
            let none = References::default();
            let kept = Kept { attributes: Some(&entry.attributes), presence: Presence::Left };
            let view = to_scim::view(&self.context(resource, &none), &entry.id, native, kept);
            let names = index::links(&names(resource), &view, &entry.key);
            links.extend(names.into_iter().map(|link| {
                let attribute = format!("{OFF}{}", link.attribute);
                Link { attribute, ..link }
            }));
        }
        links
    }

    /// The native keys of those who are switched off and may have a name.
    pub async fn off_with_name(
        &self,
        resource: &ResourceMapping,
        attribute: &str,
        name: &str,
    ) -> Result<Option<Vec<String>>, ExchangeError> {
        let path = AttrPath { urn: None, attr: attribute.to_owned(), sub: None };
        let (Some(known), Some(value)) = (Indexed::of(resource, &path), index::folded(name)) else {
            return Ok(None);
        };
        if !matches!(resource.deactivate, Deactivate::Delete) {
            return Ok(Some(Vec::new()));
        }
        self.is_complete(resource, Shelf::Kept).await?;
        let term = Term { shelf: Shelf::Kept, attribute: format!("{OFF}{}", known.name), value };
        let keys = self.linked(resource, &term).await?;
        Ok((keys.len() <= MOST as usize).then_some(keys))
    }

    /// Takes away links that led nowhere.
    pub async fn forget_links(
        &self,
        resource: &ResourceMapping,
        filter: &Filter,
        scope: Scope,
        keys: &[String],
    ) -> Result<(), ExchangeError> {
        let partition = self.tenant.partition();
        for term in self.terms(resource, filter, scope).into_iter().flatten() {
            for key in keys {
                let (attribute, value) = (term.attribute.clone(), term.value.clone());
                let link = Link { attribute, value, key: key.clone() };
                self.tenant.links.forget(&partition, &resource.name, &link).await?;
            }
        }
        self.tenant.index.counters.note_stale(keys.len());
        Ok(())
    }

    /// Notes the values that a record is about to have. `key` is [`UNBORN`] for a new one.
    pub async fn link_ahead(
        &self,
        resource: &ResourceMapping,
        before: &Resource,
        wanted: &Resource,
        key: &str,
    ) -> Result<Vec<Link>, ExchangeError> {
        let indexed = self.indexed(resource);
        if indexed.is_empty() {
            return Ok(Vec::new());
        }
        let have = index::links(indexed, before, key);
        let mut new = index::links(indexed, wanted, key);
        new.retain(|link| !have.contains(link));
        if !new.is_empty() {
            let (partition, now) = (self.tenant.partition(), self.tenant.clock.now());
            self.tenant.links.link(&partition, &resource.name, &new, now).await?;
        }
        Ok(new)
    }

    /// Notes the values that a record has, now that it was written.
    pub async fn link_written(
        &self,
        resource: &ResourceMapping,
        key: &str,
        view: &Resource,
    ) -> Result<(), ExchangeError> {
        let indexed = self.indexed(resource);
        if indexed.is_empty() {
            return Ok(());
        }
        let links = index::links(indexed, view, key);
        let (partition, now) = (self.tenant.partition(), self.tenant.clock.now());
        Ok(self.tenant.links.link(&partition, &resource.name, &links, now).await?)
    }

    /// Forgets that somebody was being made, now that it is known what came of it.
    pub async fn unlink_unborn(
        &self,
        resource: &ResourceMapping,
        links: &[Link],
    ) -> Result<(), ExchangeError> {
        let partition = self.tenant.partition();
        for link in links {
            self.tenant.links.forget(&partition, &resource.name, link).await?;
        }
        Ok(())
    }

    /// Forgets a resource that is no more.
    pub async fn unlink(&self, resource: &ResourceMapping, key: &str) -> Result<(), ExchangeError> {
        if self.indexed(resource).is_empty() && self.tenant.kept(resource).is_empty() {
            return Ok(());
        }
        let partition = self.tenant.partition();
        Ok(self.tenant.links.unlink(&partition, &resource.name, key, &[]).await?)
    }
}

fn unborn(term: &Term) -> Link {
    let Term { attribute, value, .. } = term.clone();
    Link { attribute, value, key: UNBORN.to_owned() }
}

fn names(resource: &ResourceMapping) -> Vec<Indexed> {
    let path = |name: &str| AttrPath { urn: None, attr: name.to_owned(), sub: None };
    NAMES.into_iter().filter_map(|name| Indexed::of(resource, &path(name))).collect()
}
