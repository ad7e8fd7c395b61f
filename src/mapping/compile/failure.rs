//! Rules that say what failures mean.

use crate::mapping::compile::context::Context;
use crate::mapping::compile::variables::FAILURE;
use crate::mapping::file::api::ErrorRule;
use crate::mapping::file::reader::At;
use crate::mapping::model;
use crate::mapping::model::StatusMatch;

/// Compiles rules.
pub(crate) fn rules(written: &[ErrorRule], context: &mut Context) -> Vec<model::ErrorRule> {
    written.iter().map(|written| rule(written, context)).collect()
}

fn rule(written: &ErrorRule, context: &mut Context) -> model::ErrorRule {
    let text = written.text.as_ref().and_then(|text| {
        let without_case = At { value: format!("(?i){}", text.value), at: text.at };
        context.regex(&without_case, "text")
    });
    model::ErrorRule {
        status: written.status.unwrap_or(StatusMatch::Any),
        text,
        when: written.when.as_ref().and_then(|when| context.expression(when, &FAILURE)),
        outcome: written.scim,
        detail: written.detail.as_ref().and_then(|detail| context.template(detail, &FAILURE)),
    }
}
