//! The stage of a test: a tenant whose application, side-car, time and randomness are scripted.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::clock::FixedClock;
use crate::convert::{key, memo};
use crate::dialogue::script::ScriptedUpstream;
use crate::exchange::cursor::Seal;
use crate::exchange::precautions::Precautions;
use crate::exchange::tenant::{KeptAttributes, Plans, Rosters, Tenant};
use crate::exchange::upstream::Upstream;
use crate::id::IdSource;
use crate::mapping::model::{ConfigType, ConfigVar, Given, Mapping};
use crate::scim::urn;
use crate::scim::value::Dialect;
use crate::sidecar::entry::{Entry, EntryState, Partition};
use crate::sidecar::memory::MemorySidecar;
use crate::sidecar::memory_links::MemoryLinks;
use crate::sidecar::port::{Sidecar, StoreError};

/// When a test does not say what time it is.
const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// The name of the tenant on stage.
const TENANT: &str = "test";

/// Most resources in one answer on stage.
const MAX_RESULTS: u64 = 1000;

/// Sets a stage.
pub async fn set(
    mapping: &Arc<Mapping>,
    given: &Given,
    upstream: Arc<dyn Upstream>,
) -> Result<Tenant, StoreError> {
    let sidecar = MemorySidecar::default();
    let partition = Partition { tenant: TENANT.to_owned(), mapping: mapping.name.clone() };
    for (resource, entry) in entries(&given.sidecar) {
        sidecar.save(&partition, &resource, &entry).await?;
    }
    let now = given.now.as_ref().and_then(|text| text.parse().ok()).unwrap_or(NOW);
    Ok(Tenant {
        name: TENANT.to_owned(),
        mapping: Arc::clone(mapping),
        config: config(&mapping.config, &given.config),
        upstream,
        sidecar: Arc::new(sidecar),
        links: Arc::new(MemoryLinks::default()),
        index: Arc::default(),
        clock: Arc::new(FixedClock(now)),
        ids: Arc::new(ScriptedIds::new(given)),
        dialect: Dialect::Lenient,
        deviations: Arc::default(),
        max_results: MAX_RESULTS,
        seal: Arc::new(OpenSeal),
        locks: Arc::default(),
        recent: Arc::default(),
        precautions: Precautions::default(),
        plans: Plans::default(),
        kept: KeptAttributes::default(),
        rosters: Rosters::default(),
    })
}

/// A stage for questions that make no calls.
pub async fn bare(mapping: &Arc<Mapping>) -> Result<Tenant, StoreError> {
    let silent = Arc::new(ScriptedUpstream::new(Vec::new()));
    set(mapping, &Given::default(), silent).await
}

/// Configuration as templates see it: what is given, then defaults, then something of the right
/// type, so that a test need not name what it does not depend on.
fn config(variables: &[ConfigVar], given: &Map<String, Value>) -> Value {
    let value = |variable: &ConfigVar| {
        let known = given.get(&variable.name).or(variable.default.as_ref()).cloned();
        known.unwrap_or_else(|| match variable.kind {
            ConfigType::String => json!(variable.name),
            ConfigType::Integer => json!(1),
            ConfigType::Boolean => json!(false),
            ConfigType::Url => json!("http://application.test"),
            ConfigType::Duration => json!("10s"),
        })
    };
    let open = variables.iter().filter(|variable| !variable.secret);
    Value::Object(open.map(|variable| (variable.name.clone(), value(variable))).collect())
}

/// The entries that `sidecar:` writes out: resource type, SCIM id, then `key`, `off` and
/// attributes. Under `ids` stand pairs of native keys and ids: resource type, key, id.
fn entries(sidecar: &Value) -> Vec<(String, Entry)> {
    let mut entries = Vec::new();
    for (resource, by_id) in members(sidecar) {
        if resource == "ids" {
            for (resource, pairs) in members(by_id) {
                for (key, id) in members(pairs) {
                    let id = key::text(id).unwrap_or_default();
                    let entry = Entry { id, key: key.clone(), ..Entry::default() };
                    entries.push((resource.clone(), entry));
                }
            }
            continue;
        }
        for (id, written) in members(by_id) {
            entries.push((resource.clone(), entry(id, id, written)));
        }
    }
    entries
}

/// One entry as it is written.
pub fn entry(id: &str, native_key: &str, written: &Value) -> Entry {
    let mut entry = Entry { id: id.to_owned(), key: native_key.to_owned(), ..Entry::default() };
    for (name, value) in members(written) {
        match name.as_str() {
            "key" => entry.key = key::text(value).unwrap_or_default(),
            "off" => entry.state = EntryState::Off(value.clone()),
            "memo" => {
                entry.attributes.insert(memo::MEMBER.to_owned(), value.clone());
            }
            "deleted" if value == &Value::Bool(true) => entry.state = EntryState::Deleted,
            "id" | "ids" | "names" => {}
            "enterprise" => {
                entry.attributes.insert(urn::ENTERPRISE_USER.to_owned(), value.clone());
            }
            _ => {
                entry.attributes.insert(name.clone(), value.clone());
            }
        }
    }
    entry
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// A seal without secrets: what tests write down has to be the same each time.
struct OpenSeal;

/// Bytes of a check sum in front of the text.
const CHECK: usize = 8;

impl Seal for OpenSeal {
    fn seal(&self, purpose: &[u8], text: &[u8]) -> Vec<u8> {
        let digest = Sha256::new().chain_update(purpose).chain_update(text).finalize();
        digest.iter().take(CHECK).chain(text).copied().collect()
    }

    fn open(&self, purpose: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (_, text) = sealed.split_at_checked(CHECK)?;
        (self.seal(purpose, text) == sealed).then(|| text.to_vec())
    }
}

/// Identifiers in the order in which the test hands them out, then predictable ones.
struct ScriptedIds(Mutex<Left>);

struct Left {
    uuids: VecDeque<String>,
    randoms: VecDeque<String>,
    issued: u64,
}

impl ScriptedIds {
    fn new(given: &Given) -> Self {
        let uuids = given.uuid.iter().cloned().collect();
        let randoms = given.random.iter().cloned().collect();
        Self(Mutex::new(Left { uuids, randoms, issued: 0 }))
    }
}

impl IdSource for ScriptedIds {
    fn uuid(&self) -> String {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        left.issued += 1;
        let number = left.issued;
        left.uuids.pop_front().unwrap_or_else(|| format!("00000000-0000-4000-8000-{number:012}"))
    }

    fn random(&self, length: usize) -> String {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        left.randoms.pop_front().unwrap_or_else(|| "r".repeat(length))
    }
}
