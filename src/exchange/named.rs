//! References that are no keys (`by`): which record has this user name, and which user name has
//! the record of this id. Each is asked once an exchange, a few at a time.

use std::collections::BTreeSet;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use crate::convert::failure::Meaning;
use crate::convert::filter::{self, Calls};
use crate::convert::parameters::Parameters;
use crate::convert::references::{self, Name, References};
use crate::convert::{key, record, through};
use crate::exchange::error::{ExchangeError, Mismatch};
use crate::exchange::narrowing::Breadth;
use crate::exchange::native::{About, Exchange};
use crate::exchange::walk::Walk;
use crate::mapping::model::{FilterRule, FilterSubject, Outcome, Reach, Request, ResourceMapping};
use crate::native::listed::Listed;
use crate::native::message::NativeRequest;
use crate::native::path::NativePath;
use crate::scim::attr::AttrPath;
use crate::scim::filter::ast::{CompareOp, Filter};

/// Look-ups in flight for one exchange.
const AT_ONCE: usize = 4;

/// Most names that one exchange looks up.
const MOST: usize = 1000;

impl Exchange<'_> {
    /// The keys of records that have these names. Those that nobody has are left out.
    pub(crate) async fn keys_of(
        &self,
        names: &BTreeSet<Name>,
    ) -> Result<Vec<(Name, String)>, ExchangeError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let missing: Vec<Name> = {
            let known = self.names.lock();
            names.iter().filter(|name| !known.keys.contains_key(name)).cloned().collect()
        };
        self.check_number(missing.len())?;
        let mut pending: Vec<BoxFuture<'_, Result<(), ExchangeError>>> = Vec::new();
        let mut others = Vec::new();
        for name in missing {
            let Some((resource, by)) = self.place(&name) else { continue };
            match asked(resource, by, &name.value) {
                Some(filter) => pending.push(self.find(name, resource, by, filter).boxed()),
                None => others.push((name, resource, by)),
            }
        }
        stream::iter(pending).buffered(AT_ONCE).try_collect::<Vec<()>>().await?;
        for (name, resource, by) in others {
            self.scan(resource, by).await?;
            self.names.lock().keys.entry(name).or_insert(None);
        }
        let known = self.names.lock();
        let found = names.iter().filter_map(|name| {
            let key = known.keys.get(name)?.clone()?;
            Some((name.clone(), key))
        });
        Ok(found.collect())
    }

    /// Adds the names of the records of these ids.
    pub(crate) async fn name_ids(
        &self,
        ids: &BTreeSet<Name>,
        references: &mut References,
    ) -> Result<(), ExchangeError> {
        if ids.is_empty() {
            return Ok(());
        }
        let mapping = &self.tenant.mapping;
        let keyed = |name: &Name| {
            let (resource, _) = self.place(name)?;
            let key = references.key(mapping, &name.resource, &name.value)?;
            key::is_plausible(&resource.id, &key).then(|| Name { value: key, ..name.clone() })
        };
        let wanted: BTreeSet<Name> = ids.iter().filter_map(keyed).collect();
        let missing: Vec<Name> = {
            let known = self.names.lock();
            wanted.iter().filter(|name| !known.names.contains_key(name)).cloned().collect()
        };
        self.check_number(missing.len())?;
        let pending: Vec<BoxFuture<'_, _>> =
            missing.into_iter().map(|name| self.name(name).boxed()).collect();
        stream::iter(pending).buffered(AT_ONCE).try_collect::<Vec<()>>().await?;
        let known = self.names.lock();
        for name in wanted {
            if let (Some((_, by)), Some(Some(value))) = (self.place(&name), known.names.get(&name))
            {
                references.insert_name(&name.resource, by, &name.value, value);
            }
        }
        Ok(())
    }

    fn check_number(&self, more: usize) -> Result<(), ExchangeError> {
        let known = self.names.lock();
        if known.keys.len().max(known.names.len()).saturating_add(more) > MOST && more > 0 {
            return Err(ExchangeError::TooMany { limit: MOST });
        }
        Ok(())
    }

    /// The resource type of a name, and where its records have it.
    fn place(&self, name: &Name) -> Option<(&ResourceMapping, &NativePath)> {
        let mapping = &self.tenant.mapping;
        Some((mapping.resource(&name.resource)?, references::path_of(mapping, name)?))
    }

    /// The record of a key, asked for its name.
    async fn name(&self, name: Name) -> Result<(), ExchangeError> {
        let Some((resource, by)) = self.place(&name) else { return Ok(()) };
        let value = match self.record(resource, &name.value).await {
            Ok(record) => {
                by.read(&record.native).filter(|value| key::text(value).is_some()).cloned()
            }
            Err(ExchangeError::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        let mut known = self.names.lock();
        if let Some(text) = value.as_ref().and_then(key::text) {
            let named = Name { value: text, ..name.clone() };
            known.keys.entry(named).or_insert_with(|| Some(name.value.clone()));
        }
        known.names.insert(name, value);
        Ok(())
    }

    /// Asks the application for the record of a name, by a filter that it answers itself.
    async fn find(
        &self,
        name: Name,
        resource: &ResourceMapping,
        by: &NativePath,
        filter: Filter,
    ) -> Result<(), ExchangeError> {
        let none = References::default();
        let context = self.context(resource, &none);
        let plan = filter::plan(&context, &filter)?;
        match plan.calls {
            Calls::Nothing => {}
            Calls::List(parameters) if !parameters.is_empty() => {
                self.walk(resource, by, parameters, Some(&name)).await?;
            }
            Calls::LookUp(request, call) => {
                let records = self.looked_up(request, call).await?;
                Breadth::Narrowed.check(resource, records.len() as u64)?;
                let records = self.complete_all(resource, request, records).await?;
                self.note(resource, by, &records);
            }
            Calls::ById(_) | Calls::List(_) => self.scan(resource, by).await?,
        }
        self.names.lock().keys.entry(name).or_insert(None);
        Ok(())
    }

    async fn looked_up(
        &self,
        request: &Request,
        call: NativeRequest,
    ) -> Result<Vec<Value>, ExchangeError> {
        let response = match self.ask(request, call, About::Resource).await {
            Err(ExchangeError::Native(failure))
                if failure.meaning == Meaning::Outcome(Outcome::NotFound) =>
            {
                return Ok(Vec::new());
            }
            other => other?,
        };
        let body = response.json().ok_or_else(|| Mismatch::of(request, "JSON"))?;
        let records = match &request.record {
            Some(path) => record::looked_up(request, path, body),
            None => record::records(request, &response),
        };
        records.ok_or_else(|| Mismatch::records(request))
    }

    /// Reads the whole list, once, within the bounds of a scan.
    async fn scan(&self, resource: &ResourceMapping, by: &NativePath) -> Result<(), ExchangeError> {
        let place = (resource.name.clone(), by.to_string());
        if self.names.lock().scanned.contains(&place) {
            return Ok(());
        }
        self.walk(resource, by, Parameters::default(), None).await?;
        self.names.lock().scanned.insert(place);
        Ok(())
    }

    /// Reads the list with these parameters, to its end or until a name is found.
    async fn walk(
        &self,
        resource: &ResourceMapping,
        by: &NativePath,
        parameters: Parameters,
        until: Option<&Name>,
    ) -> Result<(), ExchangeError> {
        let breadth = Breadth::of(&parameters);
        breadth.check(resource, 0)?;
        let Some(list) = &resource.list else {
            let operation = format!("looking for references to {}", resource.name);
            return Err(ExchangeError::NotSupported { operation });
        };
        let mut walk = Walk::new(list, parameters, list.pages.as_ref());
        while let Some(records) = walk.next(self, resource).await? {
            let records = records.into_iter().map(Listed::into_value).collect();
            breadth.check(resource, walk.read)?;
            let records = self.complete_all(resource, list, records).await?;
            self.note(resource, by, &records);
            if until.is_some_and(|name| self.names.lock().keys.contains_key(name)) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Keeps the names of records in mind; of two records with one name the first has it.
    fn note(&self, resource: &ResourceMapping, by: &NativePath, records: &[Value]) {
        let mut known = self.names.lock();
        for native in records {
            let value = by.read(native).and_then(key::text);
            let (Some(value), Ok(key)) = (value, key::of_record(&resource.id, native)) else {
                continue;
            };
            let name = Name { resource: resource.name.clone(), by: by.to_string(), value };
            known.keys.entry(name).or_insert(Some(key));
        }
    }
}

/// The filter that finds the record of a name, if the application answers one.
fn asked(resource: &ResourceMapping, by: &NativePath, value: &str) -> Option<Filter> {
    resource.filters.iter().find_map(|rule: &FilterRule| {
        let FilterSubject::Row(index) = rule.subject else { return None };
        let row = resource.rows.get(index)?;
        let [read] = row.sources() else { return None };
        let is_plain = row.reference.is_none() && row.formulas.to_scim.is_none();
        if rule.operator != CompareOp::Eq || !is_plain || read.to_string() != by.to_string() {
            return None;
        }
        let scim = through::read(&row.via, &row.empty, &Value::from(value))?;
        let element = match &rule.reach {
            Reach::All(_) => return Some(Filter::Compare(rule.path.clone(), CompareOp::Eq, scim)),
            Reach::Element(selector) => selector,
            Reach::Unknown => return None,
        };
        let own = (rule.path.sub.clone().unwrap_or_else(|| "value".to_owned()), scim);
        let terms = element.iter().cloned().chain([own]).map(|(sub, value)| {
            Filter::Compare(AttrPath { urn: None, attr: sub, sub: None }, CompareOp::Eq, value)
        });
        let attribute = AttrPath { sub: None, ..rule.path.clone() };
        Some(Filter::ValuePath(attribute, Box::new(Filter::And(terms.collect()))))
    })
}
