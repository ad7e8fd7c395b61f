//! Time: interleaved rounds with wrk.

use crate::operations::{self, Call, Operation};
use crate::report::{self, Sample};
use crate::servers::{self, Folder, Server, Speaks};
use crate::wrk;
use crate::{Options, Outcome};

/// Measures everything and prints the table.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    let folder = Folder::new()?;
    let stub = servers::stub()?;
    let mut all = vec![servers::pass(stub.port, &servers::plain)?];
    all.extend(servers::nginx(stub.port, &folder)?);
    all.push(servers::bridge(stub.port, options, &folder, &servers::plain)?);
    report::idle(&all);
    let is_wanted = |it: &&Operation| {
        options.only.is_empty() || options.only.iter().any(|name| name == it.name)
    };
    let mut samples = Vec::new();
    for round in 0..options.rounds {
        for operation in operations::ALL.iter().filter(is_wanted) {
            for connections in &options.connections {
                for server in &all {
                    let sample = measure(server, operation, *connections, options, &folder)?;
                    samples.push(sample);
                }
            }
        }
        report::progress(round + 1, options.rounds);
    }
    report::table(&samples);
    Ok(())
}

fn measure(
    server: &Server,
    operation: &'static Operation,
    connections: usize,
    options: &Options,
    folder: &Folder,
) -> Outcome<Sample> {
    let own: &[Call] = &[operation.scim];
    let (calls, for_one) = match server.speaks {
        Speaks::Scim => (own, 1),
        Speaks::Native => (operation.native, operation.native.len()),
    };
    let before = server.process.cpu()?;
    let load = wrk::drive(server.port, calls, connections, options.seconds, folder.path());
    let load = load.map_err(|error| format!("{}, {}: {error}", server.name, operation.name))?;
    let spent = server.process.cpu()?.saturating_sub(before);
    Ok(Sample {
        operation: operation.name,
        native: operation.native.len(),
        connections,
        server: server.name,
        load,
        // Of one operation: a proxy that does not look passes several calls on for it.
        cpu: spent.as_secs_f64() * 1e6 / count(load.requests) * small(for_one),
        for_one: small(for_one),
        memory: server.process.memory(),
    })
}

fn count(requests: u64) -> f64 {
    u32::try_from(requests).map_or(f64::MAX, f64::from).max(1.0)
}

fn small(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::MAX, f64::from)
}
