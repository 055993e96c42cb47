//! Faults over real sockets, one file for each kind; mounted once per adapter.
//!
//! After each fault the server must be as it was: see `support::Subject::expect_recovered`.

mod support;

mod descriptors;
mod handlers;
mod idle_websockets;
mod killed_streams;
mod large_bodies;
mod never_reading;
mod opening_floods;
mod resets;
mod slow_heads;
mod trickles;
