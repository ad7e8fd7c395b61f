//! Cursors (RFC 9865): where a walk through a list goes on, sealed and given to the client, so
//! that nothing is kept here and any process with the same key can go on.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::convert::page::At;
use crate::scim::query::{Query, SortOrder};

/// Seconds for which a cursor is good.
pub const LIFETIME: u64 = 3600;

/// Longest cursor, in characters; a URL has to hold it.
const LONGEST: usize = 2048;

/// Keeps what a cursor says from clients' eyes and hands. Both sides name what a cursor belongs
/// to, which is not in it; one that belongs to something else does not open.
pub trait Seal: Send + Sync {
    /// Seals a text. The same text for the same purpose may give the same bytes.
    fn seal(&self, purpose: &[u8], text: &[u8]) -> Vec<u8>;

    /// Opens what [`Seal::seal`] gave; `None` when it did not, or not for this purpose.
    fn open(&self, purpose: &[u8], sealed: &[u8]) -> Option<Vec<u8>>;
}

/// What is wrong with a query by cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// It is none of ours, or one of another query.
    #[error("the cursor is not one that this query has been given")]
    Invalid,
    /// It is too old.
    #[error("the cursor has expired; begin again with an empty one")]
    Expired,
}

/// Where a query goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cursor {
    /// Index of the resource type among those that the query searches.
    pub resource: usize,
    /// Where in its results; `None` at their beginning.
    pub position: Option<Position>,
}

/// A place in the results of one resource type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Position {
    /// Behind this many results.
    Behind(u64),
    /// In the application's list.
    Listed(Place),
    /// Among the resources that live in the side-car alone: behind this many of them, and this
    /// many results.
    Off(u64, u64),
}

/// A place in the application's list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// The page.
    pub at: At,
    /// Records before that page.
    pub read: u64,
    /// Records of that page that are done with.
    pub skip: usize,
    /// The page size that `at` counts in.
    pub size: usize,
    /// Path of the request whose answer had the link, where `at` is one.
    pub asked: String,
    /// Results before this place.
    pub given: u64,
    /// Whether the application's choice was found empty, so that all of the list is read.
    pub widened: bool,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    expires: i64,
    cursor: Cursor,
}

impl Cursor {
    /// The beginning.
    pub const START: Self = Self { resource: 0, position: None };

    /// As the client gets it; `None` when it would be too long.
    pub fn write(&self, desk: &Desk<'_>) -> Option<String> {
        let lifetime = i64::try_from(LIFETIME).unwrap_or(i64::MAX);
        let expires = desk.now.as_second().saturating_add(lifetime);
        let text = serde_json::to_vec(&Sealed { expires, cursor: self.clone() }).ok()?;
        let text = URL_SAFE_NO_PAD.encode(desk.seal.seal(&desk.purpose, &text));
        (text.len() <= LONGEST).then_some(text)
    }

    /// As the client sends it back. An empty one is the beginning.
    pub fn read(desk: &Desk<'_>, text: &str) -> Result<Self, CursorError> {
        if text.is_empty() {
            return Ok(Self::START);
        }
        if text.len() > LONGEST {
            return Err(CursorError::Invalid);
        }
        let sealed = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError::Invalid)?;
        let opened = desk.seal.open(&desk.purpose, &sealed);
        let opened = opened.and_then(|text| serde_json::from_slice::<Sealed>(&text).ok());
        let opened = opened.ok_or(CursorError::Invalid)?;
        if opened.expires < desk.now.as_second() {
            return Err(CursorError::Expired);
        }
        Ok(opened.cursor)
    }
}

/// Where the cursors of one query are sealed and opened.
pub struct Desk<'s> {
    seal: &'s dyn Seal,
    now: Timestamp,
    purpose: Vec<u8>,
}

impl<'s> Desk<'s> {
    /// The desk of a query. `place` says whose it is: the tenant, the mapping, the endpoint.
    pub fn new(seal: &'s dyn Seal, now: Timestamp, place: [&str; 3], query: &Query) -> Self {
        Self { seal, now, purpose: purpose(place, query) }
    }
}

/// What a cursor belongs to: a tenant, an endpoint, a filter and an order. The attributes and the
/// number of results asked for may change between pages.
fn purpose([tenant, mapping, endpoint]: [&str; 3], query: &Query) -> Vec<u8> {
    let order = match query.sort_order {
        SortOrder::Ascending => "+",
        SortOrder::Descending => "-",
    };
    let filter = query.filter.as_ref().map(ToString::to_string).unwrap_or_default();
    let sort_by = query.sort_by.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut digest = Sha256::new();
    for part in [tenant, mapping, endpoint, &filter, &sort_by, order] {
        // Each part with its length, so that no two lists of parts look alike.
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part.as_bytes());
    }
    digest.finalize().to_vec()
}
