//! Example programs; each is one `[[example]]` of this crate: `cargo run --example echo`.
//!
//! The programs in the project's READMEs and in docs/integrations.md are compiled as tests of this crate.
#![forbid(unsafe_code)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../sockjs-tokio/README.md")]
struct TokioReadme;

#[cfg(doctest)]
#[doc = include_str!("../docs/integrations.md")]
struct Integrations;

#[cfg(doctest)]
#[doc = include_str!("../docs/observability.md")]
struct Observability;
