//! The canonical text of a filter: small operators, single blanks, no needless parentheses. It
//! parses to the same tree in both dialects.

use std::fmt::{Display, Formatter, Result};

use crate::scim::filter::ast::{CompareOp, Filter};

impl CompareOp {
    /// All of them.
    pub const ALL: [Self; 9] =
        [Self::Eq, Self::Ne, Self::Co, Self::Sw, Self::Ew, Self::Gt, Self::Ge, Self::Lt, Self::Le];

    /// The operator as it is written.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Co => "co",
            Self::Sw => "sw",
            Self::Ew => "ew",
            Self::Gt => "gt",
            Self::Ge => "ge",
            Self::Lt => "lt",
            Self::Le => "le",
        }
    }
}

impl Display for Filter {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        match self {
            Self::Compare(path, op, value) => write!(formatter, "{path} {} {value}", op.keyword()),
            Self::Present(path) => write!(formatter, "{path} pr"),
            Self::And(terms) => write_terms(formatter, terms, " and "),
            Self::Or(terms) => write_terms(formatter, terms, " or "),
            Self::Not(inner) => write!(formatter, "not ({inner})"),
            Self::ValuePath(path, inner) => write!(formatter, "{path}[{inner}]"),
        }
    }
}

fn write_terms(formatter: &mut Formatter<'_>, terms: &[Filter], joint: &str) -> Result {
    for (place, term) in terms.iter().enumerate() {
        if place > 0 {
            formatter.write_str(joint)?;
        }
        match term {
            // An `or` stands only inside an `and`, which binds closer.
            Filter::Or(_) => write!(formatter, "({term})")?,
            Filter::Compare(..)
            | Filter::Present(_)
            | Filter::And(_)
            | Filter::Not(_)
            | Filter::ValuePath(..) => write!(formatter, "{term}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
    use serde_json::{Number, Value};

    use crate::scim::attr::AttrPath;
    use crate::scim::filter::ast::{CompareOp, Filter};
    use crate::scim::value::Dialect;

    fn path() -> impl Strategy<Value = AttrPath> {
        let urn = prop_oneof![Just(None), Just(Some("urn:x:2.0:User".to_owned()))];
        let name = || "[a-zA-Z][a-zA-Z0-9_-]{0,4}";
        (urn, name(), proptest::option::of(name())).prop_map(|(urn, attr, sub)| AttrPath {
            urn,
            attr,
            sub,
        })
    }

    fn literal() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<String>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            // serde_json reads long fractions one unit in the last place off.
            any::<i16>().prop_map(|eighths| Number::from_f64(f64::from(eighths) / 8.0).into()),
            any::<bool>().prop_map(Value::from),
            Just(Value::Null),
        ]
    }

    fn comparison() -> impl Strategy<Value = Filter> {
        let op = proptest::sample::select(CompareOp::ALL.to_vec());
        prop_oneof![
            (path(), op, literal()).prop_map(|(path, op, value)| Filter::Compare(path, op, value)),
            path().prop_map(Filter::Present),
        ]
    }

    /// Joins as the parser does: flat, and never of one term.
    fn join(terms: Vec<Filter>, all: bool) -> Filter {
        let flat = terms.into_iter().flat_map(|term| match term {
            Filter::And(inner) if all => inner,
            Filter::Or(inner) if !all => inner,
            other => vec![other],
        });
        if all { Filter::And(flat.collect()) } else { Filter::Or(flat.collect()) }
    }

    fn logical(leaf: impl Strategy<Value = Filter> + 'static) -> impl Strategy<Value = Filter> {
        leaf.prop_recursive(4, 32, 4, |inner| {
            let terms = proptest::collection::vec(inner.clone(), 2..4);
            prop_oneof![
                (terms, any::<bool>()).prop_map(|(terms, all)| join(terms, all)),
                inner.prop_map(|inner| Filter::Not(Box::new(inner))),
            ]
        })
    }

    fn filter() -> impl Strategy<Value = Filter> {
        let elements = (path(), logical(comparison()))
            .prop_map(|(path, inner)| Filter::ValuePath(path, Box::new(inner)));
        logical(prop_oneof![comparison(), elements])
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same(filter in filter()) {
            let text = filter.to_string();
            assert_eq!(Filter::parse(&text, Dialect::Strict).as_ref(), Ok(&filter), "{text}");
            assert_eq!(Filter::parse(&text, Dialect::Lenient).as_ref(), Ok(&filter), "{text}");
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in any::<String>(), near in "[a-c.\"'()\\[\\]\\\\ 0-9eqandotrp]{0,40}") {
            for text in [text, near] {
                for dialect in [Dialect::Strict, Dialect::Lenient] {
                    if let Ok(filter) = Filter::parse(&text, dialect) {
                        let printed = filter.to_string();
                        assert!(Filter::parse(&printed, Dialect::Strict).is_ok(), "{printed}");
                    }
                }
            }
        }
    }
}
