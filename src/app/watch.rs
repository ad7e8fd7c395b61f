//! The files that a configuration is made of, watched by their content.
//!
//! They are looked at every now and then instead of being subscribed to: that way renames, links
//! that are turned to another folder (as Kubernetes mounts secrets) and network file systems are
//! all alike. A file is read again only when its size, times or identity have changed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use crate::clock::Clock;

/// The contents of files at one moment, as hashes; `None` for a file that cannot be read.
pub type Prints = BTreeMap<PathBuf, Option<[u8; 32]>>;

/// How long after its last change a file is read at every look: the clock of a file system may
/// give two changes one time.
const SETTLED_SECONDS: i64 = 5;

/// What is known of files.
pub struct Watch {
    clock: Arc<dyn Clock>,
    known: Mutex<BTreeMap<PathBuf, Glance>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Glance {
    stat: Stat,
    print: Option<[u8; 32]>,
}

/// What changes when a file does: device, number, size, and times with their nanoseconds.
type Stat = (u64, u64, u64, (i64, i64), (i64, i64));

impl Watch {
    /// Nothing is known yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, known: Mutex::default() }
    }

    /// Looks at these files; those of before that are not among them are forgotten.
    pub fn look(&self, files: &[PathBuf]) -> Prints {
        let now = self.clock.now().as_second();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seen = BTreeMap::new();
        for path in files {
            if let Some(glance) = glance(path, known.get(path), now) {
                seen.insert(path.clone(), glance);
            }
        }
        *known = seen;
        let print = |path: &PathBuf| known.get(path).and_then(|glance| glance.print);
        files.iter().map(|path| (path.clone(), print(path))).collect()
    }
}

fn glance(path: &Path, before: Option<&Glance>, now: i64) -> Option<Glance> {
    let found = fs::metadata(path).ok()?;
    let changed = (found.ctime(), found.ctime_nsec());
    let modified = (found.mtime(), found.mtime_nsec());
    let stat = (found.dev(), found.ino(), found.size(), modified, changed);
    let is_settled = now.saturating_sub(changed.0) > SETTLED_SECONDS;
    if let Some(before) = before.filter(|before| is_settled && before.stat == stat) {
        return Some(before.clone());
    }
    let print = fs::read(path).ok().map(|content| Sha256::digest(content).into());
    Some(Glance { stat, print })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::sync::Arc;

    use crate::app::watch::Watch;
    use crate::clock::SystemClock;

    #[test]
    fn a_file_is_known_by_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        let files = [file.clone()];
        let watch = Watch::new(Arc::new(SystemClock));
        let absent = watch.look(&files);
        fs::write(&file, "one").unwrap();
        let one = watch.look(&files);
        assert_ne!(absent, one);
        fs::write(&file, "two").unwrap();
        assert_ne!(watch.look(&files), one);
        fs::write(folder.path().join("other"), "one").unwrap();
        fs::rename(folder.path().join("other"), &file).unwrap();
        assert_eq!(watch.look(&files), one);
        fs::remove_file(&file).unwrap();
        assert_eq!(watch.look(&files), absent);
    }

    #[test]
    fn a_link_that_is_turned_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (name, text) in [("a", "one"), ("b", "two")] {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join("secret"), text).unwrap();
        }
        symlink(at("a"), at("data")).unwrap();
        let files = [at("data").join("secret")];
        let watch = Watch::new(Arc::new(SystemClock));
        let before = watch.look(&files);
        symlink(at("b"), at("turned")).unwrap();
        fs::rename(at("turned"), at("data")).unwrap();
        assert_ne!(watch.look(&files), before);
    }
}
