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
        }
    )*};
}

/// The type of a field: `need` must be there, `may` may, `or` has an empty default.
macro_rules! field_type {
    (need $type:ty) => { $type };
    (may $type:ty) => { Option<$type> };
    (or $type:ty) => { $type };
}

/// A table of fields; with `@at` the object keeps its place. Fields under `later` are checked and then refused as not supported yet;
/// fields under `checked` are checked and mean nothing to the bridge.
macro_rules! object {
    (
        $(#[$doc:meta])*
        $name:ident $label:literal $(@$at:ident)? {
            $($mode:ident $field:ident: $type:ty,)*
        }
        $(later { $($later:ident: $later_type:ty,)* })?
        $(checked { $($checked:ident: $checked_type:ty,)* })?
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub(crate) struct $name {
            $(
                /// Where its faults are told.
                pub(crate) $at: crate::mapping::diagnostic::Position,
            )?
            $(pub(crate) $field: field_type!($mode $type),)*
        }

        impl crate::mapping::file::reader::Read for $name {
            fn read(
                node: &crate::mapping::yaml::Node,
                name: &str,
                faults: &mut crate::mapping::diagnostic::Diagnostics,
            ) -> Option<Self> {
                let known = [
                    $(stringify!($field),)*
                    $($(stringify!($later),)*)?
                    $($(stringify!($checked),)*)?
                ];
                let members = crate::mapping::file::reader::Members::of(
                    node, name, $label, &known, faults,
                )?;
                $(let $field = members.$mode::<$type>(stringify!($field), faults);)*
                $($(members.later::<$later_type>(stringify!($later), faults);)*)?
                $($(members.may::<$checked_type>(stringify!($checked), faults);)*)?
                Some(Self { $($at: node.at,)? $($field: $field?,)* })
            }
        }
    };
}

/// A table of fields that are only checked, because nothing of the object is supported yet.
macro_rules! shape {
    ($(
        $(#[$doc:meta])*
        $name:ident $label:literal { $($mode:ident $field:ident: $type:ty,)* }
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub(crate) struct $name;

        impl crate::mapping::file::reader::Read for $name {
            fn read(
                node: &crate::mapping::yaml::Node,
                name: &str,
                faults: &mut crate::mapping::diagnostic::Diagnostics,
            ) -> Option<Self> {
                let known = [$(stringify!($field),)*];
                let members = crate::mapping::file::reader::Members::of(
                    node, name, $label, &known, faults,
                )?;
                $(members.$mode::<$type>(stringify!($field), faults);)*
                Some(Self)
            }
        }
    )*};
}

pub(crate) use {field_type, object, shape, words};
