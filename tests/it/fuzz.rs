//! The laws of foreign bytes (`fuzz/src/laws.rs`) on bytes that are nearly right: what the tests
//! hold, with small changes at random. libFuzzer does the same with more cunning, where it is
//! there; this needs nothing but the toolchain.
//!
//! Usually a fixed number of tries, always the same. With `SCIMBRIDGE_FUZZ_SECONDS` each target
//! runs for that long from another beginning, or from `SCIMBRIDGE_FUZZ_SEED`, and tells how far it
//! came.
#![cfg(test)]

use std::collections::hash_map::RandomState;
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, Hasher as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

#[path = "../../fuzz/src/laws.rs"]
#[expect(unreachable_pub, reason = "the fuzzing crate uses them from outside")]
mod laws;

/// What mutations put in: what the formats are made of, and what has surprised parsers before.
const WORDS: [&str; 40] = [
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    ":",
    ",",
    ".",
    "null",
    "true",
    "-1",
    "1e999",
    "18446744073709551616",
    "0.1",
    " and ",
    " or ",
    "not (",
    " eq ",
    " pr",
    " co \"",
    "emails[type eq \"work\"]",
    "urn:ietf:params:scim:schemas:core:2.0:User:",
    "$.",
    "{id}",
    "&a",
    "*a",
    "<<",
    "|",
    "\n  ",
    "\t",
    "\u{0}",
    "é",
    "\u{1F600}",
    "\u{202e}",
    "%2F..%2F",
];

/// Largest input; what is longer is refused by length before it is read.
const LONGEST: usize = 64 * 1024;

/// `SplitMix64`: the same numbers for the same beginning.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 when there is none.
    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap();
        usize::try_from(self.next() % end).unwrap()
    }
}

fn mutated(seeds: &[Vec<u8>], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = seeds[numbers.below(seeds.len())].clone();
    for _ in 0..=numbers.below(6) {
        let at = numbers.below(bytes.len() + 1);
        let length = numbers.below((bytes.len() - at + 1).min(24));
        let range = at..at + length;
        match numbers.below(8) {
            0 => drop(bytes.drain(range)),
            1 => bytes.insert(at, u8::try_from(numbers.below(256)).unwrap()),
            2 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
            3 => {
                let copy = bytes[range].to_vec();
                let to = numbers.below(bytes.len() + 1);
                drop(bytes.splice(to..to, copy));
            }
            4 => {
                let other = &seeds[numbers.below(seeds.len())];
                let from = numbers.below(other.len() + 1);
                let end = (from + numbers.below(200)).min(other.len());
                drop(bytes.splice(range, other[from..end].to_vec()));
            }
            5 => {
                let repeated = WORDS[numbers.below(WORDS.len())].repeat(1 + numbers.below(300));
                drop(bytes.splice(at..at, repeated.into_bytes()));
            }
            _ => drop(bytes.splice(range, WORDS[numbers.below(WORDS.len())].bytes())),
        }
        bytes.truncate(LONGEST);
    }
    bytes
}

/// How long a target runs.
enum Effort {
    Tries(u64),
    Time(Duration),
}

