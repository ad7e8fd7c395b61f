//! The order of resources (RFC 7644 section 3.4.2.3).
//!
//! Text is ordered as the schema compares it, dateTimes as instants, numbers by size, `false`
//! before `true`. Of several values the primary one counts, else the first. Resources without a
//! value come last, and first when the order is descending.
//! Deliberately absent: the alphabets of languages. Text is ordered by code point.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::{Number, Value};

use crate::scim::attr::AttrPath;
use crate::scim::filter::comparison::compare_numbers;
use crate::scim::filter::fold::fold;
use crate::scim::query::SortOrder;
use crate::scim::resource::Resource;
use crate::scim::schema::{Attribute, AttributeType, ResourceType, Returned};
use crate::scim::simple::parse_instant;
use crate::scim::value::Dialect;

/// What resources of one type are sorted by.
#[derive(Debug, Clone, PartialEq)]
pub struct Sorting {
    /// URN of the extension.
    section: Option<String>,
    attribute: String,
    sub: Option<String>,
    kind: AttributeType,
    case: Case,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Exact,
    Ignored,
}

/// Where a resource stands in the order.
#[derive(Debug, Clone, PartialEq)]
pub struct Rank(Option<Key>);

#[derive(Debug, Clone, PartialEq)]
enum Key {
    Boolean(bool),
    Number(Number),
    Instant(Timestamp),
    Text(String),
}

impl Sorting {
    /// Looks up what to sort by; `None` when resources of this type have no order by it: an
    /// attribute they do not have, a complex one without sub-attribute, or one that is never
    /// returned, whose values the order would tell.
    pub fn new(path: &AttrPath, resource_type: &ResourceType, dialect: Dialect) -> Option<Self> {
        let found = resource_type.resolve(path)?;
        let attribute = found.attribute;
        let sub = found.sub.or_else(|| implied(attribute, dialect));
        let leaf = sub.unwrap_or(attribute);
        let is_hidden = [attribute, leaf].iter().any(|it| it.returned == Returned::Never);
        if leaf.kind == AttributeType::Complex || is_hidden {
            return None;
        }
        Some(Self {
            section: found.extension.map(|schema| schema.id.clone()),
            attribute: attribute.name.clone(),
            sub: sub.map(|sub| sub.name.clone()),
            kind: leaf.kind,
            case: if leaf.case_exact { Case::Exact } else { Case::Ignored },
        })
    }

    /// Where a resource stands.
    pub fn rank(&self, resource: &Resource) -> Rank {
        Rank(self.value(resource).and_then(|value| self.key(value)))
    }

    fn value<'r>(&self, resource: &'r Resource) -> Option<&'r Value> {
        let one = match resource.get(self.section.as_deref(), &self.attribute)? {
            Value::Array(elements) => {
                let is_primary = |it: &&Value| it.get("primary") == Some(&Value::Bool(true));
                elements.iter().find(is_primary).or_else(|| elements.first())?
            }
            one => one,
        };
        match &self.sub {
            Some(sub) => one.get(sub),
            None => Some(one),
        }
    }

    fn key(&self, value: &Value) -> Option<Key> {
        Some(match self.kind {
            AttributeType::String | AttributeType::Reference if self.case == Case::Ignored => {
                Key::Text(fold(value.as_str()?).into_owned())
            }
            AttributeType::String | AttributeType::Reference | AttributeType::Binary => {
                Key::Text(value.as_str()?.to_owned())
            }
            AttributeType::Boolean => Key::Boolean(value.as_bool()?),
            AttributeType::Integer | AttributeType::Decimal => {
                Key::Number(value.as_number()?.clone())
            }
            AttributeType::DateTime => Key::Instant(parse_instant(value.as_str()?)?),
            AttributeType::Complex => return None,
        })
    }
}

impl Rank {
    /// The place of a resource without a value.
    pub const NONE: Self = Self(None);

    /// Which of two comes first.
    pub fn compare(&self, other: &Self, order: SortOrder) -> Ordering {
        let ascending = match (&self.0, &other.0) {
            (Some(one), Some(other)) => one.compare(other),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        };
        match order {
            SortOrder::Ascending => ascending,
            SortOrder::Descending => ascending.reverse(),
        }
    }
}

