//! What the process itself uses, under the names that every exporter gives it. On systems without
//! `/proc` these are left out.

use std::fs;
use std::path::Path;

use jiff::Timestamp;

use crate::clock::{Clock as _, SystemClock};

/// The size of a page on the systems that the bridge is built for.
const PAGE_BYTES: u64 = 4096;

/// When the process began to serve.
#[derive(Debug)]
pub(crate) struct Process {
    began: Timestamp,
}

/// A look at the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Memory in use, in bytes.
    pub(crate) resident: u64,
    /// Open files and connections.
    pub(crate) open_files: u64,
    /// Threads.
    pub(crate) threads: u64,
}

impl Process {
    /// Begins now.
    pub(crate) fn new() -> Self {
        Self { began: SystemClock.now() }
    }

    /// Seconds since 1970.
    pub(crate) fn began(&self) -> f64 {
        self.began.as_duration().as_secs_f64()
    }

    /// What it uses now.
    pub(crate) fn usage() -> Option<Usage> {
        usage(Path::new("/proc/self"))
    }
}

fn usage(folder: &Path) -> Option<Usage> {
    let memory = fs::read_to_string(folder.join("statm")).ok()?;
    let resident = memory.split(' ').nth(1)?.parse::<u64>().ok()?.checked_mul(PAGE_BYTES)?;
    let entries = |name: &str| Some(fs::read_dir(folder.join(name)).ok()?.count() as u64);
    Some(Usage { resident, open_files: entries("fd")?, threads: entries("task")? })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::console::process::usage;

    #[test]
    fn a_process_uses_something() {
        let seen = usage(Path::new("/proc/self")).unwrap();
        assert!(seen.resident > 1_000_000 && seen.open_files > 2 && seen.threads > 0, "{seen:?}");
        assert_eq!(usage(Path::new("/nowhere")), None);
    }
}
