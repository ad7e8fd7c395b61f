//! Rules of the house that no compiler checks: floors, doors, faces, circles, sizes.
//!
//! Every test judges the whole tree and lists all offenders. The rules look at code only: tests,
//! comments and blank lines are taken out first. `CONTRIBUTING.md` says what the rules are for.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Rooms from the ground up. A room imports from itself and from the floors before its own.
const FLOORS: &[&[&str]] = &[
    &["clock", "current", "id", "secret"],
    &["watch"],
    &["native", "scim"],
    &["mapping"],
    &["convert"],
    &["sidecar"],
    &["audit", "guard"],
    &["auth"],
    &["exchange"],
    &["dialogue"],
    &["store"],
    &["upstream"],
    &["console"],
    &["gateway"],
    &["config"],
    &["app"],
    &["cli"],
];

/// Rooms that turn values into values.
const PURE: &[&str] = &["native", "scim", "mapping", "convert"];

/// What such rooms do not name.
const IMPURE: &[&str] = &[
    "async",
    "await",
    "tokio",
    "pingora",
    "reqwest",
    "sqlx",
    "axum",
    "std::fs",
    "std::net",
    "std::env",
    "std::thread",
    "time::SystemTime",
    "time::Instant",
    "Timestamp::now",
];

/// Something outer, and the one room that may name it.
const DOORS: &[(&str, &str)] = &[
    ("pingora", "gateway"),
    ("reqwest", "upstream"),
    ("hyper_util", "upstream"),
    ("hyper_rustls", "upstream"),
    ("http_body_util", "upstream"),
    ("tower_service", "upstream"),
    ("sqlx", "store"),
    ("axum", "console"),
    ("prometheus_client", "console"),
    ("opentelemetry", "upstream"),
    ("opentelemetry_http", "upstream"),
    ("opentelemetry_otlp", "upstream"),
    ("opentelemetry_sdk", "upstream"),
    ("figment", "config"),
    ("legacy_app", "app"),
    ("clap", "cli"),
    ("clap_complete", "cli"),
    ("clap_mangen", "cli"),
    ("miette", "cli"),
    ("println", "cli"),
    ("eprintln", "cli"),
    ("env::var", "config"),
    ("granit_parser", "mapping"),
    ("minijinja", "mapping"),
    ("jsonpath_rust", "native"),
];

/// The wall: most lines of code in one file.
const LONGEST: usize = 500;

#[test]
fn imports_point_down() {
    let house = House::read();
    let mut offences = Vec::new();
    for source in &house.sources {
        let Some(here) = floor(&source.room) else {
            offences.push(format!("{}: {:?} has no floor in FLOORS", source.path, source.room));
            continue;
        };
        for path in source.paths() {
            let there = path.first().cloned().unwrap_or_default();
            if there != source.room && floor(&there).is_none_or(|there| there >= here) {
                let path = path.join("::");
                offences.push(format!("{}: {} may not use {path}", source.path, source.room));
            }
        }
    }
    report(&offences);
}

/// Otherwise the other tests could not see every import.
#[test]
fn imports_are_spelled_from_the_root() {
    report(&offending_lines(|_, line| line.contains("super::") || line.contains("use self::")));
}

/// The face of a folder may be named by its own room's other files; everybody else names the file
/// that a thing lives in. A face that its own files cannot name closes no circle.
#[test]
fn things_are_named_by_their_file() {
    let house = House::read();
    let mut offences = Vec::new();
    for source in &house.sources {
        for path in source.paths() {
            let text = path.join("::");
            let Some(home) = house.home(&path) else {
                offences.push(format!("{}: crate::{text} is in no file", source.path));
                continue;
            };
            let is_room = home.module == home.room;
            let lies_within = source.module.starts_with(&format!("{}::", home.module));
            if home.is_face && (home.room != source.room || is_room || lies_within) {
                offences.push(format!("{}: crate::{text} goes through a face", source.path));
            }
        }
    }
    report(&offences);
}

