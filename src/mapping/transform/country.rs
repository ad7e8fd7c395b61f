//! `country`: ISO 3166-1 alpha-2 codes for SCIM, as RFC 7643 section 4.1.2 asks, and the
//! application's codes or English names.
//!
//! On both sides codes and names are read whatever their letter case, accents and punctuation, and
//! from SCIM either: identity providers send names, too.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::mapping::transform::country_names::COUNTRIES;
use crate::mapping::transform::kind::{Class, Transform, TransformError, TransformFault, keeps};

/// `country`.
#[derive(Debug)]
pub(crate) struct Country {
    notation: Notation,
}

/// What the application writes.
#[derive(Debug, Clone, Copy)]
enum Notation {
    /// `NL`
    Alpha2,
    /// `NLD`
    Alpha3,
    /// `Netherlands`
    Name,
}

const NOT_A_COUNTRY: TransformError =
    TransformError::NotOfType { transform: "country", expected: "a country of ISO 3166-1" };

impl Country {
    /// With the application's notation as argument.
    pub(crate) fn build(argument: &Value) -> Result<Self, TransformFault> {
        let notation = match argument.as_str() {
            Some("alpha2") => Notation::Alpha2,
            Some("alpha3") => Notation::Alpha3,
            Some("name") => Notation::Name,
            Some(_) | None => {
                return Err(TransformFault::BadArgument {
                    name: "country",
                    message: "it takes alpha2, alpha3 or name".to_owned(),
                });
            }
        };
        Ok(Self { notation })
    }
}

impl Transform for Country {
    fn name(&self) -> &'static str {
        "country"
    }

    fn to_scim(&self, native: &Value) -> Result<Value, TransformError> {
        let text = native.as_str().ok_or(NOT_A_COUNTRY)?;
        let entry = match self.notation {
            Notation::Alpha2 => INDEX.alpha2(text),
            Notation::Alpha3 => INDEX.alpha3(text),
            Notation::Name => INDEX.named(text),
        };
        entry.map(|entry| Value::from(entry.alpha2)).ok_or(NOT_A_COUNTRY)
    }

    fn to_native(&self, scim: &Value, current: Option<&Value>) -> Result<Value, TransformError> {
        let text = scim.as_str().ok_or(NOT_A_COUNTRY)?;
        let entry = INDEX.find(text).ok_or(NOT_A_COUNTRY)?;
        if let Some(current) = keeps(self, &Value::from(entry.alpha2), current) {
            return Ok(current.clone());
        }
        Ok(Value::from(match self.notation {
            Notation::Alpha2 => entry.alpha2,
            Notation::Alpha3 => entry.alpha3,
            Notation::Name => entry.name,
        }))
    }

    fn class(&self) -> Class {
        Class::Quotient
    }

    fn remark(&self) -> Option<&'static str> {
        Some("same country")
    }

    fn is_same(&self, left: &Value, right: &Value) -> bool {
        let code = |value: &Value| Some(INDEX.find(value.as_str()?)?.alpha2);
        code(left).is_some() && code(left) == code(right)
    }

    fn samples(&self) -> Vec<Value> {
        ["NL", "US", "GB", "CI", "TR", "nl", "USA", "Türkiye", "Côte d'Ivoire"]
            .map(Value::from)
            .to_vec()
    }

    fn native_samples(&self) -> Vec<Value> {
        let countries: &[&str] = match self.notation {
            Notation::Alpha2 => &["NL", "US", "gb"],
            Notation::Alpha3 => &["NLD", "USA", "gbr"],
            Notation::Name => &[
                "Netherlands",
                "United States of America",
                "Côte d’Ivoire",
                "St. Lucia",
                "Bosnia & Herzegovina",
                "czech republic",
            ],
        };
        countries.iter().copied().map(Value::from).collect()
    }
}

/// A country.
#[derive(Debug, Clone, Copy)]
struct Entry {
    alpha2: &'static str,
    alpha3: &'static str,
    /// The name that is written.
    name: &'static str,
}

/// Where countries are found.
#[derive(Default)]
struct Index {
    alpha2: BTreeMap<&'static str, Entry>,
    alpha3: BTreeMap<&'static str, Entry>,
    names: BTreeMap<String, Entry>,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut index = Index::default();
    for line in COUNTRIES.lines() {
        let Some((alpha2, rest)) = line.split_once(' ') else { continue };
        let Some((alpha3, names)) = rest.split_once(' ') else { continue };
        let name = names.split('|').next().unwrap_or(names);
        let entry = Entry { alpha2, alpha3, name };
        index.alpha2.insert(alpha2, entry);
        index.alpha3.insert(alpha3, entry);
        index.names.extend(names.split('|').map(|name| (key(name), entry)));
    }
    index
});

impl Index {
    fn alpha2(&self, code: &str) -> Option<Entry> {
        self.alpha2.get(code.to_ascii_uppercase().as_str()).copied()
    }

    fn alpha3(&self, code: &str) -> Option<Entry> {
        self.alpha3.get(code.to_ascii_uppercase().as_str()).copied()
    }

    /// By any code or name.
    fn find(&self, text: &str) -> Option<Entry> {
        self.alpha2(text).or_else(|| self.alpha3(text)).or_else(|| self.named(text))
    }

    fn named(&self, name: &str) -> Option<Entry> {
        self.names.get(&key(name)).copied()
    }
}

