//! The floors that only compute, each by itself: `cargo bench --bench pure`.
#![expect(clippy::unwrap_used, reason = "what cannot be prepared cannot be measured")]

use std::fmt::Write as _;

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher, black_box};
use jiff::Timestamp;
use scimbridge::convert::context::Context;
use scimbridge::convert::document::{self, Difference, Purpose};
use scimbridge::convert::plan::Plan;
use scimbridge::convert::references::References;
use scimbridge::convert::stream::Frame;
use scimbridge::convert::{change, to_scim};
use scimbridge::id::SystemIds;
use scimbridge::mapping::model::{Mapping, ResourceMapping};
use scimbridge::mapping::scope::Ambient;
use scimbridge::native::scan::Scanner;
use scimbridge::scim::deviation::Deviations;
use scimbridge::scim::filter::eval::CompiledFilter;
use scimbridge::scim::patch::request::PatchRequest;
use scimbridge::scim::projection::Projection;
use scimbridge::scim::query::Query;
use scimbridge::scim::resource::Resource;
use scimbridge::scim::value::Dialect;
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

const MAPPING: &str = include_str!("../mappings/legacy-app.yaml");
const FILTER: &str = "filter=userName%20eq%20%22ada%22%20and%20emails%5Btype%20eq%20%22work%22%5D.value%20co%20%22example%22";
const PAGE: usize = 1_000;
const MEMBERS: usize = 100_000;

fn main() {
    divan::main();
}

/// What conversions need.
struct World {
    mapping: Mapping,
    ambient: Ambient,
    config: Value,
    references: References,
}

impl World {
    fn new() -> Self {
        let ids = std::sync::Arc::new(SystemIds);
        let ambient = Ambient { ids, now: Timestamp::UNIX_EPOCH, request_id: "bench".to_owned() };
        let mapping = Mapping::load(MAPPING).map_err(|_| "the mapping has faults").unwrap().0;
        Self { mapping, ambient, config: json!({}), references: References::default() }
    }

    fn users(&self) -> &ResourceMapping {
        self.mapping.resource("User").unwrap()
    }

    fn context(&self) -> Context<'_> {
        Context {
            mapping: &self.mapping,
            resource: self.users(),
            ambient: &self.ambient,
            config: &self.config,
            references: &self.references,
        }
    }

    fn view(&self) -> Resource {
        to_scim::view(&self.context(), "7", &record(), to_scim::Kept::default())
    }
}

/// The record of the mapping's own example: everything that can be said of a person.
fn record() -> Value {
    let world = Mapping::load(MAPPING).map_err(|_| "the mapping has faults").unwrap().0;
    world.resource("User").unwrap().examples.first().unwrap().native.clone()
}

fn page() -> String {
    let record = record().to_string();
    format!("[{}]", vec![record.as_str(); PAGE].join(","))
}

fn query(text: &str) -> Query {
    Query::parse(text, Dialect::Lenient, &mut Deviations::default()).unwrap()
}

#[divan::bench]
fn filter_parse(bencher: Bencher<'_, '_>) {
    bencher.bench(|| query(black_box(FILTER)));
}

#[divan::bench]
fn filter_evaluate(bencher: Bencher<'_, '_>) {
    let world = World::new();
    let view = world.view();
    let filter = query(FILTER).filter.unwrap();
    let kind = &world.users().resource_type;
    let compiled = CompiledFilter::new(&filter, kind, Dialect::Lenient).unwrap();
    bencher.bench_local(|| compiled.matches(black_box(&view)));
}

#[divan::bench]
fn to_scim_through_trees(bencher: Bencher<'_, '_>) {
    let world = World::new();
    let text = record().to_string();
    bencher.bench_local(|| {
        let native: Value = serde_json::from_str(black_box(&text)).unwrap();
        let view = to_scim::view(&world.context(), "7", &native, to_scim::Kept::default());
        Value::Object(view.0).to_string()
    });
}

