//! Clients that do their worst, against the tokio adapter.
#![forbid(unsafe_code)]

mod adapter {
    pub(crate) const RUNTIME: &str = "tokio";
    pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_watched-server");
}

#[path = "../faults/mod.rs"]
mod faults;
