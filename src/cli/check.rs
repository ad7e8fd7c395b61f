//! `scimbridge check`.

use std::path::Path;
use std::process::ExitCode;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource};
use serde_json::{Value, json};

use crate::cli::arguments::{Check, Format};
use crate::cli::output;
use crate::dialogue::inquiry::{self, Findings, Question};
use crate::dialogue::{classes, explain};
use crate::mapping::diagnostic::{Diagnostic, Severity};

/// What came of a file, from the best to the worst: the exit code is that of the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Fine,
    Faulty,
    Unreadable,
}

impl Outcome {
    fn exit_code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Fine => 0,
            Self::Faulty => 1,
            Self::Unreadable => 2,
        })
    }
}

pub(crate) async fn run(options: &Check) -> ExitCode {
    let mut worst = Outcome::Fine;
    let mut files: Vec<Value> = Vec::new();
    for file in &options.files {
        let name = file.display().to_string();
        let Some(text) = read(file, &name) else {
            worst = worst.max(Outcome::Unreadable);
            continue;
        };
        let findings = inquiry::look(&text, &questions(options)).await;
        worst = worst.max(judge(options, &findings));
        match options.format() {
            Format::Json => files.push(findings.to_json(&name)),
            format @ (Format::Pretty | Format::Brief) => show(&findings, &name, &text, format),
        }
    }
    if options.format() == Format::Json {
        output::line(&json!({ "files": files }).to_string());
    }
    worst.exit_code()
}

fn read(file: &Path, name: &str) -> Option<String> {
    match std::fs::read_to_string(file) {
        Ok(text) => Some(text),
        Err(error) => {
            output::note(&format!("error: {name}: {error}"));
            None
        }
    }
}

fn questions(options: &Check) -> Vec<Question> {
    let asked = [
        (options.classes, Question::Classes),
        (options.explain, Question::Filters),
        (options.mutate, Question::Mutation),
    ];
    asked.into_iter().filter(|(is_asked, _)| *is_asked).map(|(_, question)| question).collect()
}

fn judge(options: &Check, findings: &Findings) -> Outcome {
    let is_too_blind = findings
        .mutation
        .as_ref()
        .zip(options.mutate_min)
        .is_some_and(|(mutation, least)| mutation.percent() < usize::from(least));
    if findings.count(Severity::Error) > 0 || is_too_blind {
        Outcome::Faulty
    } else {
        Outcome::Fine
    }
}

fn show(findings: &Findings, name: &str, text: &str, format: Format) {
    for diagnostic in &findings.diagnostics {
        let shown = match format {
            Format::Pretty => excerpt(diagnostic, name, text),
            Format::Brief | Format::Json => diagnostic.render(name),
        };
        output::line(&shown);
    }
    if let Some(lines) = &findings.classes {
        table(&class_rows(lines));
    }
    if let Some(lines) = &findings.filters {
        table(&filter_rows(lines));
    }
    if let Some(mutation) = &findings.mutation {
        let (caught, total, percent) = (mutation.caught, mutation.total, mutation.percent());
        output::line(&format!(
            "{name}: tests notice {caught} of {total} small faults, {percent} %"
        ));
    }
    output::line(&format!("{name}: {}", summary(findings)));
}

fn summary(findings: &Findings) -> String {
    let errors = findings.count(Severity::Error);
    let warnings = findings.count(Severity::Warning);
    let infos = findings.count(Severity::Info);
    let infos = if infos == 0 { String::new() } else { format!(", {infos} infos") };
    let played = findings.played.map_or_else(
        || "not loaded, so no test was played".to_owned(),
        |played| {
            let (passed, tests, examples) = (played.passed, played.tests, played.examples);
            format!("{passed} of {tests} tests passed, {examples} examples")
        },
    );
    format!("{errors} errors, {warnings} warnings{infos}; {played}")
}

fn class_rows(lines: &[classes::Line]) -> Vec<Vec<&str>> {
    let mut rows = Vec::with_capacity(lines.len());
    for classes::Line { resource, path, chain, class, direction } in lines {
        rows.push(vec![resource.as_str(), path, chain, *direction, class]);
    }
    rows
}

fn filter_rows(lines: &[explain::Line]) -> Vec<Vec<&str>> {
    let mut rows = Vec::with_capacity(lines.len());
    for explain::Line { resource, filter, answer, by } in lines {
        rows.push(vec![resource.as_str(), filter, answer.name(), by]);
    }
    rows
}

/// Prints rows with their columns one below the other.
fn table(rows: &[Vec<&str>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        output::line(cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

/// The diagnostic with the line it speaks of.
fn excerpt(diagnostic: &Diagnostic, name: &str, text: &str) -> String {
    let start = offset(text, diagnostic.line, diagnostic.column);
    let rest = text.get(start..).unwrap_or_default();
    let length = rest.find('\n').unwrap_or(rest.len());
    let severity = match diagnostic.severity {
        Severity::Error => miette::Severity::Error,
        Severity::Warning => miette::Severity::Warning,
        Severity::Info => miette::Severity::Advice,
    };
    let mut shown = MietteDiagnostic::new(diagnostic.message.clone())
        .with_code(diagnostic.code)
        .with_severity(severity)
        .with_label(LabeledSpan::new_with_span(None, (start, length)));
    if let Some(help) = &diagnostic.help {
        shown = shown.with_help(help.clone());
    }
    let shown = miette::Report::new(shown)
        .with_source_code(NamedSource::new(name, text.to_owned()).with_language("yaml"));
    let mut drawn = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
    match handler.render_report(&mut drawn, shown.as_ref()) {
        Ok(()) => drawn,
        Err(_) => diagnostic.render(name),
    }
}

/// The byte at which a line and column (both from 1, columns in characters) begin.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let mut start = 0;
    for (index, content) in text.split_inclusive('\n').enumerate() {
        if index + 1 == line {
            let before = content.chars().take(column.saturating_sub(1));
            return start + before.map(char::len_utf8).sum::<usize>();
        }
        start += content.len();
    }
    text.len()
}
