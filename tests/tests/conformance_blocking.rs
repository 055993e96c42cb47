//! PROTOCOL.md against examples/blocking.rs, which has no async runtime; with the services of §9.
//!
//! Left out, because the program is kept short:
//! - `http_bodies` and `body_limits`: it reads no chunked request bodies (400, and the connection
//!   closes) and says no `100 Continue`. Clients of SockJS in browsers send neither. What these
//!   modules ask of bodies with a length it does.
//! - `websocket_fragments`: its WebSocket library counts the fragments of a message as they arrive,
//!   so it refuses the last one with 1009 only when that has arrived, not from its header.
//! - `second_signal`: it does not wait for sessions, so nobody needs one.
#![forbid(unsafe_code)]

mod adapter {
    pub(crate) const RUNTIME: &str = "none";
    pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_conformance-blocking");
}

#[path = "../conformance"]
mod conformance {
    mod abandoned;
    mod back_pressure;
    mod binding;
    mod caching;
    mod callbacks;
    mod closing;
    mod cookies;
    mod cors;
    mod escaping;
    mod expiry;
    mod handshake;
    mod heartbeat;
    mod http10;
    mod http_connections;
    mod http_malformed;
    mod ids;
    mod iframe;
    mod info;
    mod injection;
    mod jsonp_send;
    mod methods;
    mod origins;
    mod paths;
    mod payloads;
    mod preflight;
    mod raw_websocket;
    mod response_limit;
    mod second_receiver;
    mod sending;
    mod services;
    mod sessions;
    mod shutdown;
    mod slow_clients;
    mod streams;
    mod support;
    mod switched_off;
    mod volume;
    mod websocket;
    mod websocket_errors;
    mod websocket_frames;
}
