//! One HTTP/1 connection: hyper speaks the protocol, this module adds what a SockJS server must
//! know about the wire and hyper does not tell.
//!
//! It owns the flush barrier (which chunks have left), the watch for clients that leave while a
//! receiver is attached, the deadlines of a connection, and the parts of PROTOCOL §8 that
//! hyper leaves open. It keeps the driver's side of invariant 2: every chunk handed in is
//! reported exactly once, as written or as lost.
//!
//! - `shared`: what the connection and its bodies share, [`ConnectionHandle`];
//! - `fifo`: the chunks between `hand` and the flush;
//! - `line`: the socket, read ahead, and what is seen of its traffic;
//! - `scan`: where requests end in the bytes that arrive;
//! - `gate`: the checks around the service;
//! - `progress`: which part of a request is waited for;
//! - `moment`: the time of a poll;
//! - `clock`: deadlines that cost nothing while nothing waits;
//! - `serve`: the future that ties them together;
//! - `stream`: the connection after an upgrade.

mod clock;
mod fifo;
mod gate;
mod line;
mod moment;
mod progress;
mod scan;
mod serve;
mod shared;
mod stream;
#[cfg(all(test, not(sockjs_shuttle)))]
mod tests;

use std::time::Duration;

pub(crate) use self::{
    clock::{Clock, Patience},
    fifo::Ledger,
    serve::{Connection, serve_connection},
    shared::{ConnectionHandle, Parked},
    stream::Stream,
};
use crate::sync::lock;

/// The limits of one connection.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ConnectionConfig {
    /// A longer request head is answered 431; hyper's least is 8 KiB. As hyper has one setting
    /// for its buffers, this is also how much of a response it gathers before it must write.
    pub max_head_bytes: usize,
    /// More header lines than this are answered 431.
    pub max_header_count: usize,
    /// A longer request target, in a head that is not too long itself, is answered 414.
    pub max_target_bytes: usize,
    /// How long a request's head may take from its first byte, or on a new connection from the
    /// start; trickling does not extend it. Also how long a body may stand still; how long it may
    /// take is the service's to say.
    pub read_timeout: Duration,
    /// How long a connection may be idle between two requests.
    pub idle_timeout: Duration,
    /// Of HTTP/2: how many requests a connection may have under way, WebSockets included.
    pub max_stream_count: u32,
    /// How long a write or flush may go without moving a byte. Under [`Serve`](crate::Serve) on Linux
    /// and Android also how long the peer's system may leave what was sent unacknowledged, which finds
    /// peers that vanished: the socket takes writes for them.
    pub write_stall: Duration,
}

impl Default for ConnectionConfig {
    /// The defaults of DESIGN §5. The target's is the least that RFC 9112 §3 recommends,
    /// rounded up. The idle time is longer than the 60 s for which proxies commonly keep a
    /// connection, so that none sends a request into one that is just being closed.
    fn default() -> Self {
        Self {
            max_head_bytes: 16 * 1024,
            max_header_count: 64,
            max_target_bytes: 8 * 1024,
            read_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            max_stream_count: 100,
            write_stall: Duration::from_secs(10),
        }
    }
}

impl ConnectionConfig {
    /// The name of a limit with which no request could be served, if there is one.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let zero = [
            (self.max_head_bytes == 0, "max head bytes"),
            (self.max_header_count == 0, "max header count"),
            (self.max_target_bytes == 0, "max target bytes"),
            (self.max_stream_count == 0, "max stream count"),
            (self.read_timeout.is_zero(), "read timeout"),
            (self.idle_timeout.is_zero(), "idle timeout"),
            (self.write_stall.is_zero(), "write stall"),
        ];
        zero.into_iter().find_map(|(is_zero, name)| is_zero.then_some(name))
    }
}