#[test]
fn files_of_a_room_form_no_circle() {
    let house = House::read();
    let mut uses: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for source in &house.sources {
        let targets = source.paths().into_iter().filter_map(|path| house.home(&path));
        let own = targets.filter(|home| home.room == source.room && home.path != source.path);
        uses.entry(&source.path).or_default().extend(own.map(|home| home.path.as_str()));
        // Whoever names a face gets all that is behind it.
        let inner = house.sources.iter().filter(|inner| source.is_face_of(inner));
        uses.entry(&source.path).or_default().extend(inner.map(|inner| inner.path.as_str()));
    }
    let offences: Vec<String> =
        circles(&uses).into_iter().map(|files| files.join(" <-> ")).collect();
    report(&offences);
}

#[test]
fn pure_rooms_only_compute() {
    report(&offending_lines(|source, line| {
        PURE.contains(&source.room.as_str()) && IMPURE.iter().any(|word| names(line, word))
    }));
}

#[test]
fn each_outer_thing_has_one_door() {
    report(&offending_lines(|source, line| {
        DOORS.iter().any(|(word, door)| source.room != *door && names(line, word))
    }));
}

#[test]
fn files_stay_readable() {
    let too_long = |source: &Source| {
        let lines = source.code.lines().count();
        (lines > LONGEST).then(|| format!("{}: {lines} lines of code", source.path))
    };
    report(&House::read().sources.iter().filter_map(too_long).collect::<Vec<_>>());
}

#[test]
fn files_say_what_lives_in_them() {
    let is_silent = |source: &&Source| !source.opens_with_a_story;
    let house = House::read();
    let silent = house.sources.iter().filter(is_silent);
    report(&silent.map(|source| format!("{}: no //! at its top", source.path)).collect::<Vec<_>>());
}

#[test]
fn the_rules_see_what_they_look_for() {
    let code = "use crate::scim::{attr::AttrPath, filter::{ast::Filter as F, self}, urn};\n\
                pub(in crate::auth) fn f(x: crate::id::Id<crate::clock::Clock>) {}\n";
    let expected = [
        "scim::attr::AttrPath",
        "scim::filter::ast::Filter",
        "scim::filter",
        "scim::urn",
        "id::Id",
        "clock::Clock",
    ];
    assert_eq!(crate_paths(code).iter().map(|path| path.join("::")).collect::<Vec<_>>(), expected);

    assert!(names("use sqlx::Row;", "sqlx") && names("x.await?", "await"));
    assert!(!names("self.overclaps()", "clap") && !names("let axums = 1;", "axum"));

    let text =
        "//! Story.\n/// Doc.\nfn a() {} // why\n\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n";
    assert_eq!(code_of(text), "fn a() {}\n");

    let uses = [("a", vec!["b"]), ("b", vec!["c"]), ("c", vec!["b"]), ("d", vec!["a"])];
    let uses = uses.into_iter().map(|(file, used)| (file, used.into_iter().collect())).collect();
    assert_eq!(circles(&uses), [["b", "c"]]);
}

/// The tree under `src`, tests and `lib.rs` left out.
struct House {
    sources: Vec<Source>,
}

struct Source {
    /// Relative to `src`, as in `scim/filter/ast.rs`.
    path: String,
    /// As in `scim::filter::ast`; a face is its folder's module.
    module: String,
    /// The first segment of `module`.
    room: String,
    is_face: bool,
    opens_with_a_story: bool,
    /// The text without tests, comments and blank lines.
    code: String,
}

impl House {
    fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut sources = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let inside = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|ending| ending == "rs")
                    && !is_exempt(&inside)
                {
                    sources.push(Source::new(inside, &fs::read_to_string(&path).unwrap()));
                }
            }
        }
        sources.sort_by(|one, other| one.path.cmp(&other.path));
        Self { sources }
    }

    /// The file that a path below `crate` leads to.
    fn home(&self, path: &[String]) -> Option<&Source> {
        (1..=path.len()).rev().find_map(|length| {
            let module = path.get(..length)?.join("::");
            self.sources.iter().find(|source| source.module == module)
        })
    }
}

/// `lib.rs` and `main.rs` stand outside the floors; a `tests.rs` is compiled for tests only.
fn is_exempt(path: &str) -> bool {
    matches!(path, "lib.rs" | "main.rs") || path.ends_with("/tests.rs")
}

