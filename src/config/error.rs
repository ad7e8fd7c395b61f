//! What is wrong with a configuration, all of it, without the values: they may be secrets.

use std::fmt;
use std::path::PathBuf;

use figment::error::{Actual, Kind};

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file named on the command line is not there or cannot be read.
    #[error("the configuration file {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// What it says is wrong, in one place or several.
    #[error("the configuration is wrong in {} place(s){}", .0.len(), listed(.0))]
    Faulty(Vec<Fault>),
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The key, as in `tenants[0].name`; empty when the file as a whole is meant.
    pub key: String,
    /// What is wrong with it and what to do, without the value.
    pub problem: String,
}

impl Fault {
    /// A fault at `key`.
    pub(crate) fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { key: key.into(), problem: problem.into() }
    }

    /// What the deserializer found, below `prefix`.
    pub(crate) fn of(prefix: &str, error: &figment::Error) -> Self {
        let mut key = prefix.to_owned();
        for part in &error.path {
            if !key.is_empty() {
                key.push('.');
            }
            key.push_str(part);
        }
        Self::new(key, describe(&error.kind))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            return write!(f, "{}", self.problem);
        }
        write!(f, "{}: {}", self.key, self.problem)
    }
}

fn listed(faults: &[Fault]) -> String {
    faults.iter().flat_map(|fault| ["\n  ".to_owned(), fault.to_string()]).collect()
}

fn describe(kind: &Kind) -> String {
    match kind {
        Kind::Message(text) => without_source_lines(text),
        Kind::InvalidType(actual, expected) => {
            format!("is {}, but must be {expected}", type_name(actual))
        }
        Kind::InvalidValue(_, expected) => format!("must be {expected}"),
        Kind::InvalidLength(_, expected) => format!("must have {expected}"),
        Kind::UnknownVariant(_, known) => format!("must be one of {}", known.join(", ")),
        Kind::UnknownField(_, known) => {
            format!("is not known here; known are {}", known.join(", "))
        }
        Kind::MissingField(name) => format!("`{name}` is missing"),
        Kind::DuplicateField(name) => format!("`{name}` stands there twice"),
        Kind::ISizeOutOfRange(_) | Kind::USizeOutOfRange(_) => {
            "is a number out of range".to_owned()
        }
        Kind::Unsupported(actual) | Kind::UnsupportedKey(actual, _) => {
            format!("cannot be {}", type_name(actual))
        }
    }
}

/// The parser shows the line it stumbled over, and that line may hold a secret.
fn without_source_lines(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.contains('|')).collect::<Vec<_>>().join(": ")
}

fn type_name(actual: &Actual) -> &'static str {
    match actual {
        Actual::Bool(_) => "a boolean",
        Actual::Unsigned(_) | Actual::Signed(_) => "an integer",
        Actual::Float(_) => "a fraction",
        Actual::Char(_) | Actual::Str(_) => "text",
        Actual::Seq => "a list",
        Actual::Map => "a table",
        Actual::Bytes(_)
        | Actual::Unit
        | Actual::Option
        | Actual::NewtypeStruct
        | Actual::Enum
        | Actual::UnitVariant
        | Actual::NewtypeVariant
        | Actual::TupleVariant
        | Actual::StructVariant
        | Actual::Other(_) => "something else",
    }
}
