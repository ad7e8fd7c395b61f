//! Bodies that the file writes out.

use crate::mapping::compile::context::Context;
use crate::mapping::compile::variables::Variables;
use crate::mapping::model::RequestBody;
use crate::mapping::yaml::{Node, NodeValue};

/// A body as the file writes it: a tree, or the word `none`.
pub(crate) fn explicit_body(
    node: &Node,
    variables: &Variables,
    context: &mut Context,
) -> Option<RequestBody> {
    match &node.value {
        NodeValue::String(word) if word == "none" => Some(RequestBody::None),
        _ => context.body(node, variables).map(RequestBody::Tree),
    }
}
