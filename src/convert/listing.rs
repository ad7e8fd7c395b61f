//! The records of a list answer, found in its text by a [`Plan`]: where each of them stands, and
//! its key.
//!
//! `record.rs` is the general way; whoever gets `None` here asks there.

use bytes::Bytes;

use crate::convert::plan::Plan;
use crate::mapping::model::{Request, ResourceMapping};
use crate::native::listed::Listed;
use crate::native::message::NativeResponse;
use crate::native::path::Tail;
use crate::native::scan::Scanner;

/// The records in an answer to a list request.
pub fn records(
    plan: &Plan,
    resource: &ResourceMapping,
    request: &Request,
    response: &NativeResponse,
) -> Option<Vec<Listed>> {
    listed(request, response, |bytes, scanner| record(plan, resource, bytes, scanner))
}

/// The elements in an answer to the list request of a collection, each with its own text.
pub fn elements(request: &Request, response: &NativeResponse) -> Option<Vec<Listed>> {
    listed(request, response, |bytes, scanner| {
        Some(Listed::text(bytes.slice_ref(scanner.value()?.text.as_bytes())))
    })
}

fn listed(
    request: &Request,
    response: &NativeResponse,
    one: impl Fn(&Bytes, &mut Scanner<'_>) -> Option<Listed>,
) -> Option<Vec<Listed>> {
    let is_simple = matches!(request.records.tail(), Tail::Each | Tail::Nothing);
    (is_simple && !request.hydrate).then_some(())?;
    let bytes = response.body.to_bytes()?;
    let text = std::str::from_utf8(&bytes).ok()?;
    let names = request.records.names();
    let mut scanner = Scanner::new(text);
    let mut read = |scanner: &mut Scanner<'_>, records: &mut Vec<Listed>| {
        scanner.array(|scanner| {
            records.push(one(&bytes, scanner)?);
            Some(())
        })?;
        Some(())
    };
    let records = array(&names, &mut scanner, &mut read)?;
    scanner.is_at_end().then_some(records)
}

/// What a place, reached by names, is read as. A second member of a name takes the place of the
/// first.
fn array<'t, T: Default>(
    names: &[&str],
    scanner: &mut Scanner<'t>,
    read: &mut impl FnMut(&mut Scanner<'t>, &mut T) -> Option<()>,
) -> Option<T> {
    let Some((name, inner)) = names.split_first() else {
        let mut found = T::default();
        read(scanner, &mut found)?;
        return Some(found);
    };
    let mut found = None;
    scanner.object(|scanner, member| {
        if member.plain(scanner.text())? == name.as_bytes() {
            found = Some(array(inner, scanner, read)?);
            return Some(());
        }
        scanner.pass().map(drop)
    })?;
    found
}

fn record(
    plan: &Plan,
    resource: &ResourceMapping,
    bytes: &Bytes,
    scanner: &mut Scanner<'_>,
) -> Option<Listed> {
    let found = plan.read(scanner)?;
    let key = plan.key(resource, &found).ok()?;
    let text = bytes.slice_ref(found.text().as_bytes());
    Some(Listed::scanned(text, key, found.into_places()))
}
