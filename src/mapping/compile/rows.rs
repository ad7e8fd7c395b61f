//! All rows of a resource, in file order: single values, collections, and what is not supported.

use crate::mapping::compile::collection;
use crate::mapping::compile::context::Context;
use crate::mapping::compile::place::Known;
use crate::mapping::compile::row::{Attributes, Label, single};
use crate::mapping::diagnostic::not_supported;
use crate::mapping::file::reader::Entries;
use crate::mapping::file::resource::{Row, RowEntry};
use crate::mapping::model::Mode;

/// Compiles every row of a resource.
pub(crate) fn attributes(
    entries: &Entries<RowEntry>,
    known: &Known,
    context: &mut Context,
) -> Attributes {
    let broken = context.faults.has_losses();
    let mut compiled = Attributes { broken, ..Attributes::default() };
    for (key, RowEntry(row)) in &entries.0 {
        let label = Label { text: key.name.clone(), at: key.at };
        let done = if key.name.contains('+') {
            several(&label, row, &mut compiled, context);
            Some(())
        } else if collection::is_collection(row) {
            collection::compile(label, row, known, &mut compiled, context)
        } else {
            single(label, row, known, &mut compiled, context)
        };
        compiled.broken |= done.is_none();
    }
    compiled
}

/// `a + b`: two SCIM values in one native place. The names are checked, and what it would write
/// still takes part in the search for overlaps.
fn several(label: &Label, row: &Row, compiled: &mut Attributes, context: &mut Context) {
    context.faults.push(not_supported(label.at, &format!("\"{}\"", label.text)));
    let writable = !matches!(row.mode, Some(Mode::Read)) && !row.alias;
    let path = row.write.as_ref().or_else(|| row.path.as_ref().and_then(|path| path.0.first()));
    let path = path.filter(|_| writable).and_then(|path| context.path(path));
    compiled.unsupported.push((label.clone(), path));
}
