//! Which tokens end soon, so that somebody issues others before an identity provider is refused.
//!
//! Several tokens of a tenant under one label are one thing to the identity provider: what counts
//! is the one that lasts longest. An older one is told of only while it is still in use, because
//! then the identity provider has not been given its successor.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::auth::authenticate::{Known, TokenTable};

/// Nothing is said of tokens that last longer.
const WARNED_FROM: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How long a token that has expired is told of; one that is revoked never is.
const MOURNED: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Until when the tokens of a label open their tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifetime {
    /// The tenant.
    pub tenant: String,
    /// What the administrator calls them.
    pub label: String,
    /// When the last of them expires, or has expired.
    pub expires: Timestamp,
}

impl Lifetime {
    /// Seconds that are left; below 0 when it has expired.
    pub fn seconds_left(&self, now: Timestamp) -> i64 {
        self.expires.duration_since(now).as_secs()
    }
}

/// A token that somebody should look after.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// The tenant.
    pub tenant: String,
    /// What the administrator calls the token.
    pub label: String,
    /// What is the matter.
    pub kind: WarningKind,
    /// Whole days that are left, rounded up; 0 when none is.
    pub days: i64,
}

/// What is the matter with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WarningKind {
    /// It ends soon and has no successor.
    Ends,
    /// It has ended and has no successor.
    Ended,
    /// It ends soon and is still in use although it has a successor.
    NotReplaced,
}

impl Warning {
    /// How urgent it is: the number of days, of 30, 7, 1 and 0, that it has come down to.
    pub fn stage(&self) -> i64 {
        [0, 1, 7].into_iter().find(|stage| self.days <= *stage).unwrap_or(30)
    }

    /// The warning without names, for where they stand beside it.
    pub fn text(&self) -> String {
        let days = self.days;
        let plural = if days == 1 { "" } else { "s" };
        match self.kind {
            WarningKind::Ends => {
                format!("expires in {days} day{plural}; run: scimbridge token rotate")
            }
            WarningKind::Ended => {
                "has expired; issue another one, or revoke it if nobody needs it".to_owned()
            }
            WarningKind::NotReplaced => format!(
                "was rotated but is still in use, and expires in {days} day{plural}; give the \
                 identity provider the new one"
            ),
        }
    }
}

/// The lifetimes of all labels that have one, by tenant and label. Labels with a token that never
/// expires have none.
pub fn lifetimes(table: &TokenTable, now: Timestamp) -> Vec<Lifetime> {
    let mut lifetimes = Vec::new();
    for ((tenant, label), tokens) in labels(table) {
        let last = tokens.iter().map(|token| token.expires());
        // `None` means never here, and is the smallest to the compiler.
        if last.clone().any(|expires| expires.is_none()) {
            continue;
        }
        let Some(expires) = last.flatten().max() else { continue };
        if now.duration_since(expires) <= MOURNED {
            let (tenant, label) = (tenant.to_owned(), label.to_owned());
            lifetimes.push(Lifetime { tenant, label, expires });
        }
    }
    lifetimes
}

/// What somebody should look after, by tenant and label.
pub fn warnings(table: &TokenTable, now: Timestamp) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |tenant: &str, label: &str, kind: WarningKind, expires: Timestamp| {
        let days = (expires.duration_since(now).as_secs().max(0) + 86_399) / 86_400;
        let (tenant, label) = (tenant.to_owned(), label.to_owned());
        warnings.push(Warning { tenant, label, kind, days });
    };
    for lifetime in lifetimes(table, now) {
        let left = lifetime.expires.duration_since(now);
        if left <= WARNED_FROM {
            let kind = if left.is_positive() { WarningKind::Ends } else { WarningKind::Ended };
            warn(&lifetime.tenant, &lifetime.label, kind, lifetime.expires);
        }
    }
    for ((tenant, label), tokens) in labels(table) {
        let newest = tokens.iter().filter_map(|token| token.created()).max();
        let forgotten = tokens.iter().filter(|token| {
            let used = token.used().latest();
            token.created() < newest && used > newest
        });
        for expires in forgotten.filter_map(|token| token.expires()) {
            let left = expires.duration_since(now);
            if left.is_positive() && left <= WARNED_FROM {
                warn(tenant, label, WarningKind::NotReplaced, expires);
            }
        }
    }
    warnings.sort();
    warnings
}

