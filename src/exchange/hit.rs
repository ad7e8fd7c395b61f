//! What a search gives: matches, and which of them are wanted by whom.

use std::collections::BTreeSet;

use crate::exchange::state::Located;
use crate::native::listed::Listed;
use crate::scim::resource::Resource;
use crate::scim::sort::{Rank, Sorting};

/// A resource that matches.
pub struct Hit {
    /// Where it is.
    pub located: Located,
    /// Its native record.
    pub native: Listed,
    /// Its view, where one had to be made.
    pub view: Option<Resource>,
    /// Collections behind requests of their own that the view has.
    pub external: BTreeSet<usize>,
    /// Whether it exists for clients.
    pub standing: Standing,
}

/// Which of the matches are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first, counted from 1.
    pub start: u64,
    /// How many at most.
    pub count: u64,
}

/// Whose eyes look at records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// Clients': records with a tombstone and those that `where` leaves out are not there.
    Clients,
    /// The bridge's own: names may be taken by what clients do not see. Nothing becomes known to
    /// a client by it.
    Everything,
}

/// Whether a record exists for SCIM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Shown,
    /// `where` leaves it out.
    Hidden,
}

/// Whether matches need views.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Views {
    /// Each of them.
    Made,
    /// Whoever shows them makes those that it needs.
    Left,
}

impl Hit {
    /// Where it is, and its record, if nobody has made a view of it.
    pub fn unread(&self) -> Option<(&Located, &Listed)> {
        self.view.is_none().then_some((&self.located, &self.native))
    }

    /// Where it stands among others.
    pub fn rank(&self, sorting: Option<&Sorting>) -> Rank {
        let (Some(sorting), Some(view)) = (sorting, &self.view) else { return Rank::NONE };
        sorting.rank(view)
    }
}

impl Window {
    /// Every match.
    pub const ALL: Self = Self { start: 1, count: u64::MAX };

    /// Whether the match behind this many others is wanted.
    pub(super) fn has(self, before: u64) -> bool {
        let index = before.saturating_add(1);
        index >= self.start && (index - self.start) < self.count
    }
}
