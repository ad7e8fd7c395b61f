//! The tree of a filter (RFC 7644 section 3.4.2.2, figure 1).

use serde_json::Value;

use crate::scim::attr::AttrPath;

/// A parsed filter. Names keep the letters of the input.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// `attribute op value`.
    Compare(AttrPath, CompareOp, Value),
    /// `attribute pr`.
    Present(AttrPath),
    /// All must hold; two or more terms, none of them an `And`.
    And(Vec<Self>),
    /// One must hold; two or more terms, none of them an `Or`.
    Or(Vec<Self>),
    /// `not (…)`.
    Not(Box<Self>),
    /// `attribute[…]`: one element for which the inner filter holds. Inner names are
    /// sub-attributes.
    ValuePath(AttrPath, Box<Self>),
}

/// The comparison operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CompareOp {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Contains.
    Co,
    /// Starts with.
    Sw,
    /// Ends with.
    Ew,
    /// Greater than.
    Gt,
    /// Greater than or equal to.
    Ge,
    /// Less than.
    Lt,
    /// Less than or equal to.
    Le,
}
