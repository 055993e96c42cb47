//! Connections of our own server that may speak HTTP/2: which protocol it is, their first bytes say.
//!
//! hyper does the work (and `streams` counts what it does). Added are the limits that the HTTP/1
//! connection has too: how long a connection may be idle, and how long the peer may take nothing.
//! Responses end their stream; what was written is known in the grade `taken` (DESIGN §3).

mod streams;

use std::error::Error;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBuf, Sleep, Write};
use hyper::server::conn::http2;
use tower_service::Service;

pub(crate) use self::streams::Use;
use self::streams::{Executor, Io, Observed, Streams};
use crate::connection::{Clock, ConnectionConfig, Patience, Stream};
use crate::runtime::Runtime;
use crate::server::{Attended, Connection, WithPeer, serve_connection};

/// What a client of HTTP/2 sends first (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a client may send on one stream, or on all of a connection, before it is read.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// What waits to be written, for each stream: as much as the core lets be in flight.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// How much later than a connection that takes nothing a response ends of which nothing flows.
const STALL_MARGIN: Duration = Duration::from_secs(1);

/// A service that answers with bodies `B`, from whatever task.
pub(crate) trait Served<B>:
    Service<
        Request<Incoming>,
        Response = Response<B>,
        Error: Into<Box<dyn Error + Send + Sync>>,
        Future: Send,
    > + Clone
    + Send
    + 'static
{
}

impl<S, B> Served<B> for S where
    S: Service<
            Request<Incoming>,
            Response = Response<B>,
            Error: Into<Box<dyn Error + Send + Sync>>,
            Future: Send,
        > + Clone
        + Send
        + 'static
{
}

/// What such a service answers with.
pub(crate) trait Content:
    http_body::Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static
{
}

impl<B> Content for B where
    B: http_body::Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static
{
}

/// Serves HTTP/1 or HTTP/2, as the client likes.
pub(crate) fn serve_either<I, S, B>(
    io: I,
    peer: Option<SocketAddr>,
    service: S,
    config: ConnectionConfig,
    runtime: Arc<dyn Runtime>,
) -> Either<I, S, B>
where
    I: Read + Write + Send + Unpin + 'static,
    S: Served<B>,
    B: Content,
{
    let patience = runtime.sleep(config.read_timeout);
    let listening = Listening { io, front: Vec::new(), peer, service, config, runtime, patience };
    Either::Listening(Some(Box::new(listening)))
}

/// A connection of either protocol.
pub(crate) enum Either<I, S, B>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: http_body::Body,
{
    /// For the first bytes; nothing once they are here.
    Listening(Option<Box<Listening<I, S>>>),
    Http1(Pin<Box<Connection<Stream<I>, S, B>>>),
    Http2(Box<Http2<Stream<I>, S, B>>),
}

/// A connection of which the protocol is not known yet.
pub(crate) struct Listening<I, S> {
    io: I,
    front: Vec<u8>,
    peer: Option<SocketAddr>,
    service: S,
    config: ConnectionConfig,
    runtime: Arc<dyn Runtime>,
    patience: Pin<Box<dyn Sleep>>,
}

impl<I: Read + Unpin, S> Listening<I, S> {
    /// Whether it is HTTP/2. An error ends the connection.
    fn poll_preface(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            let Some(rest) = PREFACE.strip_prefix(&*self.front) else {
                return Poll::Ready(Ok(false));
            };
            if rest.is_empty() {
                return Poll::Ready(Ok(true));
            }
            let mut storage = [0; PREFACE.len()];
            let mut buf = ReadBuf::new(storage.get_mut(..rest.len()).unwrap_or_default());
            match Pin::new(&mut self.io).poll_read(cx, buf.unfilled())? {
                // Half of a head is HTTP/1's to judge.
                Poll::Ready(()) if buf.filled().is_empty() => return Poll::Ready(Ok(false)),
                Poll::Ready(()) => self.front.extend_from_slice(buf.filled()),
                Poll::Pending => {
                    ready!(self.patience.as_mut().poll(cx));
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
        }
    }
}

impl<I, S, B> Either<I, S, B>
where
    I: Read + Write + Send + Unpin + 'static,
    S: Served<B>,
    B: Content,
{
    fn begin(listening: Listening<I, S>, is_http2: bool) -> Self {
        let Listening { io, front, peer, service, config, runtime, .. } = listening;
        let io = Stream::led_by(Bytes::from(front), io);
        if is_http2 {
            Self::Http2(Box::new(Http2::new(io, WithPeer::new(service, peer), config, runtime)))
        } else {
            Self::Http1(Box::pin(serve_connection(io, peer, service, config, runtime)))
        }
    }
}

impl<I, S, B> Future for Either<I, S, B>
where
    I: Read + Write + Send + Unpin + 'static,
    S: Served<B>,
    B: Content,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            *self = match &mut *self {
                Self::Listening(listening) => {
                    let Some(it) = listening else { return Poll::Ready(()) };
                    let is_http2 = ready!(it.poll_preface(cx));
                    match (listening.take(), is_http2) {
                        (Some(listening), Ok(is_http2)) => Self::begin(*listening, is_http2),
                        _ => return Poll::Ready(()),
                    }
                }
                Self::Http1(connection) => return connection.as_mut().poll(cx),
                Self::Http2(connection) => return connection.poll(cx),
            };
        }
    }
}

