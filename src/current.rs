//! A value that is replaced as a whole while others use it: whoever has taken the value keeps the
//! one he took.

use std::sync::{Arc, PoisonError, RwLock};

/// The value as it is now. The lock is held for the time it takes to copy a pointer.
#[derive(Debug, Default)]
pub struct Current<T>(RwLock<Arc<T>>);

impl<T> Current<T> {
    /// Begins with this value.
    pub fn new(value: T) -> Self {
        Self(RwLock::new(Arc::new(value)))
    }

    /// The value as it is now.
    pub fn load(&self) -> Arc<T> {
        // A pointer is replaced or it is not: what a panicking caller left behind is whole.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the value for everybody who takes it from now on.
    pub fn replace(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }
}

#[cfg(test)]
mod tests {
    use crate::current::Current;

    #[test]
    fn who_has_taken_the_value_keeps_it() {
        let current = Current::new(1);
        let taken = current.load();
        current.replace(2);
        assert_eq!((*taken, *current.load()), (1, 2));
    }
}
