//! The first synchronisation of a large organisation, as Entra ID does it: each person is looked
//! for and created, each group is looked for and created, and members are added one by one.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::growth::calls;
use crate::process::Client;
use crate::servers::{self, Folder, Search, Server, TOKEN};
use crate::{Options, Outcome};

const PEOPLE: u32 = 20_000;
const GROUPS: u32 = 500;
const MEMBERS: u32 = 20;
const CONNECTIONS: usize = 64;
const PATIENCE: Duration = Duration::from_mins(2);

/// Synchronises and prints.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    let folder = Folder::new()?;
    let application = servers::world(0, 0)?;
    let bridge = servers::tuned_bridge(application.port, options, &folder, Search::Native)?;
    println!(
        "The bridge is ready after {} ms and takes {:.1} MB.\n",
        bridge.ready.as_millis(),
        megabytes(bridge.process.memory())
    );
    println!(
        "| step | operations | operations/s | native calls for one | bridge's CPU for one \
         | bridge's CPU, of one core | RSS at most |\n|---|---:|---:|---:|---:|---:|---:|"
    );
    let servers = (&application, &bridge);
    step(servers, "match and create a person", PEOPLE, |client, number| {
        let name = format!("sync{number}@example.org");
        let found = format!("/scim/v2/Users?filter=userName%20eq%20%22{name}%22");
        ask(client, "GET", &found, "")?;
        let body = format!(
            r#"{{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"externalId":"hr-{number}","userName":"{name}","active":true,"displayName":"Person {number}","name":{{"givenName":"Person","familyName":"{number}"}},"emails":[{{"primary":true,"type":"work","value":"{name}"}}]}}"#
        );
        ask(client, "POST", "/scim/v2/Users", &body)
    })?;
    step(servers, "match and create a group", GROUPS, |client, number| {
        let found = format!("/scim/v2/Groups?filter=displayName%20eq%20%22Group{number}%22");
        ask(client, "GET", &found, "")?;
        let body = format!(
            r#"{{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Group{number}"}}"#
        );
        ask(client, "POST", "/scim/v2/Groups", &body)
    })?;
    step(servers, "add a member", GROUPS * MEMBERS, |client, number| {
        let (group, person) = (number % GROUPS + 10, number % PEOPLE + 1);
        let body = format!(
            r#"{{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{{"op":"Add","path":"members","value":[{{"value":"{person}"}}]}}]}}"#
        );
        ask(client, "PATCH", &format!("/scim/v2/Groups/{group}"), &body)
    })
}

fn ask(client: &mut Client, method: &'static str, target: &str, body: &str) -> Outcome<()> {
    let (status, answer) = client.ask_text(method, target, body, TOKEN)?;
    if (200..300).contains(&status) {
        return Ok(());
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    Err(format!("{method} {target} is answered {status}: {answer}").into())
}

fn step(
    (application, bridge): (&Server, &Server),
    name: &str,
    count: u32,
    one: impl Fn(&mut Client, u32) -> Outcome<()> + Sync,
) -> Outcome<()> {
    let mut counter = Client::connect(application.port, PATIENCE)?;
    let (before, cpu) = (calls(&mut counter)?, bridge.process.cpu()?);
    bridge.process.forget_peak()?;
    let (next, failed) = (AtomicU32::new(0), AtomicU64::new(0));
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let work = || -> Outcome<()> {
                    let mut client = Client::connect(bridge.port, PATIENCE)?;
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= count {
                            return Ok(());
                        }
                        one(&mut client, number)?;
                    }
                };
                if let Err(error) = work() {
                    failed.fetch_add(1, Ordering::Relaxed);
                    eprintln!("{error}");
                }
            });
        }
    });
    let took = begun.elapsed().as_secs_f64();
    if failed.load(Ordering::Relaxed) > 0 {
        return Err("the synchronisation has failed".into());
    }
    let spent = bridge.process.cpu()?.saturating_sub(cpu).as_secs_f64();
    let native = calls(&mut counter)? - before;
    let of = f64::from(count);
    println!(
        "| {name} | {count} | {:.0} | {:.2} | {:.0} µs | {:.0} % | {:.1} MB |",
        of / took,
        f64::from(u32::try_from(native)?) / of,
        spent * 1e6 / of,
        spent / took * 100.0,
        megabytes(bridge.process.peak()?)
    );
    Ok(())
}

fn megabytes(kilobytes: u64) -> f64 {
    f64::from(u32::try_from(kilobytes).unwrap_or(u32::MAX)) / 1024.0
}
