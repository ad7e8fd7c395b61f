//! JSON trees whose texts are templates.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::mapping::scope::Scope;
use crate::mapping::template::{Template, TemplateError, TemplateFault};

/// A JSON tree whose texts are templates; member names are literal.
#[derive(Debug, Clone)]
pub struct BodyTemplate {
    root: Node,
}

#[derive(Debug, Clone)]
enum Node {
    Constant(Value),
    Text(Template),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

/// A text inside a tree is not a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct BodyFault {
    /// Where the text is, as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What is wrong with it.
    #[source]
    pub fault: TemplateFault,
}

impl BodyTemplate {
    /// Reads a tree.
    pub fn compile(tree: &Value) -> Result<Self, BodyFault> {
        Ok(Self { root: compile_node(tree, "")? })
    }

    /// The tree with every hole filled; a null hole is a null in the tree.
    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, TemplateError> {
        fill(&self.root, scope)
    }

    /// The texts of the tree, in order.
    pub fn templates(&self) -> Vec<&Template> {
        let mut found = Vec::new();
        collect(&self.root, &mut found);
        found
    }

    /// The paths that its expressions mention, such as `scim.userName`.
    pub fn mentions(&self) -> BTreeSet<String> {
        self.templates().into_iter().flat_map(Template::mentions).collect()
    }

    /// The variables that its expressions need.
    pub fn variables(&self) -> BTreeSet<String> {
        self.templates().into_iter().flat_map(Template::variables).collect()
    }
}

fn compile_node(tree: &Value, pointer: &str) -> Result<Node, BodyFault> {
    Ok(match tree {
        Value::Null | Value::Bool(_) | Value::Number(_) => Node::Constant(tree.clone()),
        Value::String(text) => Node::Text(
            Template::compile(text)
                .map_err(|fault| BodyFault { pointer: pointer.to_owned(), fault })?,
        ),
        Value::Array(elements) => Node::Array(
            elements
                .iter()
                .enumerate()
                .map(|(index, element)| compile_node(element, &format!("{pointer}/{index}")))
                .collect::<Result<_, _>>()?,
        ),
        Value::Object(members) => Node::Object(
            members
                .iter()
                .map(|(name, member)| {
                    let escaped = name.replace('~', "~0").replace('/', "~1");
                    Ok((name.clone(), compile_node(member, &format!("{pointer}/{escaped}"))?))
                })
                .collect::<Result<_, _>>()?,
        ),
    })
}

fn fill(node: &Node, scope: &Scope<'_>) -> Result<Value, TemplateError> {
    Ok(match node {
        Node::Constant(value) => value.clone(),
        Node::Text(template) => template.evaluate(scope)?,
        Node::Array(nodes) => {
            Value::Array(nodes.iter().map(|node| fill(node, scope)).collect::<Result<_, _>>()?)
        }
        Node::Object(members) => Value::Object(
            members
                .iter()
                .map(|(name, node)| Ok((name.clone(), fill(node, scope)?)))
                .collect::<Result<Map<_, _>, TemplateError>>()?,
        ),
    })
}

fn collect<'a>(node: &'a Node, found: &mut Vec<&'a Template>) {
    match node {
        Node::Constant(_) => {}
        Node::Text(template) => found.push(template),
        Node::Array(nodes) => nodes.iter().for_each(|node| collect(node, found)),
        Node::Object(members) => members.iter().for_each(|(_, node)| collect(node, found)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use crate::id::SystemIds;
    use crate::mapping::body_template::BodyTemplate;
    use crate::mapping::scope::{Ambient, Scope};

    #[test]
    fn bodies_keep_their_shape() {
        let tree = json!({ "{n}": "{n}", "a": [true, null, 1.5, "x{n}"], "o": { "v": "{list}" } });
        let body = BodyTemplate::compile(&tree).unwrap();
        let now = jiff::Timestamp::UNIX_EPOCH;
        let ambient = Ambient { ids: Arc::new(SystemIds), now, request_id: "r".to_owned() };
        let scope = Scope::new(&ambient).with_owned("n", json!(5));
        let scope = scope.with_owned("list", json!([1, 2]));
        let filled = body.evaluate(&scope).unwrap();
        let expected = json!({ "{n}": 5, "a": [true, null, 1.5, "x5"], "o": { "v": [1, 2] } });
        assert_eq!(filled, expected);
        assert_eq!(body.mentions().into_iter().collect::<Vec<_>>(), ["list", "n"]);
        let fault = BodyTemplate::compile(&json!({ "a/b": [1, "{"] })).unwrap_err();
        assert_eq!(fault.pointer, "/a~1b/1");
    }
}
