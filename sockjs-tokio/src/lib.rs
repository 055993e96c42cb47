//! A SockJS server for tokio: by itself, in hyper, or in axum.
//!
//! ```no_run
//! use sockjs_tokio::SockJs;
//!
//! # async fn run() -> std::io::Result<()> {
//! let echo = SockJs::builder("/echo").build(|mut session| async move {
//!     while let Some(message) = session.recv().await {
//!         if session.send(message).await.is_err() {
//!             break;
//!         }
//!     }
//! });
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8081").await?;
//! sockjs_tokio::serve(listener, echo).await
//! # }
//! ```
//!
//! [`SockJs`] is a tower service, so a router can hold it beside other routes. Served by
//! [`serve`], here or within a router, sessions know what was flushed to their client's socket and
//! notice at once that it left; under another server they work just as well, with what that server
//! tells.
//!
//! # Features
//! All are off, and each adds and changes nothing else.
//! - `json`: messages as values of types.
//! - `http2`: `Serve::with_http2`, and WebSockets over HTTP/2 under any server.
//! - `rustls`: `Tls`, which wraps a listener.
//! - `metrics`: counters, gauges and a histogram for the recorder of the program.
//! - `testing`: clients in memory and virtual time, to test applications with.
//! - `tracing`: a span for each session, events of its opening and its end, and of refusals.
#![forbid(unsafe_code)]

mod relief;
mod runtime;
mod serve;
#[cfg(feature = "rustls")]
mod tls;

pub use runtime::Tokio;
pub use serve::{Accept, Listener, Serve, serve};
#[cfg(feature = "json")]
pub use sockjs_driver::json;
#[cfg(feature = "testing")]
pub use sockjs_driver::testing;
pub use sockjs_driver::{
    BindingSetting, Body, Broadcast, BuildError, Cause, Channel, ChannelHandle, CloseReason,
    ConnectionConfig, ConnectionInfo, Connections, Envelope, Fanout, Grade, Limits, Local,
    MemberId, Members, Message, Multiplex, MultiplexLimits, OriginPolicy, PeerAddr, Principal,
    Rates, Reached, Recording, Refusal, Report, SendError, Session, SessionHandle, SettingsError,
    SlowConsumers, Stats, Tally, Topic, Transport, TrustedProxies, WhenFull, broadcast,
};
#[cfg(feature = "rustls")]
pub use tls::{Tls, TlsStream};

/// A SockJS service on tokio.
pub type SockJs = sockjs_driver::SockJs<Tokio>;
/// Describes a service; see [`SockJs::builder`](sockjs_driver::SockJs::builder).
pub type Builder = sockjs_driver::Builder<Tokio>;
/// Several services in one server.
pub type Services = sockjs_driver::Services<Tokio>;
