//! What every transform is: a value's way from native to SCIM, and back.

use std::fmt::Debug;

use serde_json::Value;

/// A change of one value, in both directions.
///
/// Two laws hold for all of them: a SCIM value that was read and is written back over the native
/// value it came from leaves that native value as it is; and what is written reads as what was
/// wanted, up to the equality of the [`Class`].
pub trait Transform: Debug + Send + Sync {
    /// Its name in mapping files.
    fn name(&self) -> &'static str;

    /// The SCIM value of a native one.
    fn to_scim(&self, native: &Value) -> Result<Value, TransformError>;

    /// The native value of a SCIM one. `current` is the native value that is there now, and is
    /// kept when it already reads as wanted.
    fn to_native(&self, scim: &Value, current: Option<&Value>) -> Result<Value, TransformError>;

    /// What is lost on the way.
    fn class(&self) -> Class;

    /// A SCIM value that several native values read as, if there is one.
    fn ambiguous(&self) -> Option<Value> {
        None
    }

    /// SCIM values of its domain, typical ones first, then those on which writing and reading
    /// back is most likely to fail; some are refused. `check` looks for counter-examples among them.
    fn samples(&self) -> Vec<Value> {
        Vec::new()
    }

    /// Native values of its domain, typical ones first, then the hard ones.
    fn native_samples(&self) -> Vec<Value> {
        Vec::new()
    }

    /// Whether two SCIM values are spellings of one: what is read back may be the other.
    fn is_same(&self, left: &Value, right: &Value) -> bool {
        left == right
    }

    /// What a [`Class::Quotient`] is equal up to, as in "same instant".
    fn remark(&self) -> Option<&'static str> {
        None
    }
}

/// What a transform loses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Nothing.
    Iso,
    /// Differences that SCIM does not see, such as letter case or the offset of an instant.
    Quotient,
    /// Something that matters.
    Lossy,
}

/// A value that a transform cannot change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransformError {
    /// It is of another type, or not written as it should be.
    #[error("{transform}: the value is not {expected}")]
    NotOfType {
        /// The transform.
        transform: &'static str,
        /// What it should be, with its article.
        expected: &'static str,
    },
    /// It has no counterpart on the other side.
    #[error("{transform}: the value has no counterpart on the other side")]
    NoCounterpart {
        /// The transform.
        transform: &'static str,
    },
}

/// A transform that cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransformFault {
    /// There is none of this name.
    #[error("there is no transform {name:?}; there are {}", known.join(", "))]
    Unknown {
        /// What was written.
        name: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// Its argument or one of its options is wrong.
    #[error("{name}: {message}")]
    BadArgument {
        /// Its name.
        name: &'static str,
        /// What is wrong.
        message: String,
    },
}

/// Whether the native value that is there already reads as wanted.
pub(crate) fn keeps<'a>(
    transform: &dyn Transform,
    scim: &Value,
    current: Option<&'a Value>,
) -> Option<&'a Value> {
    current.filter(|current| transform.to_scim(current).as_ref() == Ok(scim))
}

/// The laws, for the tests of the transforms.
#[cfg(test)]
pub(crate) mod laws {
    use serde_json::Value;

    use crate::mapping::transform::kind::{Class, Transform};

    /// What was read and is written back changes nothing; without the current value it reads the
    /// same, and is the same when nothing is lost.
    pub(crate) fn hold_for_native(transform: &dyn Transform, native: &Value) {
        let Ok(scim) = transform.to_scim(native) else { return };
        assert_eq!(transform.to_native(&scim, Some(native)).as_ref(), Ok(native), "{transform:?}");
        let Ok(written) = transform.to_native(&scim, None) else {
            assert_eq!(transform.class(), Class::Lossy, "{transform:?} cannot write {scim}");
            return;
        };
        assert_eq!(transform.to_scim(&written), Ok(scim), "{transform:?} {native}");
        if transform.class() == Class::Iso {
            assert_eq!(&written, native, "{transform:?}");
        }
    }

    /// What is written reads the same the next time it is written.
    pub(crate) fn hold_for_scim(transform: &dyn Transform, scim: &Value) {
        let Ok(native) = transform.to_native(scim, None) else { return };
        let read = transform.to_scim(&native).unwrap();
        assert_eq!(transform.to_native(&read, None).as_ref(), Ok(&native), "{transform:?}");
        assert!(transform.is_same(&read, &read), "{transform:?} {read}");
        // Two spellings of one value are written alike.
        if transform.is_same(scim, &read) {
            assert_eq!(transform.to_native(scim, Some(&native)).as_ref(), Ok(&native));
        }
        if transform.class() == Class::Iso {
            assert_eq!(&read, scim, "{transform:?}");
        }
    }
}
