//! The protocol, rule by rule, through the public API.

use sockjs_core::testing as common;

mod abort;
mod account;
mod back_pressure;
mod binding;
mod client_frames;
mod closing;
mod driving;
mod expiry;
mod heartbeat;
mod limits;
mod opening;
mod polling;
mod raw_websocket;
mod response_limit;
mod routing;
mod second_receiver;
mod secrecy;
mod sending;
mod shutdown;
mod statistics;
mod tombstones;
mod websocket;
