//! The steps of `via` as editors and the reference show them. What a step is made of is understood
//! in `transform/`, where every transform judges its own argument.

use serde_json::Value;

use crate::mapping::diagnostic::Diagnostics;
use crate::mapping::file::reader::Read;
use crate::mapping::file::shape::{Field, Object, Shape};
use crate::mapping::transform;
use crate::mapping::yaml::{Key, Node, NodeValue};

/// One transform: its name, or an object with its name, its argument and its options. The keys of
/// a `map` are as [`Key::as_native`] says.
#[derive(Debug, Clone)]
pub(crate) struct Step(pub(crate) Value);

/// Every transform and option of the language: its name, the option's transforms, and its meaning.
const TABLE: [(&str, &[&str], &str); 22] = [
    ("not", &[], "true ↔ false."),
    ("lower", &[], "SCIM sees lower case; writing keeps the native spelling when it is the same."),
    ("map", &[], "A table of native values and SCIM values. Several natives may read alike."),
    ("else", &["map"], "The SCIM value of natives that the table does not list."),
    ("else_native", &["map"], "The native value of SCIM values that the table does not list."),
    ("string", &[], "A native number ↔ text in SCIM."),
    ("integer", &[], "A native text ↔ a whole number in SCIM."),
    ("number", &[], "A native text ↔ a number in SCIM."),
    ("datetime", &[], "A date and time ↔ RFC 3339 in UTC: `epoch_s`, `epoch_ms`, or a pattern."),
    ("zone", &["datetime"], "The time zone of a pattern without an offset."),
    ("timestamp_flag", &[], "A time or nothing ↔ boolean: `empty`, `format`, `set`."),
    ("list", &[], "One text with this separator ↔ a list."),
    ("split", &[], "One text with this separator ↔ several SCIM places."),
    ("join", &[], "Several native places ↔ one text with this separator."),
    ("at", &["split", "join"], "Where a text with more parts than places is parted."),
    ("strip_prefix", &[], "Native text begins with this, SCIM text does not."),
    ("strip_suffix", &[], "Native text ends with this, SCIM text does not."),
    ("locale", &[], "`bcp47`, `posix` or `language` ↔ a locale as SCIM writes it."),
    ("regions", &["locale"], "Regions of bare languages."),
    ("timezone", &[], "`iana`, `rails` or `windows` names ↔ IANA names."),
    ("phone", &[], "`e164` or `national` ↔ a `tel:` URI; `country` with `national`."),
    ("json", &[], "JSON text ↔ structure."),
];

/// A transform that is an option, too.
const COUNTRY: (&str, &[&str], &str) =
    ("country", &["phone"], "`alpha2`, `alpha3` or `name` ↔ ISO 3166; with `phone`, its country.");

impl Read for Step {
    fn read(node: &Node, _: &str, _: &mut Diagnostics) -> Option<Self> {
        let mut step = node.to_json();
        if let (NodeValue::Map(members), Value::Object(step)) = (&node.value, &mut step)
            && let Some((_, table)) = members.iter().find(|(key, _)| key.name == "map")
            && let NodeValue::Map(rows) = &table.value
        {
            let row = |(key, value): &(Key, Node)| (key.as_native(), value.to_json());
            step.insert("map".to_owned(), Value::Object(rows.iter().map(row).collect()));
        }
        Some(Self(step))
    }

    fn shape() -> Shape {
        let names = transform::names().iter().copied();
        let is_bare = |name: &&str| transform::build(name, &Value::Null).is_ok();
        Shape::Either(vec![Shape::Words(names.filter(is_bare).collect()), Shape::Object(object)])
    }
}

/// All transforms and options as fields of one object, as far as there are any.
fn object() -> Object {
    let is_known = |name: &&str| transform::names().contains(name);
    let fields = TABLE
        .iter()
        .chain([&COUNTRY])
        .filter(|(name, of, _)| is_known(name) || of.iter().any(&is_known))
        .map(|(name, _, doc)| Field::new(name, &[doc], None, false, Shape::Any));
    let doc = "One transform with its argument, and perhaps its options.";
    Object::new("Transform", &[doc], fields.collect())
}

#[cfg(test)]
mod tests {
    use crate::mapping::file::step::object;
    use crate::mapping::transform;

    #[test]
    fn every_transform_is_shown() {
        let fields = object().fields;
        for name in transform::names() {
            assert!(fields.iter().any(|field| field.name == *name), "{name} is not in TABLE");
        }
    }
}
