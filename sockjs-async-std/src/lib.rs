//! A SockJS server for async-std, smol, and any other executor over async-io.
//!
//! ```no_run
//! # #[cfg(feature = "async-std")]
//! # mod example {
//! use sockjs_async_std::SockJs;
//!
//! # async fn run() -> std::io::Result<()> {
//! let echo = SockJs::builder("/echo").build(|mut session| async move {
//!     while let Some(message) = session.recv().await {
//!         if session.send(message).await.is_err() {
//!             break;
//!         }
//!     }
//! });
//! let listener = async_std::net::TcpListener::bind("127.0.0.1:8081").await?;
//! sockjs_async_std::serve(listener, echo).await
//! # }
//! # }
//! ```
//!
//! The crate is made of sockets and timers of async-io, streams of futures-io, and an
//! [`Executor`], which is all in which the runtimes of this family differ. async-std's comes with
//! the feature `async-std`, a default; the module `smol` has the same names for smol, with the
//! feature `smol`. For a further one, implement [`Executor`] and use [`AsyncIo`] and [`serve_on`].
//!
//! [`SockJs`](sockjs_driver::SockJs) is a tower service, so a router can hold it beside other
//! routes. Served by `serve`, here or within a router, sessions know what was flushed to their
//! client's socket and notice at once that it left; under another server they work just as well,
//! with what that server tells.
//!
//! # Features
//! Each adds and changes nothing else; all but `async-std` are off.
//! - `async-std`: async-std's executor, and the names above.
//! - `smol`: the module `smol`.
//! - `json`: messages as values of types.
//! - `http2`: `Serve::with_http2`, and WebSockets over HTTP/2 under any server.
//! - `metrics`: counters, gauges and a histogram for the recorder of the program.
//! - `testing`: clients in memory and virtual time, to test applications with.
//! - `tracing`: a span for each session, events of its opening and its end, and of refusals.
#![forbid(unsafe_code)]

mod io;
mod runtime;
mod serve;
mod socket;

pub use io::Io;
pub use runtime::{AsyncIo, Executor};
pub use serve::{Listener, Serve, serve_on};
pub use socket::Socket;
pub use sockjs_driver::Task;
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

#[cfg(feature = "async-std")]
pub use self::async_std::{AsyncStd, Builder, Services, SockJs, Tasks, serve};

/// The names of the crate's root, for smol.
#[cfg(feature = "smol")]
pub mod smol;

#[cfg(feature = "async-std")]
mod async_std;

#[cfg(all(doctest, feature = "async-std"))]
#[doc = include_str!("../README.md")]
struct Readme;
