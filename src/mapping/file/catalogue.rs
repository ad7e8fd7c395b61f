//! Every object of the language, found by walking from the file downwards.

use crate::mapping::file::reader::Read as _;
use crate::mapping::file::shape::{Object, Shape};
use crate::mapping::file::top::File;

/// The objects, each once, outer ones first.
pub(crate) fn objects() -> Vec<Object> {
    let mut found: Vec<Object> = Vec::new();
    let mut open = Vec::new();
    objects_in(&File::shape(), &mut open);
    let mut next = 0;
    while let Some(table) = open.get(next).copied() {
        next += 1;
        let object = table();
        if found.iter().any(|known| known.name == object.name) {
            continue;
        }
        for field in &object.fields {
            objects_in(&field.shape, &mut open);
        }
        found.push(object);
    }
    found
}

fn objects_in(shape: &Shape, found: &mut Vec<fn() -> Object>) {
    match shape {
        Shape::Any | Shape::Scalar(_) | Shape::Words(_) => {}
        Shape::List(inner) | Shape::OneOrMany(inner) | Shape::Map(inner) => {
            objects_in(inner, found);
        }
        Shape::Object(table) => found.push(*table),
        Shape::Either(shapes) => shapes.iter().for_each(|shape| objects_in(shape, found)),
    }
}

#[cfg(test)]
mod tests {
    use crate::mapping::file::catalogue::objects;

    #[test]
    fn every_object_and_field_says_what_it_means() {
        let mut silent = Vec::new();
        for object in objects() {
            if object.doc.is_empty() {
                silent.push(object.name.to_owned());
            }
            let fields = object.fields.iter().filter(|field| field.doc.is_empty());
            silent.extend(fields.map(|field| format!("{}.{}", object.name, field.name)));
        }
        assert!(silent.is_empty(), "no comment in the table for {}", silent.join(", "));
    }
}
