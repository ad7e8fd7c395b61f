//! The simple types of the language: texts, numbers, templates, durations and sizes.

use std::time::Duration;

use serde_json::Value;

use crate::mapping::diagnostic::Diagnostics;
use crate::mapping::file::reader::{At, Read, Text, mismatch};
use crate::mapping::file::shape::Shape;
use crate::mapping::yaml::{Node, NodeValue};

/// A template as written: text, or a number or boolean that stays one.
#[derive(Debug, Clone)]
pub(crate) struct Tpl(pub(crate) At<Value>);

/// An amount of bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size(pub(crate) u64);

macro_rules! text {
    ($($(#[$doc:meta])* $name:ident $label:literal $shape:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub(crate) struct $name(pub(crate) Text);

        impl Read for $name {
            fn read(node: &Node, name: &str, faults: &mut Diagnostics) -> Option<Self> {
                let NodeValue::String(text) = &node.value else {
                    return mismatch(node, name, $label, faults);
                };
                Some(Self(At { value: text.clone(), at: node.at }))
            }

            fn shape() -> Shape {
                $shape
            }
        }
    )*};
}

text! {
    /// A `JSONPath`, not yet parsed.
    PathText "path" Shape::text("place", "^\\$");
    /// A `JSONPath` or `header:…`, not yet parsed.
    LocText "loc" Shape::text("place in the answer", "^(\\$|header:)");
    /// An expression, not yet parsed.
    ExprText "expr" Shape::scalar("expression", &["string"], None);
}

impl Read for String {
    fn read(node: &Node, name: &str, faults: &mut Diagnostics) -> Option<Self> {
        match &node.value {
            NodeValue::String(text) => Some(text.clone()),
            NodeValue::Number(number) => Some(number.to_string()),
            NodeValue::Null | NodeValue::Bool(_) | NodeValue::Seq(_) | NodeValue::Map(_) => {
                mismatch(node, name, "str", faults)
            }
        }
    }

    fn shape() -> Shape {
        Shape::TEXT
    }
}

impl Read for bool {
    fn read(node: &Node, name: &str, faults: &mut Diagnostics) -> Option<Self> {
        match node.value {
            NodeValue::Bool(value) => Some(value),
            _ => mismatch(node, name, "bool", faults),
        }
    }

    fn shape() -> Shape {
        Shape::scalar("true or false", &["boolean"], None)
    }
}

impl Read for u64 {
    fn read(node: &Node, name: &str, faults: &mut Diagnostics) -> Option<Self> {
        match &node.value {
            NodeValue::Number(number) if number.is_u64() => number.as_u64(),
            _ => mismatch(node, name, "int", faults),
        }
    }

    fn shape() -> Shape {
        Shape::NUMBER
    }
}

impl Read for Value {
    fn read(node: &Node, _: &str, _: &mut Diagnostics) -> Option<Self> {
        Some(node.to_json())
    }

    fn shape() -> Shape {
        Shape::Any
    }
}

impl Read for Node {
    fn read(node: &Node, _: &str, _: &mut Diagnostics) -> Option<Self> {
        Some(node.clone())
    }

    fn shape() -> Shape {
        Shape::Any
    }
}

impl Read for Tpl {
    fn read(node: &Node, name: &str, faults: &mut Diagnostics) -> Option<Self> {
        match node.value {
            NodeValue::String(_) | NodeValue::Number(_) | NodeValue::Bool(_) => {
                Some(Self(At { value: node.to_json(), at: node.at }))
            }
            NodeValue::Null | NodeValue::Seq(_) | NodeValue::Map(_) => {
                mismatch(node, name, "tpl", faults)
            }
        }
    }

    fn shape() -> Shape {
        Shape::scalar("template", &["string", "number", "boolean"], None)
    }
}

impl Read for Duration {
    fn read(node: &Node, name: &str, faults: &mut Diagnostics) -> Option<Self> {
        let found = match &node.value {
            NodeValue::String(text) => duration(text),
            _ => None,
        };
        match found {
            Some(value) => Some(value),
            None => mismatch(node, name, "dur such as 10s, 250ms or 5m", faults),
        }
    }

    fn shape() -> Shape {
        Shape::text("duration", "^[0-9]+(ms|s|m|h)$")
    }
}

impl Read for Size {
    fn read(node: &Node, name: &str, faults: &mut Diagnostics) -> Option<Self> {
        let found = match &node.value {
            NodeValue::Number(number) => number.as_u64(),
            NodeValue::String(text) => size(text),
            _ => None,
        };
        match found {
            Some(bytes) if bytes > 0 => Some(Self(bytes)),
            _ => mismatch(node, name, "a size such as 16MiB", faults),
        }
    }

    fn shape() -> Shape {
        Shape::scalar("size", &["string", "integer"], Some("^[1-9][0-9]* *([KMG]i?)?B?$"))
    }
}

/// `10s`, `250ms`, `5m`, `1h`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let count: u64 = digits.parse().ok()?;
    match text.strip_prefix(digits)? {
        "ms" => Some(Duration::from_millis(count)),
        "s" => Some(Duration::from_secs(count)),
        "m" => count.checked_mul(60).map(Duration::from_secs),
        "h" => count.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    }
}

/// `16MiB`, `500KB`, `1024`.
fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let count: u64 = digits.trim_end().parse().ok()?;
    let factor: u64 = match text.strip_prefix(digits)? {
        "" | "B" => 1,
        "KB" => 1000,
        "KiB" => 1024,
        "MB" => 1_000_000,
        "MiB" => 1024 * 1024,
        "GB" => 1_000_000_000,
        "GiB" => 1024 * 1024 * 1024,
        _ => return None,
    };
    count.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::mapping::file::scalar::{duration, size};

    #[test]
    fn durations_and_sizes_have_units() {
        for (text, milliseconds) in [
            ("10s", Some(10_000)),
            ("250ms", Some(250)),
            ("2m", Some(120_000)),
            ("10", None),
            ("s", None),
        ] {
            assert_eq!(duration(text), milliseconds.map(Duration::from_millis), "{text}");
        }
        for (text, bytes) in [("16MiB", Some(16_777_216)), ("5KB", Some(5000)), ("x", None)] {
            assert_eq!(size(text), bytes, "{text}");
        }
    }
}