/// The tokens that are not revoked, by tenant and label.
fn labels(table: &TokenTable) -> BTreeMap<(&str, &str), Vec<&Known>> {
    let mut labels: BTreeMap<(&str, &str), Vec<&Known>> = BTreeMap::new();
    for token in table.issued().iter().filter(|token| !token.is_revoked()) {
        labels.entry((token.tenant(), token.label())).or_default().push(token);
    }
    labels
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::auth::authenticate::TokenTable;
    use crate::auth::expiry::{lifetimes, warnings};
    use crate::auth::scope::Scopes;
    use crate::auth::token::{TokenHash, TokenRecord};

    const DAY: i64 = 86_400;

    /// Days from now; negative ones are past.
    fn at(days: i64) -> Timestamp {
        Timestamp::from_second(1_000 * DAY + days * DAY).unwrap()
    }

    fn token(label: &str, created: i64, expires: Option<i64>) -> TokenRecord {
        TokenRecord {
            id: format!("{label}-{created}"),
            tenant: "acme".to_owned(),
            label: label.to_owned(),
            hash: TokenHash::of(&format!("{label}-{created}")),
            created: at(created),
            expires: expires.map(at),
            revoked: None,
            scopes: Scopes::ALL,
            last_used: None,
        }
    }

    fn check(tokens: &[TokenRecord], expected: &[&str]) {
        let table = TokenTable::new(tokens.to_vec(), []);
        let found: Vec<String> = warnings(&table, at(0))
            .iter()
            .map(|it| format!("{} {:?} {} {}", it.label, it.kind, it.days, it.stage()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn tokens_are_told_of_from_thirty_days_before_their_end() {
        check(&[token("a", -1, Some(31)), token("b", -1, Some(30))], &["b Ends 30 30"]);
        check(&[token("a", -1, Some(8)), token("b", -1, Some(7))], &["a Ends 8 30", "b Ends 7 7"]);
        check(&[token("a", -1, Some(1)), token("b", -1, None)], &["a Ends 1 1"]);
        check(&[token("a", -9, Some(-2)), token("b", -99, Some(-31))], &["a Ended 0 0"]);
    }

    #[test]
    fn revoked_tokens_are_not_told_of() {
        let revoked = TokenRecord { revoked: Some(at(-1)), ..token("a", -9, Some(3)) };
        check(&[revoked], &[]);
    }

    #[test]
    fn a_rotated_token_is_told_of_while_it_is_in_use() {
        let old = token("a", -300, Some(20));
        let new = token("a", -10, Some(355));
        check(&[old.clone(), new.clone()], &[]);
        let unused = TokenRecord { last_used: Some(at(-11)), ..old.clone() };
        check(&[unused, new.clone()], &[]);
        let used = TokenRecord { last_used: Some(at(-1)), ..old };
        check(&[used, new], &["a NotReplaced 20 30"]);
    }

    #[test]
    fn the_longest_lasting_token_of_a_label_counts() {
        let tokens = [token("a", -9, Some(3)), token("a", -8, Some(5)), token("b", -1, None)];
        let table = TokenTable::new(tokens, []);
        let found: Vec<_> = lifetimes(&table, at(0))
            .into_iter()
            .map(|it| (it.label.clone(), it.seconds_left(at(0)) / DAY))
            .collect();
        assert_eq!(found, [("a".to_owned(), 5)]);
    }

    #[test]
    fn warnings_say_what_to_do() {
        let table = TokenTable::new([token("a", -1, Some(1))], []);
        let text = warnings(&table, at(0)).first().unwrap().text();
        assert_eq!(text, "expires in 1 day; run: scimbridge token rotate");
    }
}
