//! A mapping as a page for people.

use crate::mapping::model::Mapping;

/// The page, as Markdown.
pub fn markdown(mapping: &Mapping) -> String {
    format!("# {}\n", mapping.title)
}
