//! What fuzzers run: functions of any bytes that panic when something is not as it should be.
//!
//! Each of them is a target in the repository's `fuzz/`, and runs over the corpus there in plain
//! `cargo test`.

mod head;
mod operations;
mod payload;

pub use head::head;
pub use operations::{operations, operations_of};
pub use payload::{form, payload};
