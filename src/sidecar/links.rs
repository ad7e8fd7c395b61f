//! The link index: which native keys have a value, so that nobody is looked for by reading the
//! whole application.
//!
//! A link says no more than "look here first": whoever follows one reads the record and judges it
//! anew, so a link too many costs a call, and only a link too few would be a fault. Links are
//! therefore written before what they stand for, and taken away after it. Values are folded, as
//! filters compare them.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::sidecar::entry::Partition;
use crate::sidecar::port::StoreError;

/// The key of a resource that is being made and has none yet.
pub const UNBORN: &str = "";

/// One link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// The attribute: a path in small letters.
    pub attribute: String,
    /// The folded value.
    pub value: String,
    /// The native key, or [`UNBORN`].
    pub key: String,
}

/// What of a type is indexed together, and is complete together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shelf {
    /// Attributes that the side-car keeps, and the names of those who are switched off.
    Kept,
    /// Attributes of the application's records.
    Native,
}

/// A whole reading of what a shelf has to be made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sweep {
    /// What it was made under; another mapping or other attributes want another sweep.
    pub fingerprint: String,
    /// When it began: nothing that was there by then is missing.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// How many records it read.
    pub records: u64,
}

/// A store of links. Every method may be called concurrently.
#[async_trait]
pub trait Links: Send + Sync {
    /// Adds links; those that are there are as new again.
    async fn link(
        &self,
        partition: &Partition,
        resource: &str,
        links: &[Link],
        at: Timestamp,
    ) -> Result<(), StoreError>;

    /// Takes every link of a native key away but these.
    async fn unlink(
        &self,
        partition: &Partition,
        resource: &str,
        key: &str,
        keep: &[Link],
    ) -> Result<(), StoreError>;

    /// Takes one link away.
    async fn forget(
        &self,
        partition: &Partition,
        resource: &str,
        link: &Link,
    ) -> Result<(), StoreError>;

    /// The native keys that have a value, in their order, at most `limit` of them.
    async fn linked(
        &self,
        partition: &Partition,
        resource: &str,
        attribute: &str,
        value: &str,
        limit: u32,
    ) -> Result<Vec<String>, StoreError>;

    /// How many links an attribute has.
    async fn count(
        &self,
        partition: &Partition,
        resource: &str,
        attribute: &str,
    ) -> Result<u64, StoreError>;

    /// The last sweep of a shelf that came to its end.
    async fn sweep(
        &self,
        partition: &Partition,
        resource: &str,
        shelf: Shelf,
    ) -> Result<Option<Sweep>, StoreError>;

    /// Takes the right to sweep, or takes it once more; `false` when another one has it.
    async fn begin_sweep(
        &self,
        partition: &Partition,
        resource: &str,
        shelf: Shelf,
        claim: &Claim<'_>,
    ) -> Result<bool, StoreError>;

    /// Gives the right back; a sweep that came to its end is noted, and links of its attributes
    /// that are older than `stale` go.
    async fn end_sweep(
        &self,
        partition: &Partition,
        resource: &str,
        shelf: Shelf,
        done: Option<&Done<'_>>,
    ) -> Result<(), StoreError>;
}

/// A claim to sweep.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// Whose it is.
    pub holder: &'a str,
    /// Now.
    pub now: Timestamp,
    /// How long it lasts unless it is made again.
    pub until: Timestamp,
}

/// A sweep that came to its end.
#[derive(Debug, Clone, Copy)]
pub struct Done<'a> {
    /// The sweep.
    pub sweep: &'a Sweep,
    /// The attributes it read.
    pub attributes: &'a [String],
    /// Links of these that nobody has seen since are stale.
    pub stale: Timestamp,
}
