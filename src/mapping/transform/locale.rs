//! `locale`: language tags of BCP 47 for SCIM, as RFC 7643 section 4.1.1 asks of `locale` and
//! `preferredLanguage`, and the application's notation.
//!
//! Identity providers write `en_US` as well, so that is read from both sides. The dialect is the one
//! of Unicode: the grandfathered tags of BCP 47, such as `i-klingon`, are refused.

use std::collections::BTreeMap;

use icu_locale_core::Locale as Tag;
use icu_locale_core::subtags::{Language, Region, Script, Variant};
use serde_json::{Map, Value};

use crate::mapping::transform::kind::{Class, Transform, TransformError, TransformFault, keeps};

/// `locale`.
#[derive(Debug)]
pub(crate) struct Locale {
    notation: Notation,
}

/// What the application writes.
#[derive(Debug)]
enum Notation {
    /// `en-US`
    Bcp47,
    /// `en_US`
    Posix,
    /// `en`, and the region that it is read with.
    Language(BTreeMap<String, Region>),
}

const NOT_A_TAG: TransformError =
    TransformError::NotOfType { transform: "locale", expected: "a language tag" };

const NO_COUNTERPART: TransformError = TransformError::NoCounterpart { transform: "locale" };

/// What glibc writes behind an `@` where BCP 47 names a script.
const MODIFIERS: [(&str, &str); 4] =
    [("latin", "Latn"), ("cyrillic", "Cyrl"), ("devanagari", "Deva"), ("arabic", "Arab")];

impl Locale {
    /// With the application's notation as argument; `regions` as option.
    pub(crate) fn build(
        argument: &Value,
        options: &Map<String, Value>,
    ) -> Result<Self, TransformFault> {
        let fault = |message| TransformFault::BadArgument { name: "locale", message };
        let regions = options.get("regions");
        let notation = match argument.as_str() {
            Some("bcp47") => Notation::Bcp47,
            Some("posix") => Notation::Posix,
            Some("language") => Notation::Language(read_regions(regions).map_err(fault)?),
            Some(_) | None => return Err(fault("it takes bcp47, posix or language".to_owned())),
        };
        if regions.is_some() && !matches!(notation, Notation::Language(_)) {
            return Err(fault("regions have a meaning with language only".to_owned()));
        }
        Ok(Self { notation })
    }

    fn read(&self, native: &Value) -> Result<Tag, TransformError> {
        let text = native.as_str().ok_or(NOT_A_TAG)?;
        match &self.notation {
            Notation::Bcp47 => parse(text),
            // What could not be written again is no such notation.
            Notation::Posix => {
                read_posix(text).filter(|tag| write_posix(tag).is_some()).ok_or(NOT_A_TAG)
            }
            Notation::Language(regions) => {
                let language: Language = text.parse().map_err(|_| NOT_A_TAG)?;
                let mut tag = Tag::UNKNOWN;
                tag.id.language = language;
                tag.id.region = regions.get(language.as_str()).copied();
                Ok(tag)
            }
        }
    }
}

impl Transform for Locale {
    fn name(&self) -> &'static str {
        "locale"
    }

    fn to_scim(&self, native: &Value) -> Result<Value, TransformError> {
        Ok(Value::from(self.read(native)?.to_string()))
    }

    fn to_native(&self, scim: &Value, current: Option<&Value>) -> Result<Value, TransformError> {
        let wanted = parse(scim.as_str().ok_or(NOT_A_TAG)?)?;
        if let Some(current) = keeps(self, &Value::from(wanted.to_string()), current) {
            return Ok(current.clone());
        }
        match &self.notation {
            Notation::Bcp47 => Ok(Value::from(wanted.to_string())),
            Notation::Posix => write_posix(&wanted).map(Value::from).ok_or(NO_COUNTERPART),
            Notation::Language(_) => Ok(Value::from(wanted.id.language.as_str())),
        }
    }

    fn class(&self) -> Class {
        match &self.notation {
            Notation::Bcp47 | Notation::Posix => Class::Quotient,
            Notation::Language(_) => Class::Lossy,
        }
    }

    fn remark(&self) -> Option<&'static str> {
        match &self.notation {
            Notation::Bcp47 | Notation::Posix => Some("letter case and separator"),
            Notation::Language(_) => Some("the language"),
        }
    }

    fn is_same(&self, left: &Value, right: &Value) -> bool {
        let tag = |value: &Value| value.as_str().and_then(|text| parse(text).ok());
        tag(left).is_some_and(|left| Some(left) == tag(right))
    }

    fn samples(&self) -> Vec<Value> {
        let tags = [
            "en-US",
            "en-GB",
            "de",
            "zh-Hant-TW",
            "sr-Latn-RS",
            "es-419",
            "ca-ES-valencia",
            "de-CH-1901",
            "fil-PH",
            "en_us",
            "en-US-u-ca-gregory",
        ];
        tags.map(Value::from).to_vec()
    }

    fn native_samples(&self) -> Vec<Value> {
        let tags: &[&str] = match &self.notation {
            Notation::Bcp47 => &["en-US", "zh-hant-tw", "de", "en_GB", "sr-Latn-RS"],
            Notation::Posix => {
                &["en_US", "de_DE.UTF-8", "sr_RS@latin", "ca_ES.utf8@valencia", "de", "de_DE@euro"]
            }
            Notation::Language(_) => &["en", "de", "zh", "FR", "fil"],
        };
        tags.iter().copied().map(Value::from).collect()
    }
}

