//! What fuzzers run: functions of any bytes that panic when something is not as it should be.
//!
//! Each of them is a target in the repository's `fuzz/`, and runs over the corpus there in plain
//! `cargo test`.

mod frames;
mod scene;
mod script;

pub use frames::frames;
pub use script::{requests, script};
