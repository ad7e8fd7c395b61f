//! What a token may do: verbs (`read`, `write`) and resource types (`users`, `groups`).

use std::fmt;
use std::str::FromStr;

/// One thing that a token may or may not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// GET, and every search.
    Read,
    /// POST, PUT, PATCH and DELETE.
    Write,
    /// Resources of the type `User`.
    Users,
    /// Resources of the type `Group`.
    Groups,
}

impl Scope {
    /// Every scope, verbs first.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Users, Self::Groups];

    /// Its name on the command line, in the store and in errors.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Users => "users",
            Self::Groups => "groups",
        }
    }

    fn bit(self) -> u8 {
        match self {
            Self::Read => 1,
            Self::Write => 2,
            Self::Users => 4,
            Self::Groups => 8,
        }
    }

    fn named(name: &str) -> Result<Self, UnknownScope> {
        let found = Self::ALL.into_iter().find(|scope| scope.name() == name);
        found.ok_or_else(|| UnknownScope { name: name.chars().take(40).collect() })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The scopes of a token. At least one verb and one type are always among them: a set that names
/// no verb has both, and a set that names no type has every type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// All of them.
    pub const ALL: Self = Self(15);

    /// These, and what they leave open.
    pub fn of(scopes: impl IntoIterator<Item = Scope>) -> Self {
        let mut bits = scopes.into_iter().fold(0, |bits, scope| bits | scope.bit());
        for dimension in
            [Scope::Read.bit() | Scope::Write.bit(), Scope::Users.bit() | Scope::Groups.bit()]
        {
            if bits & dimension == 0 {
                bits |= dimension;
            }
        }
        Self(bits)
    }

    /// Whether this one is among them.
    pub fn contain(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Those among them, verbs first.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.contain(*scope))
    }

    /// The first of `needed` that is missing.
    pub fn lacks(self, needed: impl IntoIterator<Item = Scope>) -> Option<Scope> {
        needed.into_iter().find(|scope| !self.contain(*scope))
    }
}

impl Default for Scopes {
    fn default() -> Self {
        Self::ALL
    }
}

/// Names with a comma between them.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{scope}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

/// Names with commas or blanks between them; none at all means all scopes.
impl FromStr for Scopes {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let names = text.split([',', ' ']).filter(|name| !name.is_empty());
        let scopes: Vec<Scope> = names.map(Scope::named).collect::<Result<_, _>>()?;
        Ok(Self::of(scopes))
    }
}

/// A scope that the bridge does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{name}\" is no scope; the scopes are read, write, users and groups")]
pub struct UnknownScope {
    name: String,
}

#[cfg(test)]
mod tests {
    use crate::auth::scope::{Scope, Scopes};

    fn check(text: &str, expected: &str) {
        let scopes: Result<Scopes, _> = text.parse();
        let shown = scopes.map_or_else(|error| error.to_string(), |scopes| scopes.to_string());
        assert_eq!(shown, expected, "{text:?}");
    }

    #[test]
    fn what_a_set_does_not_speak_of_it_leaves_open() {
        check("", "read,write,users,groups");
        check("read", "read,users,groups");
        check("groups", "read,write,groups");
        check("users, read", "read,users");
        check("write users groups", "write,users,groups");
        check("read,write,users,groups", "read,write,users,groups");
    }

    #[test]
    fn unknown_scopes_are_named() {
        let expected = "\"admin\" is no scope; the scopes are read, write, users and groups";
        check("read,admin", expected);
        check("Read", "\"Read\" is no scope; the scopes are read, write, users and groups");
    }

    #[test]
    fn the_first_missing_scope_is_told() {
        let scopes: Scopes = "read,users".parse().unwrap();
        assert_eq!(scopes.lacks([Scope::Read, Scope::Users]), None);
        assert_eq!(scopes.lacks([Scope::Write, Scope::Groups]), Some(Scope::Write));
        assert_eq!(scopes.lacks([Scope::Read, Scope::Groups]), Some(Scope::Groups));
        assert_eq!(Scopes::ALL.lacks(Scope::ALL), None);
    }
}
