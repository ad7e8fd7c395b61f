//! What is known of a user of the soak: after a failed write one of several things.
#![cfg(test)]

/// A user, as far as the soak writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) title: Option<String>,
    pub(crate) active: bool,
}

/// One of these is true.
#[derive(Debug, Clone)]
pub(crate) struct Possible(Vec<Option<Person>>);

impl Default for Possible {
    fn default() -> Self {
        Self(vec![None])
    }
}

impl Possible {
    /// Whether this may be so; from then on it is.
    pub(crate) fn see(&mut self, seen: Option<Person>) -> bool {
        let may_be = self.0.contains(&seen);
        self.0 = vec![seen];
        may_be
    }

    pub(crate) fn may_be_absent(&self) -> bool {
        self.0.contains(&None)
    }

    pub(crate) fn may_be_there(&self) -> bool {
        self.0.iter().any(Option::is_some)
    }

    /// A write that was carried out.
    pub(crate) fn become_that(&mut self, state: Option<Person>) {
        self.0 = vec![state];
    }

    /// A write that may have been carried out, or a part of it.
    pub(crate) fn may_become(&mut self, states: impl IntoIterator<Item = Option<Person>>) {
        for state in states {
            if !self.0.contains(&state) {
                self.0.push(state);
            }
        }
    }

    /// Those who may be there.
    pub(crate) fn people(&self) -> Vec<Person> {
        self.0.iter().flatten().cloned().collect()
    }
}
