//! Text that PostgreSQL cannot hold: it has no U+0000, which ids of clients and keys of
//! applications may contain. U+0001 becomes the mark of an escape; order and equality stay.

use serde_json::Value;

const MARK: char = '\u{1}';

/// The text as PostgreSQL keeps it.
pub(in crate::store) fn to_postgres(text: String) -> String {
    if !text.contains(['\0', MARK]) {
        return text;
    }
    let mut kept = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\0' => kept.extend([MARK, '0']),
            MARK => kept.extend([MARK, '1']),
            other => kept.push(other),
        }
    }
    kept
}

/// JSON whose strings are as PostgreSQL keeps them.
pub(in crate::store) fn json_to_postgres(json: String) -> String {
    // JSON writes both characters in no other way. Whatever else is written so is read in vain.
    if !json.contains("\\u000") {
        return json;
    }
    serde_json::from_str(&json).map_or(json, |value| strings_to_postgres(value).to_string())
}

fn strings_to_postgres(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(to_postgres(text)),
        Value::Array(elements) => elements.into_iter().map(strings_to_postgres).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| (to_postgres(name), strings_to_postgres(value)))
            .collect(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
    }
}

/// The text that was kept.
pub(in crate::store) fn from_postgres(kept: String) -> String {
    if !kept.contains(MARK) {
        return kept;
    }
    let mut text = String::with_capacity(kept.len());
    let mut characters = kept.chars();
    while let Some(character) = characters.next() {
        match character {
            MARK if characters.next() == Some('0') => text.push('\0'),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop, proptest};
    use serde_json::Value;

    use crate::store::text::{from_postgres, json_to_postgres, to_postgres};

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn texts_come_back_and_keep_their_order(
            one in prop::collection::vec(prop::sample::select(vec!['\0', '\u{1}', '0', '1', 'ä']), 0..6),
            other in any::<String>(),
        ) {
            let one = String::from_iter(one);
            for text in [&one, &other] {
                let kept = to_postgres(text.clone());
                assert!(!kept.contains('\0'));
                assert_eq!(&from_postgres(kept), text);
            }
            let json = Value::from(vec![one.clone(), other.clone()]);
            let kept: Vec<String> = serde_json::from_str(&json_to_postgres(json.to_string()))?;
            assert_eq!(kept, [to_postgres(one.clone()), to_postgres(other.clone())]);
            let kept = (to_postgres(one.clone()), to_postgres(other.clone()));
            assert_eq!(kept.0.cmp(&kept.1), one.cmp(&other));
        }
    }
}
