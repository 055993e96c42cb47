//! PROTOCOL against the async-std adapter on smol.
#![forbid(unsafe_code)]

mod adapter {
    pub(crate) const RUNTIME: &str = "smol";
    pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_conformance-server");
}

#[path = "../conformance/mod.rs"]
mod conformance;
