//! Kills the bridge while it writes, and looks whether anything was lost.
//!
//! The legacy application runs as a process of its own, so that it outlives the bridge, and logs
//! every write that reaches it together with the request id. The real bridge stands in front of
//! it, on an SQLite file. An identity provider's synchronisation of many users and groups is
//! played through it; again and again the bridge is killed with SIGKILL in the middle of that and
//! started anew, and the synchronisation goes on where it was.
//!
//! After each start: every native write has its event in the audit trail, every token opens the
//! door, ids and tombstones that clients were told of are what they were. At the end, with nobody
//! killed any more, the synchronisation must arrive at exactly what is wanted, without duplicates,
//! and once more it must have nothing left to write.
//!
//! `cargo test --test crash` plays a short form. The long one is
//! `SCIMBRIDGE_CRASH_ROUNDS=50 SCIMBRIDGE_CRASH_USERS=2000 cargo test --release --test crash`.
//! `SCIMBRIDGE_CRASH_SEED` plays the moments of a run again, as far as the machine lets it.
#![expect(
    clippy::disallowed_methods,
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
mod processes;
mod sync;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::check::Checks;
use crate::processes::World;
use crate::sync::Sync;

/// What the first argument says when this program is to be the application.
const APPLICATION: &str = "--be-the-application";

/// A run that takes longer has failed.
const LONGEST: Duration = Duration::from_mins(25);

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
    runtime.block_on(async {
        let run = play(rounds, usize::try_from(users).unwrap(), seed);
        tokio::time::timeout(LONGEST, run).await.expect("the run is over in time");
    });
    ExitCode::SUCCESS
}

fn number(variable: &str, usual: u64) -> u64 {
    let value = std::env::var(variable).ok();
    value.map_or(usual, |value| value.parse().unwrap_or_else(|_| panic!("{variable}: a number")))
}

async fn play(rounds: u64, users: usize, seed: u64) {
    println!("crash: {rounds} rounds, {users} users, seed {seed}");
    let begun = Instant::now();
    let mut random = Random(seed | 1);
    let mut world = World::new().await;
    let mut sync = Sync::new(users);
    let mut checks = Checks::default();
    for round in 0..rounds {
        let bridge = world.start_bridge().await;
        if round % 10 == 0 {
            world.issue_token().await;
        }
        checks.after_start(&world, &sync, &mut random).await;
        let time = Duration::from_millis(100 + random.below(900));
        let client = world.client(&mut random);
        sync.run_for(&client, time, || random.below(1000)).await;
        bridge.kill();
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
    checks.after_start(&world, &sync, &mut random).await;
    bridge.kill();
    world.end();
    println!(
        "crash: {rounds} kills, {} native writes, {} events of which {} interrupted, {} requests \
         cut off, {} tokens, {} ids and {} tombstones looked for, {:?}",
        checks.writes,
        checks.events,
        checks.interrupted,
        sync.cut,
        world.tokens.len(),
        checks.ids,
        checks.tombstones,
        begun.elapsed(),
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