#[divan::bench]
fn to_scim_by_plan(bencher: Bencher<'_, '_>) {
    let world = World::new();
    let text = record().to_string();
    let plan = Plan::new(&world.mapping, world.users()).unwrap();
    let mask = plan.mask(world.users(), &Projection::default()).unwrap();
    let mut frame = Frame::new(&plan, world.context(), "http://scim.example.com/scim/v2", &mask);
    bencher.bench_local(|| {
        let found = plan.read(&mut Scanner::new(black_box(&text))).unwrap();
        let mut body = Vec::with_capacity(text.len() * 2);
        frame.write("7", &found, &mut body).unwrap();
        body
    });
}

#[divan::bench]
fn page_of_1000_through_trees(bencher: Bencher<'_, '_>) {
    let world = World::new();
    let text = page();
    bencher.counter(ItemsCount::new(PAGE)).bench_local(|| {
        let all: Vec<Value> = serde_json::from_str(black_box(&text)).unwrap();
        let mut body = String::new();
        for native in &all {
            let view = to_scim::view(&world.context(), "7", native, to_scim::Kept::default());
            write!(body, "{},", Value::Object(view.0)).unwrap();
        }
        body
    });
}

#[divan::bench]
fn page_of_1000_by_plan(bencher: Bencher<'_, '_>) {
    let world = World::new();
    let text = page();
    let plan = Plan::new(&world.mapping, world.users()).unwrap();
    let mask = plan.mask(world.users(), &Projection::default()).unwrap();
    let mut frame = Frame::new(&plan, world.context(), "http://scim.example.com/scim/v2", &mask);
    bencher.counter(ItemsCount::new(PAGE)).bench_local(|| {
        let mut body = Vec::new();
        let read = Scanner::new(black_box(&text)).array(|scanner| {
            let found = plan.read(scanner)?;
            frame.write("7", &found, &mut body)?;
            Some(())
        });
        read.unwrap();
        body
    });
}

#[divan::bench]
fn to_native_one_change(bencher: Bencher<'_, '_>) {
    let world = World::new();
    let (native, before) = (record(), world.view());
    let mut wanted = before.clone();
    wanted.0.insert("title".to_owned(), json!("Countess"));
    let all = change::everything(world.users());
    bencher.bench_local(|| {
        let difference = Difference {
            native: &native,
            before: &before,
            wanted: black_box(&wanted),
            purpose: Purpose::Update,
        };
        document::put(&world.context(), &difference, &all).unwrap()
    });
}

#[divan::bench]
fn patch_parse(bencher: Bencher<'_, '_>) {
    let world = World::new();
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{ "op": "Replace", "path": "active", "value": "False" }],
    });
    let kind = &world.users().resource_type;
    bencher.bench_local(|| {
        let mut noted = Deviations::default();
        PatchRequest::parse(black_box(&body), kind, Dialect::Lenient, &mut noted).unwrap()
    });
}

#[divan::bench]
fn projection(bencher: Bencher<'_, '_>) {
    let world = World::new();
    let view = world.view();
    let asked = Projection::parse(Some("userName,name.familyName,emails"), None).unwrap();
    let asked = |view| asked.apply(black_box(view), &world.users().resource_type, &[]);
    bencher.with_inputs(|| view.clone()).bench_local_values(asked);
}

#[divan::bench(sample_count = 10)]
fn group_of_100000_members_through_trees(bencher: Bencher<'_, '_>) {
    let world = World::new();
    let groups = world.mapping.resource("Group").unwrap();
    let members = groups.collections.first().unwrap();
    let list: Vec<Value> =
        (0..MEMBERS).map(|id| json!({ "id": id, "full_name": "Ada Lovelace" })).collect();
    let text = Value::Array(list).to_string();
    let context = Context { resource: groups, ..world.context() };
    bencher.counter(ItemsCount::new(MEMBERS)).bench_local(|| {
        let all: Vec<Value> = serde_json::from_str(black_box(&text)).unwrap();
        let mut view = Resource::default();
        to_scim::set_collection(&context, members, &all, &mut view);
        Value::Object(view.0).to_string()
    });
}