impl<I, S, B> Attended for Either<I, S, B>
where
    I: Read + Write + Send + Unpin + 'static,
    S: Served<B>,
    B: Content,
{
    fn graceful_shutdown(mut self: Pin<&mut Self>) {
        match &mut *self {
            Self::Listening(listening) => *listening = None,
            Self::Http1(connection) => connection.as_mut().graceful_shutdown(),
            Self::Http2(connection) => connection.graceful_shutdown(),
        }
    }
}

/// An HTTP/2 connection.
pub(crate) struct Http2<I, S, B>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: http_body::Body,
{
    hyper: http2::Connection<Io<I>, Observed<WithPeer<S>>, Executor>,
    streams: Arc<Streams>,
    config: ConnectionConfig,
    clock: Clock,
    idle: Patience<(u64, bool)>,
    writing: Patience<u64>,
    is_ending: bool,
}

impl<I, S, B> Http2<I, S, B>
where
    I: Read + Write + Send + Unpin + 'static,
    S: Served<B>,
    B: Content,
{
    fn new(
        io: I,
        service: WithPeer<S>,
        config: ConnectionConfig,
        runtime: Arc<dyn Runtime>,
    ) -> Self {
        let streams = Arc::<Streams>::default();
        // Whose the session is shall end it first, for that knows why.
        let stall = config.write_stall.saturating_add(STALL_MARGIN);
        let executor = Executor::new(runtime.clone(), streams.clone(), stall);
        let hyper = http2::Builder::new(executor)
            .max_concurrent_streams(config.max_stream_count)
            .max_header_list_size(u32::try_from(config.max_head_bytes).unwrap_or(u32::MAX))
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_send_buf_size(SEND_BUFFER_BYTES)
            .enable_connect_protocol()
            .serve_connection(Io::new(io, streams.clone()), Observed(service));
        Self {
            hyper,
            streams,
            config,
            clock: Clock::new(runtime),
            idle: Patience::new(),
            writing: Patience::new(),
            is_ending: false,
        }
    }

    /// Takes no more requests, and ends with the last one.
    fn graceful_shutdown(&mut self) {
        self.is_ending = true;
        Pin::new(&mut self.hyper).graceful_shutdown();
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if Pin::new(&mut self.hyper).poll(cx).is_ready() {
                return Poll::Ready(());
            }
            self.streams.wake_later(cx.waker());
            let begun = self.streams.begun_if_none_is_left();
            let limit =
                if self.is_ending { self.config.write_stall } else { self.config.idle_timeout };
            let wait = begun.map(|begun| (begun, self.is_ending));
            let idle = self.idle.check(wait, limit, || self.clock.now());
            let written = self.streams.writes_if_blocked();
            let write = self.writing.check(written, self.config.write_stall, || self.clock.now());
            let Some(deadline) = idle.into_iter().chain(write).min() else { return Poll::Pending };
            ready!(self.clock.poll_until(deadline, cx));
            if self.is_ending || self.writing.is_over(&self.clock) {
                // The peer takes nothing, or does not answer the good-bye.
                return Poll::Ready(());
            }
            self.graceful_shutdown();
        }
    }
}
