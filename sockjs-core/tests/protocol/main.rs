//! The protocol, rule by rule, through the public API.

#[path = "../common/mod.rs"]
mod common;

mod abort;
mod account;
mod back_pressure;
mod binding;
mod closing;
mod expiry;
mod heartbeat;
mod limits;
mod opening;
mod polling;
mod raw_websocket;
mod response_limit;
mod routing;
mod second_receiver;
mod sending;
mod shutdown;
mod tombstones;
mod websocket;