#[expect(clippy::disallowed_methods, reason = "a test asks how long it may take")]
fn effort(usual: u64) -> Effort {
    let seconds = std::env::var("SCIMBRIDGE_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    seconds.map_or(Effort::Tries(usual), |seconds| Effort::Time(Duration::from_secs(seconds)))
}

#[expect(clippy::disallowed_methods, reason = "a test asks where it is to begin")]
fn chosen_seed() -> Option<u64> {
    let text = std::env::var("SCIMBRIDGE_FUZZ_SEED").ok()?;
    Some(text.parse().expect("SCIMBRIDGE_FUZZ_SEED is a number"))
}

/// Holds a target to its law, first on the seeds as they are.
fn hold(name: &str, law: fn(&[u8]), seeds: &[Vec<u8>], usual: u64) {
    assert!(seeds.len() > 3, "{name} has no seeds");
    for seed in seeds {
        obey(name, law, seed);
    }
    let effort = effort(usual);
    let beginning = match effort {
        Effort::Tries(_) => 7,
        Effort::Time(_) => {
            chosen_seed().unwrap_or_else(|| RandomState::new().build_hasher().finish())
        }
    };
    let (begun, mut tries, mut numbers) = (Instant::now(), 0, Numbers(beginning));
    let goes_on = |tries: u64| match effort {
        Effort::Tries(most) => tries < most,
        Effort::Time(most) => begun.elapsed() < most,
    };
    while goes_on(tries) {
        obey(name, law, &mutated(seeds, &mut numbers));
        tries += 1;
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("fuzz {name}: {tries} executions in {seconds:.1} s from {beginning:#x}, no failure");
}

fn obey(name: &str, law: fn(&[u8]), input: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| law(input))) {
        let told = panic.downcast_ref::<String>().map(String::as_str);
        let told = told.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("?");
        let input = input.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{}", byte.escape_ascii()).unwrap();
            text
        });
        panic!("{name}: {told}\nfor b\"{input}\"");
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn vectors(file: &str) -> Vec<Value> {
    let path = root().join("tests/vectors").join(file);
    let document: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    document["vectors"].as_array().unwrap().clone()
}

/// The files of a folder with this ending, in the order of their names.
fn files(folder: &str, ending: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = std::fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|known| known == ending))
        .collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// The requests that identity providers are known to send, as the law reads them.
fn requests() -> Vec<Vec<u8>> {
    fn walk(value: &Value, found: &mut Vec<Vec<u8>>) {
        match value {
            Value::Object(members) => {
                let text = |name: &str| members.get(name).and_then(Value::as_str);
                if let (Some(method), Some(path)) = (text("method"), text("path")) {
                    let body = members.get("body").filter(|body| !body.is_null());
                    let body = body.map(Value::to_string).unwrap_or_default();
                    found.push(format!("{method} {path}\n{body}").into_bytes());
                }
                members.values().for_each(|inner| walk(inner, found));
            }
            Value::Array(items) => items.iter().for_each(|inner| walk(inner, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    for folder in ["entra", "okta", "generic", "authentik"] {
        for file in files(&format!("tests/corpus/{folder}"), "json") {
            walk(&serde_json::from_slice(&file).unwrap(), &mut found);
        }
    }
    found
}

#[test]
fn filter() {
    let text = |vector: &Value| Some(vector["filter"].as_str()?.as_bytes().to_vec());
    let seeds: Vec<_> = vectors("filters.json").iter().filter_map(text).collect();
    hold("filter", laws::filter, &seeds, 3_000);
}

#[test]
fn patch() {
    let text = |vector: &Value| vector["patch"].to_string().into_bytes();
    let seeds: Vec<_> = vectors("patch.json").iter().map(text).collect();
    hold("patch", laws::patch, &seeds, 2_000);
}

#[test]
fn mapping() {
    let folders = ["mappings", "tests/dialogues", "tests/mappings/broken", "docs/guide"];
    let seeds: Vec<_> = folders.iter().flat_map(|folder| files(folder, "yaml")).collect();
    // The shipped files take a while each, and their beginnings are alike.
    let seeds: Vec<_> = seeds.into_iter().filter(|seed| seed.len() < 6_000).collect();
    hold("mapping", laws::mapping, &seeds, 200);
}

#[test]
fn request() {
    hold("request", laws::request, &requests(), 500);
}

#[test]
fn answer() {
    let body = |vector: &Value| format!("\0\0{}", vector["resource"]).into_bytes();
    let mut seeds: Vec<_> = vectors("patch.json").iter().map(body).collect();
    let list =
        r#"[{"id":"7","login":"ada","title":"Chief","disabled":false,"name":{"first":"A"}}]"#;
    for text in
        ["", "[]", "null", "{\"error\":\"taken\"}", "<html>", list, list.trim_matches(['[', ']'])]
    {
        for status in ["\0\0", "\0\x01", "\0\x68", "\0\u{7f}"] {
            seeds.push(format!("{status}{text}").into_bytes());
        }
    }
    hold("answer", laws::answer, &seeds, 200);
}