impl Source {
    fn new(path: String, text: &str) -> Self {
        let stem = path.trim_end_matches(".rs");
        let is_face = stem.ends_with("/mod");
        let module = stem.trim_end_matches("/mod").replace('/', "::");
        Self {
            room: module.split("::").next().unwrap_or_default().to_owned(),
            is_face,
            opens_with_a_story: text.starts_with("//!"),
            code: code_of(text),
            module,
            path,
        }
    }

    /// Every path below `crate` that the code names.
    fn paths(&self) -> Vec<Vec<String>> {
        crate_paths(&self.code)
    }

    fn is_face_of(&self, other: &Self) -> bool {
        let outer = other.module.rsplit_once("::").map(|(outer, _)| outer);
        self.is_face && outer == Some(self.module.as_str())
    }
}

fn code_of(text: &str) -> String {
    let production = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = production.lines().map(|line| line.split(" // ").next().unwrap_or_default().trim());
    lines
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
        .fold(String::new(), |code, line| code + line + "\n")
}

/// Where a visibility such as `pub(in crate::auth)` stands nothing is used.
fn crate_paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (at, root) in code.match_indices("crate::") {
        let (before, rest) = code.split_at(at);
        if !before.ends_with("(in ") && !before.ends_with(is_part_of_name) {
            tree(rest.strip_prefix(root).unwrap_or_default(), &[], &mut found);
        }
    }
    found
}

/// Reads `a::b`, or `a::{b, c::d}`, and gives what follows.
fn tree<'t>(text: &'t str, outer: &[String], found: &mut Vec<Vec<String>>) -> &'t str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start_matches(|character: char| {
                character == ',' || character.is_whitespace()
            });
            if rest.is_empty() {
                return rest;
            }
            if let Some(after) = rest.strip_prefix('}') {
                return after;
            }
            let after = tree(rest, outer, found);
            // Behind a path stands at most `as name`.
            rest = after.trim_start_matches(|character| !matches!(character, ',' | '}'));
        }
    }
    let end = text.find(|character| !is_part_of_name(character)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let mut path = outer.to_vec();
    if name != "self" {
        path.push(if name.is_empty() { "*".to_owned() } else { name.to_owned() });
    }
    match rest.strip_prefix("::") {
        // A turbofish ends the path.
        Some(inner) if !inner.starts_with('<') => tree(inner, &path, found),
        _ => {
            found.push(path);
            rest
        }
    }
}

fn is_part_of_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Whether the word stands in the line on its own.
fn names(line: &str, word: &str) -> bool {
    let mut parts = line.split(word);
    let mut before = parts.next().unwrap_or_default();
    parts.any(|after| {
        let before = std::mem::replace(&mut before, after);
        !before.ends_with(is_part_of_name) && !after.starts_with(is_part_of_name)
    })
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// Groups of files each of which can be reached from every other.
fn circles<'f>(uses: &BTreeMap<&'f str, BTreeSet<&'f str>>) -> Vec<Vec<&'f str>> {
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        uses.keys().map(|file| (*file, reachable(uses, file))).collect();
    let reaches = |from: &str, to: &str| reach.get(from).is_some_and(|files| files.contains(to));
    let mut groups = BTreeSet::new();
    for file in uses.keys().filter(|file| reaches(file, file)) {
        let group = uses.keys().filter(|other| reaches(file, other) && reaches(other, file));
        groups.insert(group.copied().collect::<Vec<_>>());
    }
    groups.into_iter().collect()
}

fn reachable<'f>(uses: &BTreeMap<&'f str, BTreeSet<&'f str>>, from: &str) -> BTreeSet<&'f str> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&str> = vec![from];
    while let Some(file) = open.pop() {
        let next = uses.get(file).into_iter().flatten().filter(|next| found.insert(**next));
        open.extend(next.copied().collect::<Vec<_>>());
    }
    found
}

fn offending_lines(is_offence: impl Fn(&Source, &str) -> bool) -> Vec<String> {
    let mut offences = Vec::new();
    for source in &House::read().sources {
        let lines = source.code.lines().filter(|line| is_offence(source, line));
        offences.extend(lines.map(|line| format!("{}: {line}", source.path)));
    }
    offences
}

#[track_caller]
fn report(offences: &[String]) {
    assert!(offences.is_empty(), "{} offences:\n  {}", offences.len(), offences.join("\n  "));
}
