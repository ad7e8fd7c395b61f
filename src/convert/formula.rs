//! Expressions in the place of transforms: `to_scim` and `to_native`.

use serde_json::Value;

use crate::convert::context::Context;
use crate::convert::error::ConvertError;
use crate::mapping::expression::Expression;
use crate::scim::resource::is_unassigned;

/// What `to_native` sees.
#[derive(Debug, Clone)]
pub struct Sight {
    /// The resource or the element as it is wanted.
    pub scim: Value,
    /// The same as it was; null when there was none.
    pub old: Value,
    /// The record or the native element as it is; null when there is none.
    pub native: Value,
}

/// The SCIM value that an expression makes of a record or an element. One that fails leaves the
/// value unassigned, as a transform does.
pub fn read(
    context: &Context<'_>,
    formula: &Expression,
    empty: &[Value],
    native: &Value,
) -> Option<Value> {
    let value = formula.evaluate(&context.scope().with("native", native)).ok()?;
    (!is_unassigned(&value) && !empty.contains(&value)).then_some(value)
}

/// The native value that an expression makes; null clears.
pub fn write(
    context: &Context<'_>,
    formula: &Expression,
    sight: &Sight,
    path: impl FnOnce() -> String,
) -> Result<Value, ConvertError> {
    let Sight { scim, old, native } = sight;
    let scope = context.scope().with("scim", scim).with("old", old).with("native", native);
    formula.evaluate(&scope).map_err(|source| ConvertError::Computed { path: path(), source })
}
