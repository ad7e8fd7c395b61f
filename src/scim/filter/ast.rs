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

impl Filter {
    /// What must all hold: the terms of an `And`, or the filter alone.
    pub fn terms(&self) -> &[Self] {
        match self {
            Self::And(terms) => terms,
            single => std::slice::from_ref(single),
        }
    }

    /// The comparisons that `path[self]` makes of one element, as comparisons of the attribute:
    /// what is asked of one element may be asked of any, and has no fewer matches.
    pub fn of_attribute<'f>(&'f self, path: &'f AttrPath) -> impl Iterator<Item = Self> + 'f {
        self.terms().iter().filter_map(|term| {
            let Self::Compare(sub, operator, value) = term else { return None };
            let path = AttrPath { sub: Some(sub.attr.clone()), ..path.clone() };
            Some(Self::Compare(path, *operator, value.clone()))
        })
    }
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
