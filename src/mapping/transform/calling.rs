//! Telephone numbers: international ones, and how a country writes its own.
//!
//! Only digits, `+` and what people put between digits are read; a number with an extension or
//! letters is none. Whether a number is in service, or could be, is the application's business.

use crate::mapping::transform::calling_codes::CALLING_CODES;

/// An international number: the digits of E.164, without the plus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct International(String);

/// How a country writes its own numbers.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    code: &'static str,
    /// What a number may begin with and does not count.
    trunk: &'static str,
    /// What a number is written with.
    written_trunk: &'static str,
    fewest: usize,
    most: usize,
    /// What stands for the plus.
    exit: &'static str,
    /// What numbers that are written without trunk prefix begin with.
    bare: Vec<&'static str>,
}

impl International {
    /// A number with its plus, as people write it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.trim().strip_prefix('+')?;
        // The trunk prefix in brackets, as in `+31 (0)20`, is not dialled from abroad.
        Self::of(digits_of(&digits.replacen("(0)", "", 1))?)
    }

    /// Digits with the calling code. E.164 has at most 15; no country has fewer than 7.
    fn of(digits: String) -> Option<Self> {
        (!digits.starts_with('0') && (7..=15).contains(&digits.len())).then_some(Self(digits))
    }

    /// With its plus and nothing between the digits.
    pub(crate) fn e164(&self) -> String {
        format!("+{}", self.0)
    }
}

impl Plan {
    /// The plan of a country, given by its alpha-2 code.
    pub(crate) fn of(country: &str) -> Option<Self> {
        let lines = CALLING_CODES.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        for line in lines {
            let [countries, code, trunk, written_trunk, fewest, most, exit, bare] = line[..] else {
                continue;
            };
            if countries.split(',').any(|listed| listed == country) {
                return Some(Self {
                    code,
                    trunk: given(trunk),
                    written_trunk: given(written_trunk),
                    fewest: fewest.parse().ok()?,
                    most: most.parse().ok()?,
                    exit: given(exit),
                    bare: given(bare).split(',').filter(|prefix| !prefix.is_empty()).collect(),
                });
            }
        }
        None
    }

    /// A number as people of the country write it, or an international one.
    pub(crate) fn read(&self, text: &str) -> Option<International> {
        if text.trim().starts_with('+') {
            return International::parse(text);
        }
        let digits = digits_of(text.trim())?;
        if let Some(abroad) = digits.strip_prefix(self.exit).filter(|_| !self.exit.is_empty()) {
            return International::of(abroad.to_owned());
        }
        // No number begins like this; where calls abroad begin with a carrier's code, they do.
        if digits.starts_with("00") {
            return None;
        }
        let fits = |number: &&str| (self.fewest..=self.most).contains(&number.len());
        let number = digits.strip_prefix(self.trunk).filter(fits);
        let number = number.or_else(|| Some(digits.as_str()).filter(fits))?;
        International::of(format!("{}{number}", self.code))
    }

    /// A number as the country writes it: numbers of other countries, and those that could be
    /// mistaken, with plus and calling code.
    pub(crate) fn write(&self, number: &International) -> String {
        let written = number.0.strip_prefix(self.code).map(|own| {
            let is_bare = self.bare.iter().any(|prefix| own.starts_with(prefix));
            let trunk = if is_bare { "" } else { self.written_trunk };
            format!("{trunk}{own}")
        });
        let same = |written: &String| self.read(written).as_ref() == Some(number);
        written.filter(same).unwrap_or_else(|| number.e164())
    }
}

