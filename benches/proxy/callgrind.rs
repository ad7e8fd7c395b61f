//! Instructions: the same requests one after the other under valgrind's callgrind, which counts
//! and does not time. What it counts repeats within a percent or two on any load.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::operations::{self, Call, Operation, PEOPLE};
use crate::process::Client;
use crate::servers::{self, Folder, Server, Speaks, TOKEN};
use crate::{Options, Outcome};

/// Requests before those that count: connections, caches, pools.
const WARM_UP: u64 = 30;

/// Counts and prints; fails when an operation needs more than was allowed.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    let own = Folder::new()?;
    let folder: PathBuf = options.keep.clone().unwrap_or_else(|| own.path().to_owned());
    fs::create_dir_all(&folder)?;
    let stub = servers::stub()?;
    let launch = |program: &Path| under_callgrind(program, &folder);
    let pass = servers::pass(stub.port, &launch)?;
    let bridge = servers::bridge(stub.port, options, &own, &launch)?;
    println!("| operation | native calls | pingora | bridge | ratio |\n|---|---:|---:|---:|---:|");
    let mut failures = Vec::new();
    for operation in operations::ALL {
        if !options.only.is_empty() && !options.only.iter().any(|name| name == operation.name) {
            continue;
        }
        let plain = count(&pass, operation, options.requests, &folder)?;
        let ours = count(&bridge, operation, options.requests, &folder)?;
        let ratio = ours / plain;
        println!(
            "| {} | {} | {plain:.0} | {ours:.0} | {ratio:.2} |",
            operation.name,
            operation.native.len()
        );
        let mut limits = options.most.iter().filter(|(name, _)| name == operation.name);
        if let Some((name, most)) = limits.find(|(_, most)| ratio > *most) {
            failures.push(format!(
                "{name} needs {ratio:.2} times the instructions of a pass-through; {most} are allowed"
            ));
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}

fn under_callgrind(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command.arg("--tool=callgrind").arg("--dump-line=no");
    command.arg(format!("--callgrind-out-file={}/callgrind.%p", folder.display())).arg(program);
    command
}

/// Instructions of one operation.
fn count(server: &Server, operation: &Operation, requests: u64, folder: &Path) -> Outcome<f64> {
    let own: &[Call] = &[operation.scim];
    let calls = match server.speaks {
        Speaks::Scim => own,
        Speaks::Native => operation.native,
    };
    let mut client = Client::connect(server.port, Duration::from_mins(1))?;
    let mut numbers = (1..=PEOPLE).cycle();
    let mut ask = |times: u64| -> Outcome<()> {
        for number in numbers.by_ref().take(usize::try_from(times)?) {
            for call in calls {
                let (target, body) = call.about(number);
                let (status, body) = client.ask_text(call.method, &target, &body, TOKEN)?;
                if !(200..300).contains(&status) {
                    let body = String::from_utf8_lossy(&body).into_owned();
                    return Err(format!("{} answers {status}: {body}", server.name).into());
                }
            }
        }
        Ok(())
    };
    ask(WARM_UP)?;
    control("--zero", server.process.id())?;
    ask(requests)?;
    let before = dumps(server, folder)?.len();
    control(&format!("--dump={}-{}", server.name, operation.name), server.process.id())?;
    let mut left = 1000;
    loop {
        let all = dumps(server, folder)?;
        if let (true, Some(newest)) = (all.len() > before, all.last())
            && let Some(total) = total(&fs::read_to_string(newest)?)
        {
            return Ok(total / f64::from(u32::try_from(requests)?));
        }
        left -= 1;
        if left == 0 {
            return Err("callgrind has written nothing".into());
        }
        crate::process::pause();
    }
}

fn control(what: &str, id: u32) -> Outcome<()> {
    let output = Command::new("callgrind_control").arg(what).arg(id.to_string()).output()?;
    if output.status.success() { Ok(()) } else { Err("callgrind_control has failed".into()) }
}

/// What a server has dumped, in the order of the dumps' numbers.
fn dumps(server: &Server, folder: &Path) -> Outcome<Vec<PathBuf>> {
    let prefix = format!("callgrind.{}.", server.process.id());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(number) = name.strip_prefix(&prefix).and_then(|it| it.parse::<u32>().ok()) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

fn total(dump: &str) -> Option<f64> {
    let line = dump.lines().rev().find_map(|line| line.strip_prefix("totals:"))?;
    line.trim().parse().ok()
}
