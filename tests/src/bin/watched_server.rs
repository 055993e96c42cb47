//! The server that the fault tests watch; see `sockjs_tests::watched`.
#![forbid(unsafe_code)]

use std::alloc::System;
use std::process::ExitCode;

use cap::Cap;
use sockjs_tests::watched::{self, Heap};

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

fn main() -> ExitCode {
    let settings = std::env::args().nth(1).unwrap_or_default();
    watched::main(&settings, || Heap { bytes: HEAP.allocated(), peak_bytes: HEAP.max_allocated() })
}
