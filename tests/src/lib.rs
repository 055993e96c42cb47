//! Shared pieces of the tests: the blocking client, the servers under test, and simulated seeds.
#![forbid(unsafe_code)]
// Failures show transcripts and bytes, not clients.
#![allow(missing_debug_implementations)]

pub mod client;
pub mod options;
pub mod server;
pub mod services;
pub mod simulation;
pub mod soak;
pub mod watched;

#[cfg(doctest)]
#[doc = include_str!("../../docs/your-own-runtime.md")]
struct YourOwnRuntime;