fn read_regions(regions: Option<&Value>) -> Result<BTreeMap<String, Region>, String> {
    let Some(regions) = regions else { return Ok(BTreeMap::new()) };
    let regions = regions.as_object().ok_or("regions are a map such as { en: US }")?;
    let read = |(language, region): (&String, &Value)| {
        let read: Option<Language> = language.parse().ok();
        let read = read.ok_or_else(|| format!("there is no language {language:?}"))?;
        let region: Option<Region> = region.as_str().and_then(|region| region.parse().ok());
        let region = region.ok_or_else(|| format!("the region of {language:?} is no region"))?;
        Ok((read.as_str().to_owned(), region))
    };
    regions.iter().map(read).collect()
}

/// A tag with hyphens or underscores.
fn parse(text: &str) -> Result<Tag, TransformError> {
    text.replace('_', "-").parse().map_err(|_| NOT_A_TAG)
}

/// `language_REGION.codeset@modifier`, and ICU's `language_Script_REGION`. The codeset says nothing
/// about the language, and neither does the currency.
fn read_posix(text: &str) -> Option<Tag> {
    let (text, modifier) =
        text.split_once('@').map_or((text, None), |(text, modifier)| (text, Some(modifier)));
    let (text, _) = text.split_once('.').unwrap_or((text, ""));
    let mut tag = parse(text).ok()?;
    let Some(modifier) = modifier.filter(|modifier| *modifier != "euro") else { return Some(tag) };
    let script = MODIFIERS.iter().find(|(name, _)| *name == modifier).map(|(_, script)| *script);
    let script: Option<Script> = script.and_then(|script| script.parse().ok());
    if let Some(script) = script {
        tag.id.script = Some(script);
        return Some(tag);
    }
    let variant: Variant = modifier.parse().ok()?;
    // Parsed again, because variants have an order.
    parse(&format!("{tag}-{variant}")).ok()
}

