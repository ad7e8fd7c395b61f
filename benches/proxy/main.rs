//! What the bridge costs beside a proxy that does not look.
//!
//! `cargo bench --bench proxy` starts a native stub, a plain pingora pass-through, nginx (where
//! it is installed) and the bridge, each in a process of its own, drives them with wrk in
//! interleaved rounds, and prints throughput, latency, CPU and memory with their ratios to the
//! pass-through. `cargo bench --bench proxy -- instructions` counts instructions per request under
//! callgrind instead, which is repeatable on a busy machine. `docs/performance.md` says how to
//! read both.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is its output")]

mod callgrind;
mod growth;
mod operations;
mod pass;
mod process;
mod report;
mod rounds;
mod servers;
mod stub;
mod sync;
mod world;
mod wrk;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

/// Any failure ends the run, with a sentence.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What was asked for on the command line.
pub(crate) struct Options {
    /// The bridge's program.
    pub(crate) bridge: PathBuf,
    /// How often everything is measured.
    pub(crate) rounds: usize,
    /// How long one measurement takes.
    pub(crate) seconds: u64,
    /// Connections at a time.
    pub(crate) connections: Vec<usize>,
    /// Names of the operations; empty means all.
    pub(crate) only: Vec<String>,
    /// Requests that are counted under callgrind.
    pub(crate) requests: u64,
    /// Where callgrind's files stay.
    pub(crate) keep: Option<PathBuf>,
    /// Most instructions of an operation, for one of the pass-through; beyond it the run fails.
    pub(crate) most: Vec<(String, f64)>,
}

/// One of the measurements.
type Program = fn(&Options) -> Outcome<()>;

const USAGE: &str = "usage: cargo bench --bench proxy -- [instructions | growth | sync] [--rounds N] \
    [--seconds N] [--connections N,N] [--only OPERATION,OPERATION] [--bridge PROGRAM] \
    [--requests N] [--keep FOLDER] [--most OPERATION=RATIO,OPERATION=RATIO]";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome<()> {
    let mut words: Vec<String> =
        std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match words.first().map(String::as_str) {
        Some("stub") => return stub::serve(number(words.get(1))?),
        Some("pass") => return pass::serve(number(words.get(1))?, number(words.get(2))?),
        Some("world") => {
            let (people, members) = (words.get(2).ok_or(USAGE)?, words.get(3).ok_or(USAGE)?);
            return world::serve(number(words.get(1))?, people.parse()?, members.parse()?);
        }
        _ => {}
    }
    let programs: [(&str, Program); 3] =
        [("instructions", callgrind::run), ("growth", growth::run), ("sync", sync::run)];
    let chosen = programs.into_iter().find(|(name, _)| words.first().is_some_and(|it| it == name));
    if chosen.is_some() {
        words.remove(0);
    }
    let options = options(&words)?;
    chosen.map_or(rounds::run as Program, |(_, program)| program)(&options)
}

fn options(words: &[String]) -> Outcome<Options> {
    let mut options = Options {
        bridge: PathBuf::from(env!("CARGO_BIN_EXE_scimbridge")),
        rounds: 3,
        seconds: 3,
        connections: vec![1, 16, 64, 256],
        only: Vec::new(),
        requests: 300,
        keep: None,
        most: Vec::new(),
    };
    let mut words = words.iter();
    while let Some(name) = words.next() {
        let value = words.next().ok_or(USAGE)?;
        let list = value.split(',').map(str::to_owned);
        match name.as_str() {
            "--rounds" => options.rounds = value.parse()?,
            "--seconds" => options.seconds = value.parse()?,
            "--connections" => {
                options.connections = list.map(|it| it.parse()).collect::<Result<_, _>>()?;
            }
            "--only" => options.only = list.collect(),
            "--bridge" => options.bridge = value.into(),
            "--requests" => options.requests = value.parse()?,
            "--keep" => options.keep = Some(value.into()),
            "--most" => {
                for limit in list {
                    let (name, ratio) = limit.split_once('=').ok_or(USAGE)?;
                    operations::ALL.iter().find(|it| it.name == name).ok_or(USAGE)?;
                    options.most.push((name.to_owned(), ratio.parse()?));
                }
            }
            _ => return Err(USAGE.into()),
        }
    }
    Ok(options)
}

fn number(word: Option<&String>) -> Outcome<u16> {
    Ok(word.ok_or(USAGE)?.parse()?)
}