impl Key {
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Boolean(one), Self::Boolean(other)) => one.cmp(other),
            (Self::Number(one), Self::Number(other)) => {
                compare_numbers(one, other).unwrap_or(Ordering::Equal)
            }
            (Self::Instant(one), Self::Instant(other)) => one.cmp(other),
            (Self::Text(one), Self::Text(other)) => one.cmp(other),
            // Resources of different types may have different things under one name.
            (one, other) => one.kind().cmp(&other.kind()),
        }
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Boolean(_) => 0,
            Self::Number(_) => 1,
            Self::Instant(_) => 2,
            Self::Text(_) => 3,
        }
    }
}

/// `sortBy=emails` means the address. The RFC wants single complex attributes to be named down to
/// the sub-attribute; the lenient dialect takes a bare `manager` as well.
fn implied(attribute: &Attribute, dialect: Dialect) -> Option<&Attribute> {
    let may = attribute.multi_valued || dialect == Dialect::Lenient;
    attribute.sub_attribute("value").filter(|_| may)
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use proptest::collection::vec;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use serde_json::{Value, json};

    use crate::scim::builtin::user_type;
    use crate::scim::query::SortOrder;
    use crate::scim::resource::Resource;
    use crate::scim::sort::{Rank, Sorting};
    use crate::scim::value::Dialect;

    fn resource(value: &Value) -> Resource {
        Resource(value.as_object().unwrap().clone())
    }

    fn sorting(path: &str, dialect: Dialect) -> Option<Sorting> {
        Sorting::new(&path.parse().unwrap(), &user_type(), dialect)
    }

    /// These users stand in this order, and each before the next.
    fn check(path: &str, users: &[Value]) {
        let sorting = sorting(path, Dialect::Lenient).unwrap();
        let ranks: Vec<Rank> = users.iter().map(|user| sorting.rank(&resource(user))).collect();
        for pair in ranks.windows(2) {
            assert_eq!(pair[0].compare(&pair[1], SortOrder::Ascending), Ordering::Less, "{path}");
            let reverse = pair[0].compare(&pair[1], SortOrder::Descending);
            assert_eq!(reverse, Ordering::Greater, "{path}");
        }
    }

    #[test]
    fn values_are_ordered_by_type_and_missing_ones_come_last() {
        let bare = json!({});
        check("userName", &[json!({"userName": "ada"}), json!({"userName": "Bob"}), bare.clone()]);
        check("id", &[json!({"id": "Bob"}), json!({"id": "ada"})]);
        check("active", &[json!({"active": false}), json!({"active": true}), bare.clone()]);
        check("name.familyName", &[json!({"name": {"familyName": "É"}}), json!({"name": {}})]);
        let at = |text| json!({"meta": {"lastModified": text}});
        let instants = [at("2026-01-01T12:00:00+02:00"), at("2026-01-01T11:00:00Z"), at("soon")];
        check("meta.lastModified", &instants);
        let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        let manager = |id| json!({ enterprise: { "manager": { "value": id } } });
        check("manager", &[manager("1"), manager("2"), bare]);
    }

    #[test]
    fn of_several_values_the_primary_one_counts_else_the_first() {
        let emails = |list: Value| json!({ "emails": list });
        let users = [
            emails(json!([{"value": "z"}, {"value": "a", "primary": true}])),
            emails(json!([{"value": "b"}, {"value": "a"}])),
            emails(json!([{"value": "c", "primary": false}])),
            emails(json!([])),
        ];
        check("emails", &users);
        check("emails.value", &users);
    }

    #[test]
    fn what_has_no_order_is_not_sorted_by() {
        for path in ["nothing", "name", "password", "schemas"] {
            assert_eq!(sorting(path, Dialect::Lenient), None, "{path}");
        }
        assert_eq!(sorting("manager", Dialect::Strict), None);
        assert!(sorting("emails", Dialect::Strict).is_some());
    }

    proptest! {
        #[test]
        fn the_order_is_one(names in vec(any::<Option<String>>(), 3)) {
            let sorting = sorting("userName", Dialect::Strict).unwrap();
            let rank = |name: &Option<String>| {
                let user = name.as_ref().map_or(json!({}), |name| json!({ "userName": name }));
                sorting.rank(&resource(&user))
            };
            let [a, b, c] = [rank(&names[0]), rank(&names[1]), rank(&names[2])];
            let order = SortOrder::Ascending;
            prop_assert_eq!(a.compare(&b, order), b.compare(&a, order).reverse());
            if a.compare(&b, order).is_le() && b.compare(&c, order).is_le() {
                prop_assert!(a.compare(&c, order).is_le());
            }
        }
    }
}
