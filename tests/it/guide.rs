//! The guide in docs/mapping.md runs: each of its steps is a file that loads and passes its tests,
//! and each piece of YAML that it shows stands in one of them.
#![cfg(test)]

use std::sync::Arc;

use scimbridge::dialogue::report;
use scimbridge::mapping::diagnostic::Severity;
use scimbridge::mapping::model::Mapping;

const GUIDE: &str = include_str!("../../docs/mapping.md");

const STEPS: [(&str, &str); 7] = [
    ("1-read.yaml", include_str!("../../docs/guide/1-read.yaml")),
    ("2-example.yaml", include_str!("../../docs/guide/2-example.yaml")),
    ("3-attributes.yaml", include_str!("../../docs/guide/3-attributes.yaml")),
    ("4-filters.yaml", include_str!("../../docs/guide/4-filters.yaml")),
    ("5-changes.yaml", include_str!("../../docs/guide/5-changes.yaml")),
    ("6-leaving.yaml", include_str!("../../docs/guide/6-leaving.yaml")),
    ("7-groups.yaml", include_str!("../../docs/guide/7-groups.yaml")),
];

#[tokio::test]
async fn each_step_is_a_file_that_passes_its_tests() {
    let mut played = 0;
    for (name, text) in STEPS {
        let (mapping, warnings) = Mapping::load(text).unwrap();
        let codes: Vec<&str> = warnings.iter().map(|warning| warning.code).collect();
        // The guide says so: until step 4 nobody can be looked up by name.
        let expected: &[&str] = if name < "4" { &["W303"] } else { &[] };
        assert_eq!(codes, expected, "{name}");
        let report = report::run(&Arc::new(mapping)).await;
        let faults: Vec<String> = report
            .diagnostics
            .iter()
            .filter(|found| found.severity == Severity::Error)
            .map(|found| found.render(name))
            .collect();
        assert_eq!(faults, Vec::<String>::new());
        assert_eq!(report.passed, report.tests, "{name}");
        played += report.tests;
    }
    assert_eq!(played, 32);
}

#[test]
fn what_the_guide_shows_stands_in_a_step() {
    let shown: Vec<&str> = GUIDE
        .split("```yaml\n")
        .skip(1)
        .map(|block| block.split_once("```").unwrap().0)
        .collect();
    assert!(shown.len() > 8, "{}", shown.len());
    for block in shown {
        let holds = |text: &str| block.lines().all(|line| text.lines().any(|other| other == line));
        assert!(STEPS.iter().any(|(_, text)| holds(text)), "in no step:\n{block}");
    }
}
