//! The load: wrk, from Debian's package of the same name.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Outcome;
use crate::operations::{Call, PEOPLE};
use crate::servers::TOKEN;

/// What one run of wrk tells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) requests: u64,
    /// Requests in a second.
    pub(crate) rate: f64,
    /// Microseconds.
    pub(crate) p50: f64,
    /// Microseconds.
    pub(crate) p99: f64,
}

/// Sends these calls about everybody, in turn, for some seconds.
pub(crate) fn drive(
    port: u16,
    calls: &[Call],
    connections: usize,
    seconds: u64,
    folder: &Path,
) -> Outcome<Load> {
    let script = folder.join("load.lua");
    fs::write(&script, lua(calls)?)?;
    let mut command = Command::new("wrk");
    command.args(["-t", "1", "-c", &connections.to_string(), "-d", &format!("{seconds}s")]);
    command.args(["--latency", "-s"]).arg(&script).arg(format!("http://127.0.0.1:{port}"));
    let output = command
        .output()
        .map_err(|error| format!("wrk: {error} (apt-get install wrk; brew install wrk)"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    read(&text).ok_or_else(|| format!("wrk says what is not understood:\n{text}").into())
}

fn lua(calls: &[Call]) -> Outcome<String> {
    let mut text = String::from("local made = {}\nlocal turn = 0\ninit = function(args)\n");
    for (number, call) in (1..=PEOPLE).flat_map(|number| calls.iter().map(move |it| (number, it))) {
        let (method, (target, body)) = (call.method, call.about(number));
        writeln!(
            text,
            "  made[#made + 1] = wrk.format('{method}', '{target}', {{ \
             ['Authorization'] = 'Bearer {TOKEN}', ['Content-Type'] = 'application/json' }}, [==[{body}]==])"
        )?;
    }
    text.push_str(
        "end\nrequest = function()\n  turn = turn % #made + 1\n  return made[turn]\nend\n",
    );
    Ok(text)
}

fn read(text: &str) -> Option<Load> {
    // Failures would be faster than answers.
    if text.contains("Non-2xx") || text.contains("Socket errors: connect") {
        return None;
    }
    let after = |name: &str| {
        let line = text.lines().find(|line| line.trim_start().starts_with(name))?;
        line.trim_start().strip_prefix(name)?.split_whitespace().next()
    };
    let requests = text.lines().find_map(|line| line.trim().split_once(" requests in"))?.0;
    Some(Load {
        requests: requests.parse().ok()?,
        rate: after("Requests/sec:")?.parse().ok()?,
        p50: microseconds(after("50%")?)?,
        p99: microseconds(after("99%")?)?,
    })
}

fn microseconds(text: &str) -> Option<f64> {
    let units = [("us", 1.0), ("ms", 1e3), ("s", 1e6)];
    let (unit, factor) = units.into_iter().find(|(unit, _)| text.ends_with(unit))?;
    Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * factor)
}
