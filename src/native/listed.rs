//! A record out of a list: text where it was found in one, a tree for whoever looks into it.

use std::ops::{Deref, Range};
use std::sync::OnceLock;

use bytes::Bytes;
use serde_json::Value;

use crate::native::span::Span;

/// A record, as it came.
#[derive(Debug, Clone)]
pub struct Listed {
    scanned: Option<Scanned>,
    value: OnceLock<Value>,
}

/// What a scan has found in a record.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// Where values stand in its text: its own, and behind them those of its lists' elements.
    pub spans: Vec<Option<Span>>,
    /// Which of them are a list's, and how many each of its elements has.
    pub lists: Vec<(Range<usize>, usize)>,
}

/// What is known of a record that nobody has made a tree of.
#[derive(Debug, Clone)]
struct Scanned {
    text: Bytes,
    /// `None` for an element, which nobody has looked into.
    key: Option<String>,
    places: Places,
}

impl Listed {
    /// A record that a scan has found: JSON, the key that is in it, and where in it the values
    /// stand that the scan was for.
    pub fn scanned(text: Bytes, key: String, places: Places) -> Self {
        Self { scanned: Some(Scanned { text, key: Some(key), places }), value: OnceLock::new() }
    }

    /// JSON that stands in a list of which nothing else is known.
    pub fn text(text: Bytes) -> Self {
        let scanned = Scanned { text, key: None, places: Places::default() };
        Self { scanned: Some(scanned), value: OnceLock::new() }
    }

    /// Whether a scan has found it.
    pub fn is_scanned(&self) -> bool {
        self.key().is_some()
    }

    /// Its text, and where in it the values stand that a scan has found.
    pub fn found(&self) -> Option<(&str, &Places)> {
        let scanned = self.scanned.as_ref().filter(|_| self.is_scanned())?;
        Some((std::str::from_utf8(&scanned.text).ok()?, &scanned.places))
    }

    /// Its key, where a scan has found it.
    pub fn key(&self) -> Option<&str> {
        self.scanned.as_ref()?.key.as_deref()
    }

    /// Its tree.
    pub fn into_value(self) -> Value {
        self.value();
        self.value.into_inner().unwrap_or_default()
    }

    fn value(&self) -> &Value {
        self.value.get_or_init(|| {
            let text = self.scanned.as_ref().map_or(&[][..], |it| &it.text);
            serde_json::from_slice(text).unwrap_or_default()
        })
    }
}

impl From<Value> for Listed {
    fn from(value: Value) -> Self {
        Self { scanned: None, value: OnceLock::from(value) }
    }
}

impl Deref for Listed {
    type Target = Value;

    fn deref(&self) -> &Value {
        self.value()
    }
}
