//! Every faulty mapping file reports its fault, in its line, and nothing that misleads.
//!
//! The files in `tests/mappings/broken` differ from a good one in one place; each name begins with
//! the code of its fault. What laws, examples and exchanges find (E402, E501, E502) belongs to
//! the dialogues: here those files only have to load. One of the good files looks groups up with
//! letter case, and is told so in any case (W306).

use std::path::{Path, PathBuf};

use scimbridge::mapping::diagnostic::Diagnostic;
use scimbridge::mapping::model::Mapping;

/// File, then what it reports: `code line:column`.
const EXPECTED: [(&str, &str); 27] = [
    // The text is the cause; that the value has the wrong type is what comes of it.
    ("E001_brace.yaml", "E001 54:7, E012 54:7"),
    ("E003_dup.yaml", "E003 40:7"),
    ("E010_unknown.yaml", "E010 37:44"),
    ("E011_missing.yaml", "E011 32:3"),
    ("E012_type.yaml", "E012 35:40"),
    ("E013_verbs.yaml", "E013 55:5"),
    ("E101_path.yaml", "E101 42:7"),
    ("E102_multi.yaml", "E102 67:7"),
    ("E111_expr.yaml", "E111 86:7, W306 145:7"),
    ("E112_filter.yaml", "E112 45:15"),
    ("E112_var.yaml", "E112 53:15"),
    ("E113_escape.yaml", "E113 88:7, W306 145:7"),
    ("E114_secret.yaml", "E114 54:48"),
    ("E115_config.yaml", "E115 52:37"),
    ("E202_attr.yaml", "E202 43:7"),
    ("E203_ns.yaml", "E203 59:7, W306 145:7"),
    ("E301_overlap.yaml", "E301 47:7, W306 145:7"),
    ("E304_uncarried.yaml", "E304 30:7"),
    ("E305_ref.yaml", "E305 82:9"),
    ("E306_only.yaml", "E306 45:61"),
    ("E309_filter.yaml", "E309 62:7"),
    ("E402_putget.yaml", "W306 145:7"),
    ("E501_example.yaml", ""),
    ("E502_test.yaml", ""),
    ("W302_map.yaml", "W302 30:7"),
    ("W303_noeq.yaml", "W303 58:5"),
    ("W304_pages.yaml", "W304 52:5"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mappings/broken")
}

fn report(name: &str) -> std::io::Result<Vec<Diagnostic>> {
    let text = std::fs::read_to_string(folder().join(name))?;
    Ok(match Mapping::load(&text) {
        Ok((_, warnings)) => warnings,
        Err(faults) => faults,
    })
}

#[test]
fn each_file_reports_its_fault_and_nothing_else() {
    for (name, expected) in EXPECTED {
        let found: Vec<String> = report(name)
            .expect("the file is there")
            .iter()
            .map(|fault| format!("{} {}:{}", fault.code, fault.line, fault.column))
            .collect();
        assert_eq!(found.join(", "), expected, "{name}");
    }
}

#[test]
fn every_file_is_expected() {
    let entries = std::fs::read_dir(folder()).expect("the folder is there");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("it can be listed").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let expected: Vec<&str> = EXPECTED.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, expected);
}

#[test]
fn faults_come_with_help() {
    for (name, help) in [
        ("E001_brace.yaml", "a value that begins with \"{\" must be quoted: \"{id}\""),
        ("E010_unknown.yaml", "did you mean \"mode\"?"),
        ("E112_filter.yaml", "did you mean \"lower\"?"),
        ("E112_var.yaml", "here: changed, config, id, native, now, old, request_id, scim"),
        ("E115_config.yaml", "did you mean \"domain\"?"),
        ("E202_attr.yaml", "did you mean \"name.familyName\"?"),
        ("E305_ref.yaml", "did you mean \"User\"?"),
        ("E306_only.yaml", "did you mean \"userType\"?"),
    ] {
        let faults = report(name).expect("the file is there");
        assert_eq!(faults.first().and_then(|fault| fault.help.as_deref()), Some(help), "{name}");
    }
}
