//! The protocol, rule by rule, through the public API.

#[path = "../common/mod.rs"]
mod common;

mod expiry;
mod heartbeat;
mod opening;
mod polling;
mod response_limit;
mod second_receiver;
