//! The tables, in Markdown.

use std::collections::BTreeMap;
use std::fs;

use crate::servers::Server;
use crate::wrk::Load;

/// One measurement.
pub(crate) struct Sample {
    pub(crate) operation: &'static str,
    /// Native calls of one operation.
    pub(crate) native: usize,
    pub(crate) connections: usize,
    pub(crate) server: &'static str,
    pub(crate) load: Load,
    /// Microseconds of CPU for one operation, user and system.
    pub(crate) cpu: f64,
    /// Requests that stand for one operation here.
    pub(crate) for_one: f64,
    /// KB.
    pub(crate) memory: u64,
}

/// What the servers cost before anybody asks them.
pub(crate) fn idle(servers: &[Server]) {
    println!("\n{}\n", machine());
    println!("| server | ready after | RSS idle |\n|---|---:|---:|");
    for server in servers {
        let (ready, memory) = (server.ready.as_millis(), server.process.memory());
        println!("| {} | {ready} ms | {:.1} MB |", server.name, megabytes(memory));
    }
}

/// Says on the side how far the run has come.
pub(crate) fn progress(round: usize, of: usize) {
    eprintln!("round {round} of {of}");
}

/// Medians over the rounds. Ratios are taken round by round, and shown with their spread.
pub(crate) fn table(samples: &[Sample]) {
    let mut rows: BTreeMap<(usize, usize), Vec<&Sample>> = BTreeMap::new();
    let mut order: Vec<&str> = Vec::new();
    for sample in samples {
        let known = order.iter().position(|name| *name == sample.operation);
        let place = known.unwrap_or(order.len());
        if known.is_none() {
            order.push(sample.operation);
        }
        rows.entry((place, sample.connections)).or_default().push(sample);
    }
    println!(
        "\n| operation | native calls | connections | server | operations/s | p50 µs | p99 µs \
         | CPU µs | CPU to pingora's | throughput to pingora's | RSS |\n\
         |---|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|"
    );
    for row in rows.values() {
        let of = |server: &str| -> Vec<&Sample> {
            row.iter().filter(|sample| sample.server == server).copied().collect()
        };
        let pass = of("pingora");
        for server in ["pingora", "nginx", "bridge"] {
            let own = of(server);
            let Some(first) = own.first() else { continue };
            let middle =
                |value: fn(&Sample) -> f64| median(own.iter().map(|it| value(it)).collect());
            let ratio = |value: fn(&Sample) -> f64| {
                spread(own.iter().zip(&pass).map(|(own, pass)| value(own) / value(pass)).collect())
            };
            println!(
                "| {} | {} | {} | {server} | {:.0} | {:.0} | {:.0} | {:.1} | {} | {} | {:.1} MB |",
                first.operation,
                first.native,
                first.connections,
                middle(operations),
                middle(|it| it.load.p50 * it.for_one),
                middle(|it| it.load.p99 * it.for_one),
                middle(|it| it.cpu),
                ratio(|it| it.cpu),
                ratio(operations),
                own.iter().map(|it| megabytes(it.memory)).fold(0.0, f64::max),
            );
        }
    }
}

fn operations(sample: &Sample) -> f64 {
    sample.load.rate / sample.for_one
}

/// What it runs on, in one line.
pub(crate) fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    format!("{cores} × {}; load average at the start {load}", model.map_or("?", |(_, name)| name))
}

fn megabytes(kilobytes: u64) -> f64 {
    f64::from(u32::try_from(kilobytes).unwrap_or(u32::MAX)) / 1024.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn spread(values: Vec<f64>) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    format!("{:.2} ({least:.2}–{most:.2})", median(values))
}
