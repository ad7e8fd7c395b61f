//! Text compared without letter case (RFC 7643 section 2.2, `caseExact: false`), and without
//! regard to how accents are composed, as RFC 7644 section 5 asks of `userName`. The PRECIS
//! profile's mapping of full-width letters and its forbidden characters are not applied.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;

/// The form in which texts that differ only in letter case or composition are equal.
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Cow::Owned(text.to_ascii_lowercase());
        }
        return Cow::Borrowed(text);
    }
    // Down, up and down again, so that letters with two small forms (`σ` and `ς`) or two capital
    // ones (`ẞ` and `SS`) meet; letter by letter, so that `co`, `sw` and `ew` see no context.
    let upper = text.nfd().flat_map(char::to_lowercase).flat_map(char::to_uppercase);
    Cow::Owned(upper.flat_map(char::to_lowercase).nfc().collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use crate::scim::filter::fold::fold;

    #[test]
    fn letter_case_and_composition_make_no_difference() {
        for (one, other) in [
            ("Ada", "aDA"),
            ("ÜNAL", "ünal"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
            ("Straße", "STRASSE"),
            ("GROẞ", "gross"),
            ("JOSÉ", "jose\u{301}"),
        ] {
            assert_eq!(fold(one), fold(other));
        }
        assert_ne!(fold("ada"), fold("adb"));
        assert_ne!(fold("jose"), fold("josé"));
    }

    proptest! {
        #[test]
        fn what_is_folded_stays_as_it_is(text in any::<String>()) {
            let once = fold(&text).into_owned();
            assert_eq!(fold(&once), once);
        }
    }
}
