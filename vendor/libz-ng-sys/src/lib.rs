//! The names of `libz-ng-sys`, served by the zlib that a C compiler alone can build.
pub use libz_sys::*;
