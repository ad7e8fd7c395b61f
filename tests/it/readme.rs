//! What README.md shows is true: its mapping file loads, answers as the table beside it says, and
//! the fault it quotes is told in those words.
#![cfg(test)]

use std::sync::Arc;

use scimbridge::dialogue::report;
use scimbridge::mapping::model::Mapping;

const README: &str = include_str!("../../README.md");
const TESTS: &str = include_str!("../readme.tests.yaml");

fn mapping_file() -> &'static str {
    let (_, rest) = README.split_once("```yaml\n").unwrap();
    rest.split_once("```").unwrap().0
}

#[tokio::test]
async fn the_mapping_file_does_what_the_table_says() {
    let (mapping, warnings) = Mapping::load(&format!("{}{TESTS}", mapping_file())).unwrap();
    assert_eq!(warnings, []);
    let report = report::run(&Arc::new(mapping)).await;
    assert_eq!((report.diagnostics, report.passed), (vec![], 5));
}

#[test]
fn the_quoted_fault_is_told_in_these_words() {
    let broken = mapping_file().replace("name.givenName", "name.gvenName");
    let faults = Mapping::load(&broken).unwrap_err();
    let [fault] = faults.as_slice() else { panic!("{faults:?}") };
    assert!(
        README.contains(&fault.render("mappings/people.yaml")),
        "{}",
        fault.render("mappings/people.yaml")
    );
}

#[test]
fn it_stays_short() {
    assert!(README.lines().count() <= 200);
}
