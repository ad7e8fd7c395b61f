//! What an expression can see while it is evaluated.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use serde_json::Value;

use crate::id::IdSource;

/// What every expression of one request can see.
#[derive(Clone)]
pub struct Ambient {
    /// Behind `uuid()` and `random(n)`.
    pub ids: Arc<dyn IdSource>,
    /// Behind `now`.
    pub now: Timestamp,
    /// Behind `request_id`.
    pub request_id: String,
}

/// The variables of one evaluation.
#[derive(Clone)]
pub struct Scope<'a> {
    ambient: &'a Ambient,
    values: Vec<(&'a str, Given<'a>)>,
}

#[derive(Clone)]
enum Given<'a> {
    Now(Cow<'a, Value>),
    Later(&'a Later<'a>),
}

/// A value that is made when somebody looks at it for the first time: few templates show a whole
/// resource.
pub struct Later<'a> {
    make: Box<dyn Fn() -> Value + Send + Sync + 'a>,
    made: OnceLock<Value>,
}

impl<'a> Later<'a> {
    /// The value that this makes.
    pub fn new(make: impl Fn() -> Value + Send + Sync + 'a) -> Self {
        Self { make: Box::new(make), made: OnceLock::new() }
    }
}

impl<'a> Scope<'a> {
    /// A scope with nothing in it but `now` and `request_id`.
    pub fn new(ambient: &'a Ambient) -> Self {
        Self { ambient, values: Vec::new() }
    }

    /// The same scope with one more variable, or with another value of it.
    #[must_use]
    pub fn with(self, name: &'a str, value: &'a Value) -> Self {
        self.set(name, Given::Now(Cow::Borrowed(value)))
    }

    /// The same scope with one more variable that the scope keeps.
    #[must_use]
    pub fn with_owned(self, name: &'a str, value: Value) -> Self {
        self.set(name, Given::Now(Cow::Owned(value)))
    }

    /// The same scope with one more variable that is made when it is looked at.
    #[must_use]
    pub fn with_later(self, name: &'a str, value: &'a Later<'a>) -> Self {
        self.set(name, Given::Later(value))
    }

    /// The value of a variable that was put in.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let (_, given) = self.values.iter().find(|(have, _)| *have == name)?;
        Some(match given {
            Given::Now(value) => value,
            Given::Later(value) => value.made.get_or_init(&value.make),
        })
    }

    /// What every expression of this request can see.
    pub fn ambient(&self) -> &'a Ambient {
        self.ambient
    }

    fn set(mut self, name: &'a str, value: Given<'a>) -> Self {
        self.values.retain(|(have, _)| *have != name);
        self.values.push((name, value));
        self
    }

    pub(super) fn look_up(&self, name: &str) -> Option<Cow<'_, Value>> {
        match (self.get(name), name) {
            (Some(value), _) => Some(Cow::Borrowed(value)),
            (None, "now") => Some(Cow::Owned(Value::from(self.ambient.now.to_string()))),
            (None, "request_id") => Some(Cow::Owned(Value::from(self.ambient.request_id.as_str()))),
            (None, _) => None,
        }
    }
}

impl fmt::Debug for Ambient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Ambient")
            .field("now", &self.now)
            .field("request_id", &self.request_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Later<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Later").finish_non_exhaustive()
    }
}

impl fmt::Debug for Scope<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names only: the values are people's.
        formatter.debug_list().entries(self.values.iter().map(|(name, _)| name)).finish()
    }
}
