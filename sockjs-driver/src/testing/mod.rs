//! Tools to test a service without a thread, a socket or a clock. Only with the cargo feature
//! `testing`.
//!
//! - [`Client`]: a client as sockjs-client is, over any transport, for tests of applications. It runs
//!   in a [`World`] or on any other runtime; `docs/testing-your-application.md` is about it.
//! - [`World`]: a runtime whose time passes only when nothing is left to do. A day passes at once,
//!   and the same day twice is the same. It is also the shortest runtime there is.
//! - [`connection`]: a connection in memory, for [`serve_connection`](crate::serve_connection) on
//!   the server's side and bytes on the client's.
//! - [`fuzz`]: what fuzzers run.

// Failing loudly is what tests are for.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod client;
pub mod fuzz;
mod wire;
mod world;

pub use client::{Client, Connect};
pub use wire::{Plug, Socket, connection};
pub use world::World;
