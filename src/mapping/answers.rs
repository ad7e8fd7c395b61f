//! Answers of the application: where something is in them, and what their failures mean.

use regex::Regex;

use crate::mapping::expression::Expression;
use crate::mapping::template::Template;
use crate::native::path::NativePath;

/// A place in an answer.
#[derive(Debug, Clone)]
pub enum Locator {
    /// In the body.
    Body(NativePath),
    /// The part of a text in the body that matches: its first group, or the whole match.
    Part(NativePath, Regex),
    /// In a header (lower-case name); with a pattern, the part that matches: its first group, or
    /// the whole match.
    Header(String, Option<Regex>),
}

/// How failures are read.
#[derive(Debug)]
pub struct Errors {
    /// Where the message is; the first that exists.
    pub message: Vec<NativePath>,
    /// True on a 2xx answer that is a failure in disguise.
    pub failed: Option<Expression>,
    /// First match wins, then the built-in table.
    pub rules: Vec<ErrorRule>,
}

/// One rule.
#[derive(Debug)]
pub struct ErrorRule {
    /// Statuses it speaks of.
    pub status: StatusMatch,
    /// A pattern that the message must match, without case.
    pub text: Option<Regex>,
    /// A condition; sees `status`, `body`, `headers`, `message`.
    pub when: Option<Expression>,
    /// What the failure means.
    pub outcome: Outcome,
    /// The text shown; the application's message when `None`.
    pub detail: Option<Template>,
}

/// Statuses that a rule speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusMatch {
    /// Every status.
    Any,
    /// One status.
    Exactly(u16),
    /// A class: 5 for `5xx`.
    Class(u16),
}

/// What a failure means to a SCIM client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// 409 `uniqueness`.
    Uniqueness,
    /// 400 `invalidValue`.
    InvalidValue,
    /// 400 `mutability`.
    Mutability,
    /// 404.
    NotFound,
    /// 412.
    PreconditionFailed,
    /// 403.
    Forbidden,
    /// 429.
    TooMany,
    /// 503.
    Unavailable,
    /// No failure at all.
    Ok,
}
