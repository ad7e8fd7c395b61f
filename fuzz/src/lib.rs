//! The laws of foreign bytes, for libFuzzer.

pub mod laws;
