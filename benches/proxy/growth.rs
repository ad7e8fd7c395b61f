//! How cost grows: with the members of a group, and with the people of a directory.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::operations::Call;
use crate::process::Client;
use crate::servers::{self, Folder, Search, Server, TOKEN};
use crate::world::{TEAM, login};
use crate::{Options, Outcome};

/// How large groups and directories are.
const SIZES: [u32; 3] = [1000, 10_000, 100_000];

/// For one request; replacing 100 000 members takes thousands of native calls.
const PATIENCE: Duration = Duration::from_mins(5);

/// What is measured in.
struct Bench {
    application: Server,
    bridge: Server,
    client: Client,
    /// Where the application tells its calls.
    counter: Client,
}

/// Measures and prints.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    println!("| members | operation | time | native calls | RSS before | RSS at most |");
    println!("|---:|---|---:|---:|---:|---:|");
    for size in SIZES {
        let folder = Folder::new()?;
        let mut bench = Bench::new(options, &folder, (size, size), Search::Native)?;
        group(&mut bench, size)?;
    }
    println!("\n| people | operation | time | native calls | RSS before | RSS at most |");
    println!("|---:|---|---:|---:|---:|---:|");
    for size in SIZES {
        let folder = Folder::new()?;
        let mut bench = Bench::new(options, &folder, (size, 1), Search::Native)?;
        directory(&mut bench, size)?;
        drop(bench);
        let folder = Folder::new()?;
        let mut bench = Bench::new(options, &folder, (size, 1), Search::Index)?;
        bench.wait_for_index(size)?;
        bench.row(size, "match by userName, by the bridge's index", &by_name(size / 2))?;
    }
    Ok(())
}

fn group(bench: &mut Bench, size: u32) -> Outcome<()> {
    let target = format!("/scim/v2/Groups/{TEAM}");
    let patch = |operation: Value| {
        let schema = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
        let body = json!({ "schemas": [schema], "Operations": [operation] });
        Asked::new("PATCH", &target, &body)
    };
    let stranger = json!([{ "value": (size / 2).to_string() }]);
    bench.row(
        size,
        "read without members",
        &Asked::get(&format!("{target}?excludedAttributes=members")),
    )?;
    bench.row(
        size,
        "read with members",
        &Asked::get(&format!("{target}?attributes=displayName,members")),
    )?;
    let remove = format!("members[value eq \"{}\"]", size / 2);
    bench.row(size, "remove one", &patch(json!({ "op": "remove", "path": remove })))?;
    bench.row(
        size,
        "add one",
        &patch(json!({ "op": "add", "path": "members", "value": stranger })),
    )?;
    let without = size / 100;
    let members: Vec<Value> =
        (without + 1..=size).map(|it| json!({ "value": it.to_string() })).collect();
    let schema = "urn:ietf:params:scim:schemas:core:2.0:Group";
    let whole = json!({ "schemas": [schema], "displayName": "Owls", "members": members });
    bench.row(size, "replace all, 1 % changed", &Asked::new("PUT", &target, &whole))
}

fn directory(bench: &mut Bench, size: u32) -> Outcome<()> {
    bench.row(size, "match by userName, by the application", &by_name(size / 2))?;
    let page = |start: u32| Asked::get(&format!("/scim/v2/Users?startIndex={start}&count=100"));
    bench.row(size, "page of 100 at the start", &page(1))?;
    bench.row(size, "page of 100 deep inside", &page(size / 10 * 9 + 1))
}

fn by_name(number: u32) -> Asked {
    let name = login(number);
    Asked::get(&format!("/scim/v2/Users?filter=userName%20eq%20%22{name}%22"))
}

/// A request with what it owns.
struct Asked {
    method: &'static str,
    target: String,
    body: String,
}

impl Asked {
    fn new(method: &'static str, target: &str, body: &Value) -> Self {
        Self { method, target: target.to_owned(), body: body.to_string() }
    }

    fn get(target: &str) -> Self {
        Self { method: "GET", target: target.to_owned(), body: String::new() }
    }
}

impl Bench {
    fn new(
        options: &Options,
        folder: &Folder,
        (people, members): (u32, u32),
        search: Search,
    ) -> Outcome<Self> {
        let application = servers::world(people, members)?;
        let bridge = servers::tuned_bridge(application.port, options, folder, search)?;
        let client = Client::connect(bridge.port, PATIENCE)?;
        let counter = Client::connect(application.port, PATIENCE)?;
        Ok(Self { application, bridge, client, counter })
    }

    fn calls(&mut self) -> Outcome<u64> {
        calls(&mut self.counter)
    }

    fn ask(&mut self, asked: &Asked) -> Outcome<(u16, Vec<u8>)> {
        let Asked { method, target, body } = asked;
        self.client.ask_text(method, target, body, TOKEN)
    }

    fn row(&mut self, size: u32, name: &str, asked: &Asked) -> Outcome<()> {
        let before = self.calls()?;
        let memory = self.bridge.process.memory();
        self.bridge.process.forget_peak()?;
        let begun = Instant::now();
        let (status, body) = self.ask(asked)?;
        let took = begun.elapsed();
        if !(200..300).contains(&status) {
            let body = String::from_utf8_lossy(&body).into_owned();
            return Err(format!("{name} with {size} is answered {status}: {body}").into());
        }
        let calls = self.calls()? - before;
        let peak = self.bridge.process.peak()?;
        println!(
            "| {size} | {name} | {:.1} ms | {calls} | {} MB | {} MB |",
            took.as_secs_f64() * 1e3,
            memory / 1024,
            peak / 1024
        );
        Ok(())
    }

    /// Waits until a match costs a call and no more.
    fn wait_for_index(&mut self, size: u32) -> Outcome<()> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let before = self.calls()?;
            let (status, _) = self.ask(&by_name(size / 2))?;
            // The reading of the whole list goes on beside it until the index is there.
            if status == 200 && self.calls()? - before <= 1 {
                return Ok(());
            }
            std::thread::yield_now();
        }
        Err(format!("after {PATIENCE:?} there is no index of {} people", self.application.name)
            .into())
    }
}

/// What an application says of the calls it got.
pub(crate) fn calls(counter: &mut Client) -> Outcome<u64> {
    let (_, body) = counter.ask(Call { method: "GET", target: "/calls", body: "" }, TOKEN)?;
    Ok(String::from_utf8(body)?.trim().parse()?)
}

/// The mapping without what lets the application search by userName.
pub(crate) fn mapping_without_search(folder: &Folder) -> Outcome<PathBuf> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/mappings/legacy-app.yaml");
    let text = fs::read_to_string(path)?;
    let (before, _) = text.split_once("\ntests:").ok_or("the mapping has no tests")?;
    let line = |line: &&str| !line.trim_start().starts_with("userName eq:");
    let lines: Vec<&str> = before.lines().filter(line).collect();
    let own = folder.path().join("legacy-app.yaml");
    fs::write(&own, lines.join("\n") + "\n")?;
    Ok(own)
}
