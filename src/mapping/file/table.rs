//! Tables of fields and words, from which structs and their readers are made.

/// A table of words: `words! { Type { "word" => value, … }, later ["word"] }`.
macro_rules! words {
    ($($type:ident { $($word:literal => $value:expr),* $(,)? } $(, later [$($later:literal),*])?)*) => {$(
        impl crate::mapping::file::reader::Read for $type {
            fn read(
                node: &crate::mapping::yaml::Node,
                name: &str,
                faults: &mut crate::mapping::diagnostic::Diagnostics,
            ) -> Option<Self> {
                let table = [$(($word, $value)),*];
                let later: &[&str] = &[$($($later),*)?];
                crate::mapping::file::reader::word(node, name, table, later, faults)
            }

            fn shape() -> crate::mapping::file::shape::Shape {
                crate::mapping::file::shape::Shape::Words(vec![$($word),*])
            }
        }
    )*};
}

/// The type of a field: `need` must be there, `may` may, `or` has an empty default.
macro_rules! field_type {
    (need $type:ty) => { $type };
    (may $type:ty) => { Option<$type> };
    (or $type:ty) => { $type };
}

/// Whether a field must be there.
macro_rules! field_required {
    (need) => {
        true
    };
    (may) => {
        false
    };
    (or) => {
        false
    };
}

/// What a table knows of a field, as data.
macro_rules! field_shape {
    ($mode:ident $field:ident: $type:ty as $shown:ty, [$($doc:literal)*] $($default:literal)?) => {
        crate::mapping::file::table::field_shape!(
            $mode $field: $shown, [$($doc)*] $($default)?
        )
    };
    ($mode:ident $field:ident: $type:ty, [$($doc:literal)*] $($default:literal)?) => {
        crate::mapping::file::shape::Field::new(
            stringify!($field),
            &[$($doc),*],
            crate::mapping::file::table::field_default!($($default)?),
            crate::mapping::file::table::field_required!($mode),
            <$type as crate::mapping::file::reader::Read>::shape(),
        )
    };
}

/// What holds without a field.
macro_rules! field_default {
    () => {
        None
    };
    ($default:literal) => {
        Some($default)
    };
}

/// A table of fields, each with its meaning as a comment and perhaps its default, as in
/// `may attempts: u64 = "3"`; both go into the reference and the JSON Schema, which show the type
/// behind `as` where there is one. With `@at` the object keeps its place. Fields under `checked`
/// are checked and mean nothing to the bridge.
macro_rules! object {
    (
        $(#[doc = $doc:literal])*
        $name:ident $label:literal $(@$at:ident)? {
            $(
                $(#[doc = $field_doc:literal])*
                $mode:ident $field:ident: $type:ty $(as $shown:ty)? $(= $default:literal)?,
            )*
        }
        $(checked {
            $(
                $(#[doc = $checked_doc:literal])*
                $checked:ident: $checked_type:ty $(= $checked_default:literal)?,
            )*
        })?
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone)]
        pub(crate) struct $name {
            $(
                /// Where its faults are told.
                pub(crate) $at: crate::mapping::diagnostic::Position,
            )?
            $(
                $(#[doc = $field_doc])*
                pub(crate) $field: crate::mapping::file::table::field_type!($mode $type),
            )*
        }

        impl crate::mapping::file::reader::Read for $name {
            fn read(
                node: &crate::mapping::yaml::Node,
                name: &str,
                faults: &mut crate::mapping::diagnostic::Diagnostics,
            ) -> Option<Self> {
                let known = [
                    $(stringify!($field),)*
                    $($(stringify!($checked),)*)?
                ];
                let members = crate::mapping::file::reader::Members::of(
                    node, name, $label, &known, faults,
                )?;
                $(let $field = members.$mode::<$type>(stringify!($field), faults);)*
                $($(members.may::<$checked_type>(stringify!($checked), faults);)*)?
                Some(Self { $($at: node.at,)? $($field: $field?,)* })
            }

            fn shape() -> crate::mapping::file::shape::Shape {
                crate::mapping::file::shape::Shape::Object(Self::table)
            }
        }

        impl $name {
            /// The table, as data.
            fn table() -> crate::mapping::file::shape::Object {
                let fields = vec![
                    $(crate::mapping::file::table::field_shape!(
                        $mode $field: $type $(as $shown)?, [$($field_doc)*] $($default)?
                    ),)*
                    $($(crate::mapping::file::table::field_shape!(
                        may $checked: $checked_type, [$($checked_doc)*] $($checked_default)?
                    ),)*)?
                ];
                crate::mapping::file::shape::Object::new(stringify!($name), &[$($doc),*], fields)
            }
        }
    };
}

pub(crate) use {field_default, field_required, field_shape, field_type, object, words};
