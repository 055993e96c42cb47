//! PROTOCOL against examples/blocking.rs, which has no async runtime; with the services of §9.
//!
//! Left out, because the program is kept short:
//! - `http_chunked`: it reads no chunked request bodies, but answers 400 and closes;
//! - `http_continue`: it says no `100 Continue`, so who waits for it waits in vain;
//! - `http_targets`: a target has no limit but the head's, which is 431;
//! - `second_signal`: it does not wait for sessions, so nobody needs one.
//!
//! Clients of SockJS neither chunk their requests nor wait.
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
    mod body_limits;
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
    mod http_bodies;
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
    mod websocket_fragments;
    mod websocket_frames;
}
