//! Services within what others make; the clients are hyper's and tungstenite's.

mod support;

mod examples;
mod foreign_servers;
mod http2;
mod http2_flow;
mod layers;
mod listeners;
mod nested_in_axum;
mod tls;
