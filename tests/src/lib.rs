//! Shared pieces of the tests: the blocking client and the server under test.
#![forbid(unsafe_code)]

pub mod client;
pub mod options;
pub mod server;
pub mod services;

#[cfg(doctest)]
#[doc = include_str!("../../docs/your-own-runtime.md")]
struct YourOwnRuntime;