fn given(column: &'static str) -> &'static str {
    if column == "-" { "" } else { column }
}

/// The digits of a text that consists of digits and what people put between them.
fn digits_of(text: &str) -> Option<String> {
    let is_between = |letter: char| {
        matches!(letter, ' ' | '-' | '.' | '(' | ')' | '/' | '\u{a0}' | '\u{2010}' | '\u{2011}')
    };
    let is_number = |letter: char| letter.is_ascii_digit() || is_between(letter);
    text.chars().all(is_number).then(|| text.chars().filter(char::is_ascii_digit).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use crate::mapping::transform::calling::{International, Plan};
    use crate::mapping::transform::calling_codes::CALLING_CODES;

    fn countries() -> Vec<&'static str> {
        CALLING_CODES.lines().flat_map(|line| line.split(' ').next().unwrap().split(',')).collect()
    }

    static PLANS: LazyLock<Vec<(&str, Plan)>> = LazyLock::new(|| {
        let plan = |country| (country, Plan::of(country).unwrap());
        countries().into_iter().map(plan).collect()
    });

    /// What is written as what, and that it is read again.
    fn check(country: &str, international: &str, national: &str) {
        let plan = Plan::of(country).unwrap();
        let number = International::parse(international).unwrap();
        assert_eq!(plan.write(&number), national, "{country}");
        check_read(country, national, international);
    }

    fn check_read(country: &str, national: &str, international: &str) {
        let read = Plan::of(country).unwrap().read(national);
        assert_eq!(read.map(|number| number.e164()).as_deref(), Some(international), "{country}");
    }

    #[test]
    fn countries_write_their_own_numbers() {
        check("NL", "+31201234567", "0201234567");
        check("DE", "+4930123456", "030123456");
        check("GB", "+442071838750", "02071838750");
        check("FR", "+33142685300", "0142685300");
        check("IT", "+390669812345", "0669812345");
        check("ES", "+34912345678", "912345678");
        check("US", "+12015550123", "2015550123");
        check("CA", "+12015550123", "2015550123");
        check("RU", "+79161234567", "89161234567");
        check("RU", "+78001234567", "88001234567");
        check("HU", "+3612345678", "0612345678");
        check("AU", "+61412345678", "0412345678");
        check("AU", "+611300123456", "1300123456");
        check("IN", "+919876543210", "09876543210");
        check("CN", "+8613812345678", "13812345678");
        check("CN", "+861012345678", "01012345678");
        check("JP", "+81312345678", "0312345678");
        check("BR", "+5511961234567", "11961234567");
        // Those of other countries, and one that cannot be of the country.
        check("NL", "+3225551234", "+3225551234");
        check("NL", "+31999999999999", "+31999999999999");
    }

    #[test]
    fn people_write_numbers_in_many_ways() {
        for text in ["020 123 45 67", "(020) 123-4567", "020/1234567", "20 1234567"] {
            check_read("NL", text, "+31201234567");
        }
        for text in ["+31 (0)20 123 4567", " +31-20-1234567", "0031 20 1234567", "+31.201234567"] {
            check_read("NL", text, "+31201234567");
        }
        check_read("US", "1 (201) 555-0123", "+12015550123");
        check_read("US", "011 31 20 1234567", "+31201234567");
        check_read("RU", "8 (800) 123-45-67", "+78001234567");
        check_read("RU", "8001234567", "+78001234567");
        check_read("GB", "+44 20\u{a0}7183 8750", "+442071838750");
    }

    #[test]
    fn other_texts_are_no_numbers() {
        let refused = [
            "",
            "+",
            "020",
            "0201234567 ext. 12",
            "020123456789012",
            "1-800-FLOWERS",
            "+0201234567",
            "++31201234567",
            "+31+201234567",
            "+1234567890123456",
            "0",
            "--",
            "٠٢٠١٢٣٤٥٦٧",
        ];
        for text in refused {
            assert_eq!(Plan::of("NL").unwrap().read(text), None, "{text}");
        }
        assert_eq!(Plan::of("KR").unwrap().read("00701 31 20 1234567"), None);
        assert_eq!(International::parse("0031201234567"), None);
    }

    #[test]
    fn every_line_is_a_plan() {
        let countries = countries();
        assert!(countries.len() > 230);
        assert!(countries.iter().all(|country| Plan::of(country).is_some()));
        for unknown in ["AR", "ZZ", "nl", "", "-"] {
            assert!(Plan::of(unknown).is_none(), "{unknown}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(own in "[0-9]{3,14}", code in "[1-9][0-9]{0,2}") {
            for (country, plan) in PLANS.iter() {
                for digits in [format!("{}{own}", plan.code), format!("{code}{own}")] {
                    let Some(number) = International::of(digits) else { continue };
                    let written = plan.write(&number);
                    prop_assert_eq!(plan.read(&written), Some(number), "{} {}", country, written);
                }
                if let Some(number) = plan.read(&own) {
                    prop_assert_eq!(plan.read(&plan.write(&number)), Some(number), "{}", country);
                }
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            if let Some(number) = Plan::of("NL").unwrap().read(&text) {
                prop_assert_eq!(International::parse(&number.e164()), Some(number));
            }
        }
    }
}
