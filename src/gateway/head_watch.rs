//! Whether a connection's next head is complete: told by the request, asked by the door.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Carried by pingora from the door to the request.
pub(crate) struct HeadWatch(pub(crate) Arc<AtomicBool>);

/// Ends the wait for the head. `context` is what pingora carried from the door to the request.
pub(crate) fn head_is_complete(context: &(dyn Any + Send + Sync)) {
    if let Some(watch) = context.downcast_ref::<HeadWatch>() {
        watch.0.store(true, Ordering::Release);
    }
}
