//! Expressions of a row: the hatch where no transform fits.

use crate::mapping::expression::Expression;

/// Expressions that stand in the place of transforms.
#[derive(Debug, Default)]
pub struct Formulas {
    /// From `native` to the SCIM value.
    pub to_scim: Option<Expression>,
    /// From `scim`, `old` and `native` to the native value.
    pub to_native: Option<Expression>,
}
