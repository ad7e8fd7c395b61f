//! `scimbridge check`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource};

use crate::cli::arguments::Check;
use crate::cli::output;
use crate::dialogue::report;
use crate::mapping::diagnostic::{Diagnostic, Severity};
use crate::mapping::model::Mapping;

pub(crate) async fn run(options: &Check) -> ExitCode {
    let mut all_well = true;
    for file in &options.files {
        all_well &= check(file, options.brief).await;
    }
    if all_well { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

/// Checks one file; says whether it has no errors.
async fn check(file: &Path, brief: bool) -> bool {
    let name = file.display().to_string();
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            output::note(&format!("error: {name}: {error}"));
            return false;
        }
    };
    let (mut found, summary) = match Mapping::load(&text) {
        Err(faults) => (faults, None),
        Ok((mapping, warnings)) => {
            let report = report::run(&Arc::new(mapping)).await;
            let summary = format!(
                "{} of {} tests passed, {} examples",
                report.passed, report.tests, report.examples
            );
            (warnings.into_iter().chain(report.diagnostics).collect(), Some(summary))
        }
    };
    found.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
    for diagnostic in &found {
        let shown =
            if brief { diagnostic.render(&name) } else { excerpt(diagnostic, &name, &text) };
        output::line(&shown);
    }
    let count = |severity| found.iter().filter(|it| it.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let summary = summary.unwrap_or_else(|| "not loaded, so no test was played".to_owned());
    output::line(&format!("{name}: {errors} errors, {warnings} warnings; {summary}"));
    errors == 0
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
