//! All rows of a resource, in file order: single values and collections.

use crate::mapping::compile::collection;
use crate::mapping::compile::context::Context;
use crate::mapping::compile::label::Label;
use crate::mapping::compile::place::Known;
use crate::mapping::compile::row::{Attributes, single};
use crate::mapping::file::reader::Entries;
use crate::mapping::file::resource::RowEntry;

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
        let done = if collection::is_collection(row) {
            collection::compile(label, row, known, &mut compiled, context)
        } else {
            single(label, row, known, &mut compiled, context)
        };
        compiled.broken |= done.is_none();
    }
    compiled
}
