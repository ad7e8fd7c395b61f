//! The native side of a row (E102, E303).

use crate::mapping::compile::context::Context;
use crate::mapping::compile::label::Label;
use crate::mapping::compile::variables::{TO_NATIVE, TO_SCIM};
use crate::mapping::diagnostic::{misfit, missing_field, no_source, not_writable};
use crate::mapping::file::resource::Row;
use crate::mapping::file::scalar::PathText;
use crate::mapping::formulas::Formulas;
use crate::mapping::model::{Mode, Source};
use crate::native::path::NativePath;

/// Where a row's native value is.
pub(crate) fn source(
    row: &Row,
    label: &Label,
    mode: Mode,
    context: &mut Context,
) -> Option<Source> {
    if let Some((one, other)) = conflict(row) {
        let why = format!("has both {one} and {other}");
        return context.fault(misfit(label.at, &label.text, &why));
    }
    if row.sidecar {
        return Some(Source::Sidecar);
    }
    if let Some(value) = &row.value {
        return Some(Source::Constant(value.value.clone()));
    }
    if row.to_scim.is_some() && row.to_native.is_none() {
        return Some(Source::Computed);
    }
    let paths = row.path.as_ref().map(|path| path.0.as_slice());
    let read = match (paths, &row.write) {
        (Some([only]), _) => only,
        (Some([_, _, ..]), Some(_)) => {
            let why = "has several paths, which are written where they are read";
            return context.fault(misfit(label.at, &label.text, why));
        }
        (Some(several @ [_, _, ..]), None) => return paths_of(several, mode, context),
        // What is only ever written has nothing to read.
        (None, Some(write)) if mode == Mode::Write || row.to_scim.is_some() => write,
        (None, None) if row.to_native.is_some() => {
            return context.missing(missing_field(label.at, &label.text, "write"));
        }
        (None | Some([]), _) => return context.missing(no_source(label.at, &label.text)),
    };
    let write = row.write.as_ref().unwrap_or(read);
    let read = context.path(read)?;
    let write = writable(write, mode, context)?;
    Some(Source::Path { read, write })
}

/// Two fields of which a row has one.
fn conflict(row: &Row) -> Option<(&'static str, &'static str)> {
    let path = row.path.is_some();
    let value = row.value.is_some();
    let computes = row.to_scim.is_some() || row.to_native.is_some();
    let reads_only = row.to_scim.is_some() && row.to_native.is_none();
    let pairs = [
        (path && row.sidecar, "path", "sidecar"),
        (path && value, "path", "value"),
        (row.sidecar && value, "sidecar", "value"),
        (computes && row.sidecar, "sidecar", "an expression"),
        (computes && value, "value", "an expression"),
        (computes && row.r#ref.is_some(), "ref", "an expression"),
        (reads_only && path, "path", "to_scim"),
        (reads_only && row.write.is_some(), "to_scim", "write, but no to_native"),
        (row.to_scim.is_some() && row.via.is_some(), "via", "to_scim"),
    ];
    pairs.into_iter().find(|(both, ..)| *both).map(|(_, one, other)| (one, other))
}

fn paths_of(written: &[PathText], mode: Mode, context: &mut Context) -> Option<Source> {
    let mut read = Vec::new();
    let mut write = Vec::new();
    for path in written {
        read.push(context.path(path)?);
        write.extend(writable(path, mode, context)?);
    }
    Some(Source::Paths { read, write })
}

/// Where a value is written (E102); `None` inside when it never is.
#[expect(clippy::option_option, reason = "outside: a fault; inside: never written")]
pub(crate) fn writable(
    text: &PathText,
    mode: Mode,
    context: &mut Context,
) -> Option<Option<NativePath>> {
    let path = context.path(text)?;
    if mode == Mode::Read {
        return Some(None);
    }
    if !path.is_writable() {
        return context.fault(not_writable(text.0.at, &text.0.value));
    }
    Some(Some(path))
}

/// The expressions of a row.
pub(crate) fn formulas(row: &Row, context: &mut Context) -> Option<Formulas> {
    let to_scim = row.to_scim.as_ref().map(|written| context.expression(written, &TO_SCIM));
    let to_native = row.to_native.as_ref().map(|written| context.expression(written, &TO_NATIVE));
    Some(Formulas {
        to_scim: match to_scim {
            None => None,
            Some(compiled) => Some(compiled?),
        },
        to_native: match to_native {
            None => None,
            Some(compiled) => Some(compiled?),
        },
    })
}
