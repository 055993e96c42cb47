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
//! The handler runs once for each session, whatever its transport. It has ended when its client has
//! left, and the session is closed when it returns.
//!
//! # In a router
//! [`SockJs`] is a tower service, so a router can hold it beside other routes, and layers can be
//! around it. A router that cuts its prefix off is told so:
//!
//! ```
//! # use sockjs_tokio::SockJs;
//! # let echo = |session: sockjs_tokio::Session| async move { drop(session) };
//! let router: axum::Router = axum::Router::new()
//!     .route("/", axum::routing::get(|| async { "Hello" }))
//!     .nest_service("/echo", SockJs::builder("/echo").nested().build(echo));
//! ```
//!
//! Served by [`serve`], by itself or within a router, sessions know what was flushed to their client's
//! socket and notice at once that it left; under another server they work just as well, with what
//! that server tells ([`Grade`]).
//!
//! # Who may come
//! By default pages of the same origin, and nobody is asked who he is. Both are settings, as are the
//! limits, which bound memory by default:
//!
//! ```
//! use http::StatusCode;
//! use sockjs_tokio::{OriginPolicy, Principal, SockJs};
//!
//! let service = SockJs::builder("/chat")
//!     .origins(OriginPolicy::AllowList(vec!["https://app.example.com".into()]))
//!     // Asked for each request: a session's are all by the same principal.
//!     .authorize(|head| {
//!         let user = head.headers.get("x-user").and_then(|user| user.to_str().ok());
//!         user.map(|user| Some(Principal::new(user))).ok_or(StatusCode::UNAUTHORIZED)
//!     })
//!     .limits(|limits| limits.sessions = 10_000)
//!     .build(|session| async move { drop(session) });
//! ```
//!
//! # What became of the messages
//! [`send`](SessionHandle::send) waits for room in the session's queue: a slow client slows its sender.
//! Not taking messages slows the client. At the end there is an account:
//!
//! ```
//! use sockjs_tokio::{Cause, Session};
//!
//! async fn handle(session: Session) {
//!     let report = session.closed().await;
//!     if report.cause != Cause::Application {
//!         // Certainly not received: it may go by mail.
//!         println!("{:?}: {} messages unsent", report.cause, report.unsent.len());
//!     }
//! }
//! ```
//!
//! # The end of the server
//! ```no_run
//! use std::time::Duration;
//!
//! use sockjs_tokio::{CloseReason, SockJs};
//!
//! # async fn run(service: SockJs, listener: tokio::net::TcpListener) -> std::io::Result<()> {
//! let draining = service.clone();
//! sockjs_tokio::serve(listener, service)
//!     .with_graceful_shutdown(async move {
//!         let _ = tokio::signal::ctrl_c().await;
//!         draining.shutdown(CloseReason::SERVER_GOING_AWAY, Duration::from_secs(10)).await;
//!     })
//!     .await
//! # }
//! ```
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
