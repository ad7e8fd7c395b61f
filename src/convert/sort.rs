//! Letting the application sort a list, where the mapping says how.
//!
//! The application's order is taken as it is: how it treats letter case and missing values is its
//! own business, and a mapping that names a key says that this is good enough.

use serde_json::Value;

use crate::convert::context::Context;
use crate::convert::error::ConvertError;
use crate::convert::filter::is_same;
use crate::convert::request;
use crate::scim::attr::AttrPath;
use crate::scim::query::SortOrder;

/// Query parameters, in order.
pub type Parameters = Vec<(String, String)>;

/// The parameters that sort the list; `None` when the mapping has no key for the attribute.
pub fn parameters(
    context: &Context<'_>,
    path: &AttrPath,
    order: SortOrder,
) -> Result<Option<Parameters>, ConvertError> {
    let Some(rule) = &context.resource.sort else { return Ok(None) };
    let key = rule.by.iter().find(|(have, _)| is_same(context, have, path));
    let Some((_, key)) = key else { return Ok(None) };
    let (value, descending) =
        (Value::from(key.as_str()), Value::Bool(order == SortOrder::Descending));
    let scope = context.scope().with("value", &value).with("descending", &descending);
    request::pairs(&rule.query, &scope).map(Some)
}
