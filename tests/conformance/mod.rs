//! The conformance tests, one file per area of PROTOCOL; mounted once per adapter.

mod support;

// §1 paths
mod ids;
mod methods;
mod paths;
mod switched_off;

// §2 common headers
mod caching;
mod cookies;
mod cors;
mod preflight;

// §3 static answers
mod iframe;
mod info;

// §4 frames
mod callbacks;
mod escaping;
mod response_limit;
mod streams;

// §5 sessions
mod abandoned;
mod closing;
mod expiry;
mod heartbeat;
mod second_receiver;
mod sessions;

// §6 sending
mod back_pressure;
mod binding;
mod body_limits;
mod jsonp_send;
mod origins;
mod payloads;
mod sending;
mod slow_clients;

// §7 WebSocket
mod handshake;
mod raw_websocket;
mod websocket;
mod websocket_errors;
mod websocket_fragments;
mod websocket_frames;

// §8 HTTP manners
mod http10;
mod http_bodies;
mod http_chunked;
mod http_connections;
mod http_continue;
mod http_malformed;
mod http_targets;

// what could come back
mod injection;

// §9 services, and everything at once
mod second_signal;
mod services;
mod shutdown;
mod volume;
