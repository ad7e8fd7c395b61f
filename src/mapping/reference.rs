//! The reference of the language for people, as Markdown: every object, field, value, default and
//! meaning, made from the tables of `file/`.

use crate::mapping::file::catalogue::objects;
use crate::mapping::file::shape::{Field, Object, Shape};

/// What stands above the tables.
const INTRODUCTION: &str = "\
# Every field of the mapping language

This page is made by `scimbridge schema --markdown` from the tables that mapping files are read with, \
so it is complete. [The mapping language](mapping-language.md) explains how the fields work together, and \
what a *place*, a *template* and an *expression* are.

Bold fields are required. A default in plain words is not a value that can be written.
";

/// The whole page.
pub fn markdown() -> String {
    std::iter::once(INTRODUCTION.to_owned()).chain(objects().iter().map(section)).collect()
}

fn section(object: &Object) -> String {
    let rows: String = object.fields.iter().map(row).collect();
    format!(
        "\n## {}\n\n{}\n\n| field | value | default | meaning |\n|---|---|---|---|\n{rows}",
        object.name, object.doc
    )
}

fn row(field: &Field) -> String {
    let name = format!("`{}`", field.name);
    let name = if field.required { format!("**{name}**") } else { name };
    let default = match field.default {
        None => String::new(),
        Some(words) if field.default_value().is_none() => words.to_owned(),
        Some(value) => format!("`{value}`"),
    };
    let cells = [name, value(&field.shape), default, field.doc.clone()];
    let cells = cells.map(|cell| cell.replace('|', "\\|"));
    format!("| {} |\n", cells.join(" | "))
}

fn value(shape: &Shape) -> String {
    match shape {
        Shape::Any => "anything".to_owned(),
        Shape::Scalar(scalar) => scalar.name.to_owned(),
        Shape::Words(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            words.join(", ")
        }
        Shape::List(inner) => format!("list of {}", value(inner)),
        Shape::OneOrMany(inner) => format!("{}, or a list", value(inner)),
        Shape::Map(inner) => format!("name → {}", value(inner)),
        Shape::Object(table) => {
            let name = table().name;
            format!("[{name}](#{})", name.to_lowercase())
        }
        Shape::Either(shapes) => {
            let values: Vec<String> = shapes.iter().map(value).collect();
            values.join(" or ")
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::mapping::reference::markdown;

    #[test]
    fn a_field_is_a_row_of_its_object() {
        let page = markdown();
        let (_, file) = page.split_once("\n## File\n").unwrap();
        let (file, _) = file.split_once("\n## ").unwrap();
        assert!(file.contains("| **`bridge`** | number |  | "), "{file}");
        assert!(file.contains("| **`resources`** | name → [Resource](#resource) |  | "), "{file}");
    }

    #[test]
    fn links_lead_to_sections() {
        let page = markdown();
        for link in page.split("](#").skip(1) {
            let (anchor, _) = link.split_once(')').unwrap();
            let has = page
                .lines()
                .filter_map(|line| line.strip_prefix("## "))
                .any(|name| name.to_lowercase() == anchor);
            assert!(has, "{anchor}");
        }
    }
}