/// `None` when there is no such notation of the tag.
fn write_posix(tag: &Tag) -> Option<String> {
    let id = &tag.id;
    let mut text = id.language.as_str().to_owned();
    let mut modifier = None;
    if let Some(script) = &id.script {
        match MODIFIERS.iter().find(|(_, name)| *name == script.as_str()) {
            Some((name, _)) => modifier = Some((*name).to_owned()),
            None => text.extend(["_", script.as_str()]),
        }
    }
    if let Some(region) = &id.region {
        text.extend(["_", region.as_str()]);
    }
    for variant in id.variants.iter() {
        if modifier.replace(variant.as_str().to_owned()).is_some() {
            return None;
        }
    }
    if let Some(modifier) = modifier {
        text.extend(["@", &modifier]);
    }
    // Extensions have no place, and a variant may be called like a script.
    (read_posix(&text).as_ref() == Some(tag)).then_some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use crate::mapping::transform::kind::{Transform, laws};
    use crate::mapping::transform::locale::Locale;

    fn locale(notation: &str) -> Locale {
        Locale::build(&json!(notation), &Map::new()).unwrap()
    }

    fn language(regions: &Value) -> Locale {
        let options = json!({ "regions": regions });
        Locale::build(&json!("language"), options.as_object().unwrap()).unwrap()
    }

    /// What is read as what, and that it is written again.
    fn check(notation: &str, native: &str, scim: &str) {
        check_read(notation, native, scim);
        check_written(notation, scim, native);
    }

    fn check_read(notation: &str, native: &str, scim: &str) {
        let read = locale(notation).to_scim(&json!(native));
        assert_eq!(read, Ok(json!(scim)), "{notation} {native}");
    }

    fn check_written(notation: &str, scim: &str, native: &str) {
        let written = locale(notation).to_native(&json!(scim), None);
        assert_eq!(written, Ok(json!(native)), "{notation} {scim}");
    }

    #[test]
    fn tags_correspond() {
        check("bcp47", "en-US", "en-US");
        check_read("bcp47", "EN_us", "en-US");
        check_written("bcp47", "zh_hant_tw", "zh-Hant-TW");
        check_written("bcp47", "en-US-u-ca-gregory", "en-US-u-ca-gregory");
        check("posix", "en_US", "en-US");
        check("posix", "de", "de");
        check("posix", "sr_RS@latin", "sr-Latn-RS");
        check("posix", "ca_ES@valencia", "ca-ES-valencia");
        check("posix", "zh_Hant_TW", "zh-Hant-TW");
        check("posix", "es_419", "es-419");
        check_read("posix", "en_US.UTF-8", "en-US");
        check_read("posix", "de_DE.ISO-8859-15@euro", "de-DE");
        check_read("posix", "en-us", "en-US");
        check("language", "en", "en");
        check_written("language", "en-GB", "en");
        check_written("language", "pt_BR", "pt");
    }

    #[test]
    fn a_language_is_read_with_its_region() {
        let language = language(&json!({ "en": "US", "DE": "at" }));
        assert_eq!(language.to_scim(&json!("en")), Ok(json!("en-US")));
        assert_eq!(language.to_scim(&json!("de")), Ok(json!("de-AT")));
        assert_eq!(language.to_scim(&json!("fr")), Ok(json!("fr")));
        assert_eq!(language.to_native(&json!("en-US"), None), Ok(json!("en")));
        assert_eq!(language.to_native(&json!("en-GB"), None), Ok(json!("en")));
        assert!(language.to_scim(&json!("en-US")).is_err());
    }

    #[test]
    fn the_spelling_that_is_there_stays() {
        let posix = locale("posix");
        let there = json!("en_US.UTF-8");
        assert_eq!(posix.to_native(&json!("en-us"), Some(&there)), Ok(there.clone()));
        assert_eq!(posix.to_native(&json!("en-GB"), Some(&there)), Ok(json!("en_GB")));
        let bcp47 = locale("bcp47");
        assert_eq!(bcp47.to_native(&json!("en-US"), Some(&json!("en_us"))), Ok(json!("en_us")));
    }

    #[test]
    fn other_texts_are_refused() {
        for notation in ["bcp47", "posix", "language"] {
            let locale = locale(notation);
            for refused in [
                json!(null),
                json!(""),
                json!(" "),
                json!("english"),
                json!("e"),
                json!("en--US"),
                json!("en-US,de;q=0.8"),
                json!("C"),
                json!("i-klingon"),
                json!(1),
            ] {
                assert!(locale.to_scim(&refused).is_err(), "{notation} {refused}");
                assert!(locale.to_native(&refused, None).is_err(), "{notation} {refused}");
            }
        }
        for refused in ["en-US-u-ca-gregory", "de-1901-1996", "sr-latin", "sr-Latn-RS-ekavsk"] {
            assert!(locale("posix").to_native(&json!(refused), None).is_err(), "{refused}");
        }
    }

    #[test]
    fn arguments_are_checked() {
        let build = |argument: Value, options: Value| {
            Locale::build(&argument, options.as_object().unwrap())
                .map_err(|fault| fault.to_string())
        };
        for (argument, options, expected) in [
            (json!(null), json!({}), "it takes bcp47, posix or language"),
            (json!("iso"), json!({}), "it takes bcp47, posix or language"),
            (json!("posix"), json!({ "regions": {} }), "with language only"),
            (json!("language"), json!({ "regions": "US" }), "a map such as"),
            (json!("language"), json!({ "regions": { "en-US": "US" } }), "no language \"en-US\""),
            (json!("language"), json!({ "regions": { "en": "USA" } }), "is no region"),
            (json!("language"), json!({ "regions": { "en": 840 } }), "is no region"),
        ] {
            let fault = build(argument, options).unwrap_err();
            assert!(fault.contains(expected), "{fault}");
        }
    }

    #[test]
    fn samples_are_of_the_domain() {
        for notation in ["bcp47", "posix", "language"] {
            let locale = locale(notation);
            let readable = |native: &Value| locale.to_scim(native).is_ok();
            assert!(locale.native_samples().iter().all(readable), "{notation}");
            let written =
                locale.samples().iter().filter(|tag| locale.to_native(tag, None).is_ok()).count();
            assert!(written + 1 >= locale.samples().len(), "{notation}");
        }
    }

    fn hold(text: &str) {
        for locale in [
            locale("bcp47"),
            locale("posix"),
            locale("language"),
            language(&json!({ "en": "US", "aa": "DE", "und": "001" })),
        ] {
            laws::hold_for_native(&locale, &json!(text));
            laws::hold_for_scim(&locale, &json!(text));
        }
    }

    proptest! {
        #[test]
        fn laws_hold_for_tags(tag in "[a-zA-Z]{2,3}([-_](Latn|hant|CYRL|Goth))?([-_]([a-zA-Z]{2}|[0-9]{3}))?([-_](valencia|latin|1901|euro1|rozaj)){0,2}(-u-ca-buddhist|-x-foo)?") {
            hold(&tag);
        }

        #[test]
        fn laws_hold_for_posix(
            tag in "[a-z]{2,3}(_[A-Z]{2})?(\\.UTF-8|\\.)?(@(latin|cyrillic|euro|valencia|saaho|x|Latin|ARABIC))?"
        ) {
            hold(&tag);
        }

        #[test]
        fn laws_hold_for_texts(text in any::<String>()) {
            hold(&text);
        }
    }
}
