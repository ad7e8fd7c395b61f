//! How an exchange goes: the time it has, how urgent its calls are, and how far it has come.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::convert::delta::Delta;
use crate::exchange::upstream::UpstreamError;
use crate::native::message::Urgency;

/// The time of a SCIM request where the gateway does not say.
pub const PATIENCE: Duration = Duration::from_secs(50);

/// What a SCIM request came as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// By itself.
    Alone,
    /// As an operation of a bulk request.
    InBulk,
}

/// How an exchange goes.
#[derive(Debug)]
pub struct Course {
    deadline: Instant,
    came: Came,
    deprovisions: AtomicBool,
    planned: AtomicUsize,
    done: AtomicUsize,
    unknown: AtomicUsize,
    made: AtomicBool,
}

/// What a call does to the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It looks.
    Read,
    /// It changes something.
    Write,
}

/// How far an exchange has come with its writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Calls that were carried out.
    pub done: usize,
    /// Calls there were to be, as far as that is known.
    pub planned: usize,
    /// Calls of which nobody knows whether they were carried out.
    pub unknown: usize,
    /// Whether the resource that was to be created is there.
    pub made: bool,
}

impl Course {
    /// An exchange that must be over at this moment.
    pub fn new(deadline: Instant, came: Came) -> Self {
        Self {
            deadline,
            came,
            deprovisions: AtomicBool::new(false),
            planned: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            unknown: AtomicUsize::new(0),
            made: AtomicBool::new(false),
        }
    }

    /// When everything must be over.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// What is left of the time.
    ///
    /// # Errors
    ///
    /// When nothing is: no further call begins.
    pub fn left(&self) -> Result<Duration, UpstreamError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(UpstreamError::Late) } else { Ok(left) }
    }

    /// Notes that from here on access is taken away from somebody, which goes before all else.
    pub fn deprovisions(&self) {
        self.deprovisions.store(true, Ordering::Relaxed);
    }

    /// How urgent a call is.
    pub fn urgency(&self, kind: Kind) -> Urgency {
        match (self.deprovisions.load(Ordering::Relaxed), self.came, kind) {
            (true, ..) | (false, Came::Alone, Kind::Read) => Urgency::Ahead,
            (false, Came::Alone, Kind::Write) => Urgency::Usual,
            (false, Came::InBulk, _) => Urgency::Behind,
        }
    }

    /// Notes writes that are to come.
    pub fn plan(&self, writes: usize) {
        self.planned.fetch_add(writes, Ordering::Relaxed);
    }

    /// Notes that the resource that was to be created is there: the same request again would find
    /// it in its way.
    pub fn made(&self) {
        self.made.store(true, Ordering::Relaxed);
    }

    /// Notes a write that was carried out.
    pub fn done(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes a write that failed.
    pub fn failed(&self, error: &UpstreamError) {
        match error {
            UpstreamError::Interrupted(_) | UpstreamError::TimedOut | UpstreamError::TooLarge => {
                self.unknown.fetch_add(1, Ordering::Relaxed);
            }
            UpstreamError::Unreachable(_)
            | UpstreamError::Unresolved(_)
            | UpstreamError::Throttled { .. }
            | UpstreamError::Crowded
            | UpstreamError::LeftAlone { .. }
            | UpstreamError::Late
            | UpstreamError::OffOrigin
            | UpstreamError::SignIn(_)
            | UpstreamError::Unsendable(_) => {}
        }
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        Progress {
            done: self.done.load(Ordering::Relaxed),
            planned: self.planned.load(Ordering::Relaxed),
            unknown: self.unknown.load(Ordering::Relaxed),
            made: self.made.load(Ordering::Relaxed),
        }
    }
}

/// Whether nothing happens but that elements are taken out.
pub fn only_removes<'d>(deltas: impl IntoIterator<Item = &'d Delta>) -> bool {
    let mut deltas = deltas.into_iter().peekable();
    deltas.peek().is_some()
        && deltas.all(|delta| {
            delta.add.is_empty() && delta.change.is_empty() && !delta.remove.is_empty()
        })
}

impl Progress {
    /// What a client is told of it after a failure: whether the same request again would do the
    /// rest is `again`. `None` when nothing was done.
    pub fn told(self, again: bool) -> Option<String> {
        let Self { done, planned, unknown, made } = self;
        let calls = |count: usize| if count == 1 { "call" } else { "calls" };
        let mut parts = Vec::new();
        if done > 0 && planned > done {
            parts.push(format!("{done} of {planned} calls were carried out before"));
        } else if done > 0 {
            let were = if done == 1 { "was" } else { "were" };
            parts.push(format!("{done} {} {were} carried out before", calls(done)));
        }
        if unknown > 0 {
            parts.push(format!("whether {unknown} {} had an effect is not known", calls(unknown)));
        }
        if parts.is_empty() {
            return None;
        }
        if made {
            parts.push("the resource is there: look it up and write the rest".to_owned());
        } else if again {
            parts.push("repeat the request".to_owned());
        }
        Some(parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use crate::exchange::course::{Came, Course, Kind, Progress};
    use crate::exchange::upstream::UpstreamError;
    use crate::native::message::Urgency;

    #[test]
    fn urgency() {
        let soon = Instant::now() + Duration::from_mins(1);
        for (came, read, write) in [
            (Came::Alone, Urgency::Ahead, Urgency::Usual),
            (Came::InBulk, Urgency::Behind, Urgency::Behind),
        ] {
            let course = Course::new(soon, came);
            assert_eq!((course.urgency(Kind::Read), course.urgency(Kind::Write)), (read, write));
            course.deprovisions();
            assert_eq!(course.urgency(Kind::Write), Urgency::Ahead);
            assert_eq!(course.urgency(Kind::Read), Urgency::Ahead);
        }
    }

    #[test]
    fn time_comes_to_an_end() {
        let now = Instant::now();
        assert!(Course::new(now + Duration::from_mins(1), Came::Alone).left().is_ok());
        assert!(matches!(Course::new(now, Came::Alone).left(), Err(UpstreamError::Late)));
    }

    #[test]
    fn progress_is_told_briefly() {
        let check = |done, planned, unknown, again, expected: Option<&str>| {
            let progress = Progress { done, planned, unknown, made: false };
            assert_eq!(progress.told(again).as_deref(), expected);
        };
        check(0, 3, 0, true, None);
        check(2, 3, 0, true, Some("2 of 3 calls were carried out before; repeat the request"));
        check(2, 3, 0, false, Some("2 of 3 calls were carried out before"));
        check(1, 0, 0, false, Some("1 call was carried out before"));
        let unknown = "whether 1 call had an effect is not known; repeat the request";
        check(0, 1, 1, true, Some(unknown));
        let made = Progress { done: 1, planned: 2, unknown: 0, made: true };
        let told = "1 of 2 calls were carried out before; the resource is there: look it up and \
                    write the rest";
        assert_eq!(made.told(true).as_deref(), Some(told));
    }
}
