//! A record out of a list: text where it was found in one, a tree for whoever looks into it.

use std::ops::Deref;
use std::sync::OnceLock;

use bytes::Bytes;
use serde_json::Value;

/// A record, as it came.
#[derive(Debug, Clone)]
pub struct Listed {
    scanned: Option<Scanned>,
    value: OnceLock<Value>,
}

/// What is known of a record that nobody has made a tree of.
#[derive(Debug, Clone)]
struct Scanned {
    text: Bytes,
    key: String,
}

impl Listed {
    /// A record that a scan has found: JSON, and the key that is in it.
    pub fn scanned(text: Bytes, key: String) -> Self {
        Self { scanned: Some(Scanned { text, key }), value: OnceLock::new() }
    }

    /// Its text, where a scan has found it.
    pub fn text(&self) -> Option<&str> {
        self.scanned.as_ref().and_then(|it| std::str::from_utf8(&it.text).ok())
    }

    /// Its key, where a scan has found it.
    pub fn key(&self) -> Option<&str> {
        self.scanned.as_ref().map(|it| it.key.as_str())
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
