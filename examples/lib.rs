//! Example programs; see `examples/`.
#![forbid(unsafe_code)]
