//! Drives [`sockjs_core`] over hyper: everything asynchronous that no runtime decides.
//!
//! Use it through an adapter, such as `sockjs-tokio`, which brings the [`Runtime`] and the accept
//! loop. A further runtime implements that trait and calls [`serve_connection`] for each
//! connection.
//!
//! # Cancellation
//! Every future here may be dropped at any time. Dropping a response or its body before its end
//! means that the client has gone.
#![forbid(unsafe_code)]

mod app;
mod body;
mod broadcast;
mod builder;
mod connection;
mod exchange;
mod guard;
mod hub;
mod runtime;
mod server;
mod services;
mod session;
mod shard;
mod sockjs;
mod upload;
mod waiting;
mod websocket;

pub use body::Body;
pub use broadcast::{Broadcast, Reached, broadcast};
pub use builder::{BuildError, Builder};
pub use connection::ConnectionConfig;
pub use exchange::PeerAddr;
pub use runtime::{Runtime, Task};
pub use server::{Connection, serve_connection};
pub use services::Services;
pub use session::{Session, SessionHandle};
pub use sockjs::{ResponseFuture, SockJs};
pub use sockjs_core::{
    BindingSetting, Cause, CloseReason, ConnectionInfo, Grade, Limits, Message, OriginPolicy,
    Principal, Report, SendError, Stats, Transport, TrustedProxies,
};
