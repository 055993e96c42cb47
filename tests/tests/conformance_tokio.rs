//! PROTOCOL against the tokio adapter.
#![forbid(unsafe_code)]

mod adapter {
    pub(crate) const RUNTIME: &str = "tokio";
    pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_conformance-server");
}

#[path = "../conformance/mod.rs"]
mod conformance;
