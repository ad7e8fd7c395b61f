//! What the side-car remembers of rows whose transforms lose something (`memo`).
//!
//! Of such a row it keeps the SCIM value that was written together with the native value which
//! that became. For as long as the record has this native value, the SCIM value is the one kept;
//! as soon as somebody changes it natively, the transforms say what it is. The memos of a
//! resource stand among its side-car attributes under a name that no attribute can have.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::convert::context::Context;
use crate::convert::{lens, places};
use crate::mapping::model::{Mode, ResourceMapping, Row};
use crate::scim::resource::Resource;

/// Where memos stand among a resource's side-car attributes.
pub const MEMBER: &str = "$memo";

/// Whether rows of this type are remembered.
pub fn is_used(resource: &ResourceMapping) -> bool {
    resource.rows.iter().any(|row| row.memo)
}

/// The SCIM value that is remembered of a row, if the record still has the native value which
/// belongs to it.
pub fn recall<'a>(
    row: &Row,
    attributes: &'a Map<String, Value>,
    native: &Value,
) -> Option<&'a Value> {
    if !row.memo {
        return None;
    }
    let kept = attributes.get(MEMBER)?.get(places::name(row))?;
    let have = lens::current(row, native).unwrap_or(Cow::Owned(Value::Null));
    (kept.get("native") == Some(&*have)).then(|| kept.get("scim")).flatten()
}

/// A resource before it is written.
#[derive(Clone, Copy)]
pub struct Before<'a> {
    /// Its record; null when there is none.
    pub native: &'a Value,
    /// Its side-car attributes.
    pub attributes: Option<&'a Map<String, Value>>,
}

/// What to remember once the resource is written as it is wanted. Only what would be read back
/// as something else is worth it.
pub fn memos(context: &Context<'_>, before: Before<'_>, wanted: &Resource) -> Map<String, Value> {
    let mut memos = Map::new();
    for row in context.resource.rows.iter().filter(|row| row.memo && row.mode != Mode::Read) {
        let Some(scim) = places::read(row, wanted) else { continue };
        let old = before.attributes.and_then(|kept| recall(row, kept, before.native));
        let native = if old == Some(&scim) {
            lens::current(row, before.native).map(Cow::into_owned)
        } else {
            let current = lens::current(row, before.native);
            lens::native_value(context, row, &scim, current.as_deref()).ok()
        };
        let Some(native) = native else { continue };
        if lens::read(context, row, &native).as_ref() != Some(&scim) {
            let memo = Map::from_iter([
                ("native".to_owned(), native),
                ("scim".to_owned(), scim.into_owned()),
            ]);
            memos.insert(places::name(row), Value::Object(memo));
        }
    }
    memos
}
