//! A finished piece of work of a distributed trace, and the port through which it leaves.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::watch::context::{SpanId, TraceId};

/// Work that has been done.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// The trace it belongs to.
    pub trace: TraceId,
    /// Its own identifier.
    pub id: SpanId,
    /// Whose part it is.
    pub parent: Option<SpanId>,
    /// Which side of a conversation it is.
    pub side: Side,
    /// What was done: a method and a place, never a value.
    pub name: String,
    /// When it began.
    pub began: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// What is known of it, under the names of OpenTelemetry's semantic conventions.
    pub attributes: Vec<(&'static str, Attribute)>,
    /// Why it failed, as a keyword or status; `None` when it did not.
    pub error: Option<String>,
}

/// Which side of a conversation a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// It was asked.
    Server,
    /// It asked.
    Client,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// Text.
    Text(String),
    /// A whole number.
    Number(i64),
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u16> for Attribute {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl From<u32> for Attribute {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

/// Where spans go. Nobody waits there: what cannot be taken is dropped.
pub trait Spans: Send + Sync + fmt::Debug {
    /// Whether a trace that begins here is recorded.
    fn samples(&self, trace: TraceId) -> bool;

    /// Takes a finished span.
    fn take(&self, span: Span);
}
