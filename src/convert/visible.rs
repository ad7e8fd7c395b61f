//! Which records exist for SCIM (`where`).

use serde_json::Value;

use crate::convert::context::Context;
use crate::convert::error::ConvertError;

/// Whether a record exists for SCIM. A condition that cannot be read is no reason to show it.
pub fn is_visible(context: &Context<'_>, native: &Value) -> Result<bool, ConvertError> {
    let Some(condition) = &context.resource.visible else { return Ok(true) };
    let scope = context.scope().with("native", native);
    condition.is_true(&scope).map_err(|_| ConvertError::Condition)
}
