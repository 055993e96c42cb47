//! Drives [`sockjs_core`] over hyper: everything asynchronous that no runtime decides.
//!
//! Applications use it through an adapter, such as `sockjs-tokio`, which brings the [`Runtime`] and
//! the accept loop. A service that is to run on any of them is written against this crate:
//!
//! ```
//! use sockjs_driver::{Runtime, Session, SockJs};
//!
//! async fn echo(mut session: Session) {
//!     while let Some(message) = session.recv().await {
//!         if session.send(message).await.is_err() {
//!             break;
//!         }
//!     }
//! }
//!
//! fn service<R: Runtime + Default>() -> SockJs<R> {
//!     SockJs::builder("/echo").build(echo)
//! }
//! ```
//!
//! A further runtime implements [`Runtime`] and yields its connections from a [`Listener`].
//!
//! # How it works
//! Sessions are divided among *shards*, each an endpoint of the core behind a lock that is entered
//! through one function, a *turn*: run, drain the events, unlock, wake. Responses' bodies and
//! WebSockets drive the endpoint from their own polls. There is one task for each WebSocket, which runs
//! the application's handler too, and one for the timer of each shard. The handler of any other session
//! is polled by the requests that bring it something, or in a task for one poll.
//!
//! # Cancellation
//! Every future here may be dropped at any time. Dropping a response or its body before its end
//! means that the client has gone.
#![forbid(unsafe_code)]

mod accept;
mod app;
mod body;
mod broadcast;
mod builder;
mod claim;
mod connection;
mod connections;
mod ending;
mod exchange;
mod guard;
#[cfg(feature = "http2")]
mod http2;
mod hub;
mod inbox;
#[cfg(feature = "json")]
pub mod json;
mod multiplex;
mod nudge;
mod observe;
mod recording;
mod runner;
mod runtime;
mod serve;
mod server;
mod services;
mod session;
mod shard;
mod sockjs;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;
mod upload;
mod waiting;
mod websocket;

pub use body::Body;
pub use broadcast::{
    Broadcast, Envelope, Fanout, Local, MemberId, Members, Reached, WhenFull, broadcast,
};
pub use builder::{BuildError, Builder};
pub use connection::ConnectionConfig;
pub use connections::{Connections, Counted};
pub use exchange::PeerAddr;
pub use multiplex::{Channel, ChannelHandle, Multiplex};
pub use recording::Recording;
pub use runtime::{Runtime, Task};
pub use serve::{Listener, Serve};
pub use server::{Connection, serve_connection};
pub use services::Services;
pub use session::{Session, SessionHandle};
pub use sockjs::{ResponseFuture, SockJs};
pub use sockjs_core::multiplex::{Limits as MultiplexLimits, Topic};
pub use sockjs_core::{
    BindingSetting, Cause, CloseReason, ConnectionInfo, Grade, Limits, Message, OriginPolicy,
    Principal, Rates, Refusal, Report, SendError, SettingsError, SlowConsumers, Stats, Tally,
    Transport, TrustedProxies,
};
