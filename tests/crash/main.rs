//! Kills the bridge while it writes, and looks whether anything was lost.
//!
//! The legacy application runs as a process of its own, so that it outlives the bridge, and logs
//! every write that reaches it together with the request id. The real bridge stands in front of
//! it, on an SQLite file or a PostgreSQL database. An identity provider's synchronisation is played
//! through it: users are created, switched off and deleted, groups filled, then users and groups
//! are changed. Again and again the bridge is killed with SIGKILL and started anew, and the
//! synchronisation goes on where it was. The kills are spread over the whole of it: each has a part
//! of its own, within which the moment is random.
//!
//! After each start: every native write has its event in the audit trail; every token opens the
//! door; every id and every tombstone that clients were told of is what it was, in the side-car and
//! in what the bridge shows. At the end, with nobody killed any more, the synchronisation must
//! arrive at exactly what is wanted, without duplicates, and once more it must have nothing left to
//! write.
//!
//! `cargo test --test crash` plays a short form. The long one is
//! `SCIMBRIDGE_CRASH_ROUNDS=50 SCIMBRIDGE_CRASH_USERS=2000 cargo test --release --test crash`, with
//! `SCIMBRIDGE_CRASH_STORE=postgres` on a PostgreSQL of its own. `SCIMBRIDGE_CRASH_SEED` plays the
//! moments of a run again, as far as the machine lets it.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "this is a test; it has no harness because it must be able to be the application too"
)]

mod application;
mod check;
mod client;
#[path = "../it/postgres.rs"]
#[expect(dead_code, reason = "stopping a server is for the other tests")]
mod postgres;
mod processes;
mod sync;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::check::Checks;
use crate::processes::{Kind, World};
use crate::sync::{Met, Moment, PHASES, Sync};

/// What the first argument says when this program is to be the application.
const APPLICATION: &str = "--be-the-application";

/// A run that takes longer has failed.
const LONGEST: Duration = Duration::from_mins(15);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_some_and(|first| first == "--list") {
        println!("crash: test");
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if arguments.get(1).is_some_and(|first| first == APPLICATION) {
        runtime.block_on(application::run(&arguments[2], &arguments[3]));
        return ExitCode::SUCCESS;
    }
    // Somebody asks for tests of other names.
    let is_filtered = arguments.iter().skip(1).any(|it| !it.starts_with('-') && it != "crash");
    if is_filtered {
        return ExitCode::SUCCESS;
    }
    let rounds = number("SCIMBRIDGE_CRASH_ROUNDS", 3);
    let users = number("SCIMBRIDGE_CRASH_USERS", 60);
    let seed = number("SCIMBRIDGE_CRASH_SEED", u64::from(std::process::id()));
    let kind = match postgres::setting("SCIMBRIDGE_CRASH_STORE").as_deref() {
        None | Some("sqlite") => Kind::Sqlite,
        Some("postgres") => Kind::Postgres,
        Some(other) => panic!("SCIMBRIDGE_CRASH_STORE: sqlite or postgres, not {other}"),
    };
    runtime.block_on(async {
        let run = play(kind, rounds, usize::try_from(users).unwrap(), seed);
        tokio::time::timeout(LONGEST, run).await.expect("the run is over in time");
    });
    ExitCode::SUCCESS
}

fn number(variable: &str, usual: u64) -> u64 {
    let value = postgres::setting(variable);
    value.map_or(usual, |value| value.parse().unwrap_or_else(|_| panic!("{variable}: a number")))
}

async fn play(kind: Kind, rounds: u64, users: usize, seed: u64) {
    println!("crash: {kind:?}, {rounds} rounds, {users} users, seed {seed}");
    let begun = Instant::now();
    let mut random = Random(seed | 1);
    let Some(mut world) = World::new(kind).await else { return };
    let mut sync = Sync::new(users);
    let mut checks = Checks::default();
    let mut kills = Vec::new();
    for round in 0..rounds {
        let bridge = world.start_bridge().await;
        if round % 10 == 0 {
            world.issue_token().await;
        }
        checks.after_start(&world, &sync, &mut random).await;
        let part = |end: u64| sync.whole() * end / rounds;
        let moment = Moment {
            done: part(round) + random.below(part(round + 1) - part(round)),
            later: Duration::from_micros(random.below(20_000)),
        };
        let client = world.client(&mut random);
        kills.push(sync.run_until(&client, &moment, || bridge.kill()).await);
    }
    let bridge = world.start_bridge().await;
    checks.after_start(&world, &sync, &mut random).await;
    let client = world.client(&mut random);
    sync.finish(&client).await;
    sync.check_result(&client, &world).await;
    let before = world.native_writes().len();
    sync.again();
    sync.finish(&client).await;
    let more = world.native_writes().len() - before;
    assert_eq!(more, 0, "a second synchronisation has nothing to write");
    world.settle().await;
    checks.after_all(&world, &sync, &mut random).await;
    bridge.kill();
    world.end();
    report(&kills, &checks, &sync, begun.elapsed());
}

fn report(kills: &[Met], checks: &Checks, sync: &Sync, time: Duration) {
    for (phase, name) in PHASES.iter().enumerate() {
        let here = kills.iter().filter(|met| met.phase == phase);
        let writing = here.clone().filter(|met| met.writes > 0).count();
        println!("crash: {} kills while {name}, {writing} with writes under way", here.count());
    }
    let Checks { writes, events, interrupted, tokens, ids, tombstones, .. } = checks;
    println!(
        "crash: {} kills, {writes} native writes, {events} events of which {interrupted} \
         interrupted, {} requests cut off; {tokens} tokens, {ids} ids and {tombstones} tombstones \
         looked for; {time:.1?}",
        kills.len(),
        sync.cut,
    );
}

/// A sequence of numbers that one seed makes (xorshift).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound.max(1)
    }
}
