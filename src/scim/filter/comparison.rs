//! One value against one literal, by the attribute's type (RFC 7644 section 3.4.2.2, table 3).
//!
//! Text compares by letter case as the schema says, dateTimes as instants, numbers by size. `co`,
//! `sw` and `ew` look at text only, and at dateTimes and binaries as they are written. A literal
//! of the wrong type equals nothing.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::{Number, Value};

use crate::scim::attr::AttrPath;
use crate::scim::deviation::Deviation;
use crate::scim::filter::ast::CompareOp;
use crate::scim::filter::error::FilterError;
use crate::scim::filter::fold::fold;
use crate::scim::schema::{Attribute, AttributeType};
use crate::scim::simple::{parse_boolean, parse_instant};
use crate::scim::value::Dialect;

/// An operator and a literal, made ready for values of one attribute.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Comparison {
    op: CompareOp,
    literal: Literal,
}

#[derive(Debug, Clone, PartialEq)]
enum Literal {
    /// Compared letter by letter.
    Exact(String),
    /// Folded already.
    Folded(String),
    Boolean(bool),
    Number(Number),
    Instant(Timestamp),
    /// Of a type that no value of the attribute has.
    Foreign,
}

impl Comparison {
    /// Reads the literal as a value of `attribute`, which `path` names.
    pub(crate) fn new(
        path: &AttrPath,
        op: CompareOp,
        literal: &Value,
        attribute: &Attribute,
        dialect: Dialect,
    ) -> Result<Self, FilterError> {
        let ordered = orders(op);
        let no_order = matches!(attribute.kind, AttributeType::Boolean | AttributeType::Binary);
        if ordered && no_order {
            return Err(FilterError::NoOrder { path: path.clone() });
        }
        let literal = read_literal(op, literal, attribute, dialect).unwrap_or(Literal::Foreign);
        if ordered && attribute.kind == AttributeType::DateTime && literal == Literal::Foreign {
            return Err(FilterError::NotAnInstant { path: path.clone() });
        }
        Ok(Self { op, literal })
    }

    /// Whether it is `ne`, which also holds where there is no value.
    pub(crate) fn is_negative(&self) -> bool {
        self.op == CompareOp::Ne
    }

    /// Whether it holds for this value.
    pub(crate) fn holds(&self, value: &Value) -> bool {
        match &self.literal {
            Literal::Exact(literal) => self.holds_for_text(value.as_str(), literal),
            Literal::Folded(literal) => {
                self.holds_for_text(value.as_str().map(fold).as_deref(), literal)
            }
            Literal::Boolean(literal) => {
                self.holds_for_order(value.as_bool().map(|b| b.cmp(literal)))
            }
            Literal::Number(literal) => {
                let number = value.as_number();
                self.holds_for_order(number.and_then(|number| compare_numbers(number, literal)))
            }
            Literal::Instant(literal) => {
                let instant = value.as_str().and_then(parse_instant);
                self.holds_for_order(instant.map(|instant| instant.cmp(literal)))
            }
            Literal::Foreign => self.is_negative(),
        }
    }

    fn holds_for_text(&self, value: Option<&str>, literal: &str) -> bool {
        let Some(value) = value else { return self.is_negative() };
        match self.op {
            CompareOp::Co => value.contains(literal),
            CompareOp::Sw => value.starts_with(literal),
            CompareOp::Ew => value.ends_with(literal),
            CompareOp::Eq
            | CompareOp::Ne
            | CompareOp::Gt
            | CompareOp::Ge
            | CompareOp::Lt
            | CompareOp::Le => self.holds_for_order(Some(value.cmp(literal))),
        }
    }

    fn holds_for_order(&self, order: Option<Ordering>) -> bool {
        let Some(order) = order else { return self.is_negative() };
        match self.op {
            CompareOp::Eq => order.is_eq(),
            CompareOp::Ne => order.is_ne(),
            CompareOp::Gt => order.is_gt(),
            CompareOp::Ge => order.is_ge(),
            CompareOp::Lt => order.is_lt(),
            CompareOp::Le => order.is_le(),
            CompareOp::Co | CompareOp::Sw | CompareOp::Ew => false,
        }
    }
}

fn orders(op: CompareOp) -> bool {
    match op {
        CompareOp::Gt | CompareOp::Ge | CompareOp::Lt | CompareOp::Le => true,
        CompareOp::Eq | CompareOp::Ne | CompareOp::Co | CompareOp::Sw | CompareOp::Ew => false,
    }
}

/// How a literal differs from its attribute's type, where only the lenient dialect reads it.
pub(crate) fn literal_deviation(
    op: CompareOp,
    literal: &Value,
    attribute: &Attribute,
) -> Option<Deviation> {
    read_literal(op, literal, attribute, Dialect::Lenient)?;
    match read_literal(op, literal, attribute, Dialect::Strict) {
        Some(_) => None,
        None => Some(match attribute.kind {
            AttributeType::Boolean => Deviation::StringBoolean,
            AttributeType::Integer | AttributeType::Decimal => Deviation::StringNumber,
            AttributeType::DateTime => Deviation::DateAsInstant,
            AttributeType::String
            | AttributeType::Reference
            | AttributeType::Binary
            | AttributeType::Complex => Deviation::ScalarAsText,
        }),
    }
}

fn read_literal(
    op: CompareOp,
    literal: &Value,
    attribute: &Attribute,
    dialect: Dialect,
) -> Option<Literal> {
    let lenient = dialect == Dialect::Lenient;
    let text = literal.as_str();
    match attribute.kind {
        AttributeType::String | AttributeType::Reference => {
            let text = match literal {
                // An unquoted `id eq 42` means the text.
                Value::Number(number) if lenient => number.to_string(),
                Value::Bool(truth) if lenient => truth.to_string(),
                _ => text?.to_owned(),
            };
            Some(if attribute.case_exact {
                Literal::Exact(text)
            } else {
                Literal::Folded(fold(&text).into_owned())
            })
        }
        // Entra ID writes `roles[primary eq "True"]`.
        AttributeType::Boolean => match text.filter(|_| lenient) {
            Some(text) => parse_boolean(text).map(Literal::Boolean),
            None => literal.as_bool().map(Literal::Boolean),
        },
        AttributeType::Integer | AttributeType::Decimal => match text.filter(|_| lenient) {
            Some(text) => text.trim().parse().ok().map(Literal::Number),
            None => literal.as_number().cloned().map(Literal::Number),
        },
        AttributeType::DateTime if looks_at_text(op) => text.map(|t| Literal::Exact(t.to_owned())),
        AttributeType::DateTime => {
            let midnight = || parse_instant(&format!("{}T00:00:00Z", text?)).filter(|_| lenient);
            text.and_then(parse_instant).or_else(midnight).map(Literal::Instant)
        }
        AttributeType::Binary => text.map(|text| Literal::Exact(text.to_owned())),
        AttributeType::Complex => None,
    }
}

fn looks_at_text(op: CompareOp) -> bool {
    matches!(op, CompareOp::Co | CompareOp::Sw | CompareOp::Ew)
}

/// Exact for integers of any size that JSON numbers hold here; else as floating point.
pub(crate) fn compare_numbers(one: &Number, other: &Number) -> Option<Ordering> {
    let whole = |number: &Number| {
        number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
    };
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}
