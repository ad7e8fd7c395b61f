//! `scimbridge schema`.

use std::process::ExitCode;

use crate::cli::arguments::Schema;
use crate::cli::output;
use crate::mapping::{reference, schema};

pub(crate) fn run(options: &Schema) -> ExitCode {
    let text = if options.markdown {
        reference::markdown()
    } else {
        let schema = schema::json_schema();
        serde_json::to_string_pretty(&schema).unwrap_or_else(|_| schema.to_string())
    };
    output::line(text.trim_end());
    ExitCode::SUCCESS
}
