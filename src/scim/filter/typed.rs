//! Terms whose answer the resource type alone gives: `meta.resourceType eq "User"`.
//!
//! They are answered before anything is read, so that a query over several resource types
//! (RFC 7644 section 3.4.2.1) asks the application only for those that can match.

use serde_json::Value;

use crate::scim::attr::AttrPath;
use crate::scim::filter::ast::Filter;
use crate::scim::filter::comparison::Comparison;
use crate::scim::filter::error::FilterError;
use crate::scim::schema::{Attribute, AttributeType};
use crate::scim::value::Dialect;

/// What is left of a filter for the resources of one type.
#[derive(Debug, Clone, PartialEq)]
pub enum Typed {
    /// Every resource of the type matches.
    All,
    /// None does.
    Nothing,
    /// Those that this matches.
    Some(Filter),
}

/// Answers what a filter says of the resource type's name.
///
/// # Errors
/// When a comparison with the name is not one that its type has.
pub fn typed(filter: &Filter, name: &str, dialect: Dialect) -> Result<Typed, FilterError> {
    Ok(match filter {
        Filter::Compare(path, op, literal) if is_type(path) => {
            if literal.is_null() {
                let differs = *op == crate::scim::filter::ast::CompareOp::Ne;
                return Ok(if differs { Typed::All } else { Typed::Nothing });
            }
            let attribute = Attribute {
                case_exact: true,
                ..Attribute::new("resourceType", AttributeType::String)
            };
            let comparison = Comparison::new(path, *op, literal, &attribute, dialect)?;
            if comparison.holds(&Value::from(name)) { Typed::All } else { Typed::Nothing }
        }
        Filter::Present(path) if is_type(path) => Typed::All,
        Filter::Compare(..) | Filter::Present(_) | Filter::ValuePath(..) => {
            Typed::Some(filter.clone())
        }
        Filter::Not(inner) => match typed(inner, name, dialect)? {
            Typed::All => Typed::Nothing,
            Typed::Nothing => Typed::All,
            Typed::Some(inner) => Typed::Some(Filter::Not(Box::new(inner))),
        },
        Filter::And(terms) => join(terms, name, dialect, &Typed::Nothing, Filter::And)?,
        Filter::Or(terms) => join(terms, name, dialect, &Typed::All, Filter::Or)?,
    })
}

/// Terms of which one that is `deciding` decides, and of which those that decide nothing vanish.
fn join(
    terms: &[Filter],
    name: &str,
    dialect: Dialect,
    deciding: &Typed,
    whole: fn(Vec<Filter>) -> Filter,
) -> Result<Typed, FilterError> {
    let mut left = Vec::new();
    let mut decided = false;
    for term in terms {
        match typed(term, name, dialect)? {
            Typed::Some(term) => left.push(term),
            other => decided |= other == *deciding,
        }
    }
    if decided {
        return Ok(deciding.clone());
    }
    Ok(match (left.len(), deciding) {
        (0, Typed::All) => Typed::Nothing,
        (0, Typed::Nothing | Typed::Some(_)) => Typed::All,
        (1, _) => left.pop().map_or(Typed::All, Typed::Some),
        (_, _) => Typed::Some(whole(left)),
    })
}

fn is_type(path: &AttrPath) -> bool {
    path.urn.is_none()
        && path.attr.eq_ignore_ascii_case("meta")
        && path.sub.as_ref().is_some_and(|sub| sub.eq_ignore_ascii_case("resourceType"))
}

#[cfg(test)]
mod tests {
    use crate::scim::filter::ast::Filter;
    use crate::scim::filter::typed::{Typed, typed};
    use crate::scim::value::Dialect;

    fn check(text: &str, expected: &str) {
        let filter = Filter::parse(text, Dialect::Strict).unwrap();
        let found = match typed(&filter, "User", Dialect::Strict).unwrap() {
            Typed::All => "all".to_owned(),
            Typed::Nothing => "nothing".to_owned(),
            Typed::Some(filter) => filter.to_string(),
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn the_type_is_known_before_anything_is_read() {
        check(r#"meta.resourceType eq "User""#, "all");
        check(r#"META.resourcetype eq "Group""#, "nothing");
        check(r#"meta.resourceType eq "user""#, "nothing");
        check(r#"meta.resourceType ne "Group""#, "all");
        check(r#"meta.resourceType sw "U""#, "all");
        check("meta.resourceType pr", "all");
        check("meta.resourceType eq null", "nothing");
        check("title pr", "title pr");
    }

    #[test]
    fn what_is_known_leaves_the_rest() {
        let user = r#"meta.resourceType eq "User""#;
        let group = r#"meta.resourceType eq "Group""#;
        check(&format!("{user} and title pr"), "title pr");
        check(&format!("{group} and title pr"), "nothing");
        check(&format!("{user} or title pr"), "all");
        check(&format!("{group} or title pr"), "title pr");
        check(&format!("not ({group})"), "all");
        check(&format!("not ({user} and title pr)"), "not (title pr)");
        check(&format!("{user} and title pr and active eq true"), "title pr and active eq true");
        check(&format!("({user} and title pr) or ({group} and active eq true)"), "title pr");
        check(&format!("{user} and {user}"), "all");
        check(&format!("{group} or {group}"), "nothing");
    }
}