/// A name without what people write now this way and now that: letter case, accents, punctuation,
/// articles, `&` for `and` and `St.` for `Saint`.
fn key(name: &str) -> String {
    let plain: String = name
        .nfkd()
        .filter(|letter| !is_combining_mark(*letter))
        .flat_map(char::to_lowercase)
        .filter(|letter| !matches!(letter, '.' | '\'' | '’'))
        .collect();
    let spelled = plain.replace('&', " and ");
    let words = spelled.split(|letter: char| !letter.is_alphanumeric());
    words
        .filter(|word| !word.is_empty() && *word != "the")
        .map(|word| if word == "st" { "saint" } else { word })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use crate::mapping::transform::country::{Country, INDEX, key};
    use crate::mapping::transform::country_names::COUNTRIES;
    use crate::mapping::transform::kind::{Transform, laws};

    fn country(notation: &str) -> Country {
        Country::build(&json!(notation)).unwrap()
    }

    fn check(notation: &str, native: &str, scim: &str) {
        assert_eq!(country(notation).to_scim(&json!(native)), Ok(json!(scim)), "{native}");
    }

    fn check_written(notation: &str, scim: &str, native: &str) {
        assert_eq!(country(notation).to_native(&json!(scim), None), Ok(json!(native)), "{scim}");
    }

    #[test]
    fn codes_and_names_correspond() {
        for (notation, native) in [("alpha2", "NL"), ("alpha3", "NLD"), ("name", "Netherlands")] {
            check(notation, native, "NL");
            check(notation, &native.to_lowercase(), "NL");
            for scim in ["NL", "nl", "NLD", "netherlands", "The Netherlands", "Holland"] {
                check_written(notation, scim, native);
            }
        }
        for (name, scim) in [
            ("USA", "US"),
            ("United States of America", "US"),
            ("Cote d'Ivoire", "CI"),
            ("Côte d’Ivoire", "CI"),
            ("Saint Kitts and Nevis", "KN"),
            ("ST. KITTS & NEVIS", "KN"),
            ("Korea, Republic of", "KR"),
            ("Congo", "CG"),
            ("DR Congo", "CD"),
            ("Türkiye", "TR"),
            ("Turkey", "TR"),
            ("Kosovo", "XK"),
        ] {
            check_written("alpha2", name, scim);
        }
        check_written("name", "CD", "Democratic Republic of the Congo");
    }

    #[test]
    fn the_spelling_that_is_there_stays() {
        let named = country("name");
        let holland = json!("Holland");
        assert_eq!(named.to_native(&json!("NL"), Some(&holland)), Ok(holland.clone()));
        assert_eq!(named.to_native(&json!("nld"), Some(&holland)), Ok(holland.clone()));
        assert_eq!(named.to_native(&json!("BE"), Some(&holland)), Ok(json!("Belgium")));
    }

    #[test]
    fn what_is_no_country_is_refused() {
        for notation in ["alpha2", "alpha3", "name"] {
            for refused in [json!(null), json!(""), json!("ZZ"), json!("Atlantis"), json!(528)] {
                assert!(country(notation).to_scim(&refused).is_err(), "{notation} {refused}");
                assert!(country(notation).to_native(&refused, None).is_err(), "{refused}");
            }
        }
        assert!(country("alpha2").to_scim(&json!("NLD")).is_err());
        assert!(country("alpha3").to_scim(&json!("NL")).is_err());
        for argument in [json!(null), json!("numeric"), json!(3)] {
            assert!(Country::build(&argument).is_err());
        }
    }

    #[test]
    fn laws_hold_for_every_country() {
        let (alpha2, alpha3, name) = (country("alpha2"), country("alpha3"), country("name"));
        let hold = |country: &Country, native: &str| {
            assert!(country.to_scim(&json!(native)).is_ok(), "{native}");
            laws::hold_for_native(country, &json!(native));
            laws::hold_for_native(country, &json!(native.to_lowercase()));
        };
        let mut names = 0;
        for line in COUNTRIES.lines() {
            let [code2, code3, rest] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else {
                panic!("{line}");
            };
            assert!(code2.len() == 2 && code3.len() == 3 && !rest.is_empty(), "{line}");
            hold(&alpha2, code2);
            hold(&alpha3, code3);
            for each in rest.split('|') {
                names += 1;
                hold(&name, each);
                for country in [&alpha2, &alpha3, &name] {
                    laws::hold_for_scim(country, &json!(each));
                    laws::hold_for_scim(country, &json!(code2));
                    laws::hold_for_scim(country, &json!(code3));
                }
            }
        }
        assert_eq!(names, INDEX.names.len(), "no name stands for two countries");
        assert_eq!(INDEX.alpha2.len(), 250);
        assert_eq!(INDEX.alpha3.len(), 250);
    }

    #[test]
    fn names_are_not_taken_for_codes() {
        for (name, entry) in &INDEX.names {
            let coded = INDEX.alpha2(name).or_else(|| INDEX.alpha3(name));
            assert!(coded.is_none_or(|coded| coded.alpha2 == entry.alpha2), "{name}");
        }
    }

    #[test]
    fn samples_are_of_the_domain() {
        for notation in ["alpha2", "alpha3", "name"] {
            let country = country(notation);
            let readable = |native: &Value| country.to_scim(native).is_ok();
            assert!(country.native_samples().iter().all(readable));
            assert!(country.samples().iter().all(|scim| country.to_native(scim, None).is_ok()));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            for notation in ["alpha2", "alpha3", "name"] {
                laws::hold_for_native(&country(notation), &json!(text));
                laws::hold_for_scim(&country(notation), &json!(text));
            }
            prop_assert_eq!(key(&key(&text)).len(), key(&key(&key(&text))).len());
        }
    }
}
