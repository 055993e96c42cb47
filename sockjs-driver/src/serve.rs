//! The accept loop: all of a server that no runtime decides.

use std::error::Error;
use std::fmt;
use std::future::{Future, IntoFuture, pending, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use tower_service::Service;

use crate::accept;
use crate::connection::ConnectionConfig;
use crate::connections::{Connections, Room};
use crate::ending::{Ending, Phase, Watch};
#[cfg(feature = "http2")]
use crate::http2;
use crate::runtime::Runtime;
use crate::server::{Attended, serve_connection};

/// How much later than the server the system gives up a peer that takes nothing: it does not tell
/// whether that one is slow or gone, while the server knows.
const SYSTEM_MARGIN: Duration = Duration::from_secs(1);
/// How long connections, WebSockets included, may take to end after the shutdown signal.
const CONNECTION_GRACE: Duration = Duration::from_secs(5);

/// Where connections come from; an adapter has one for its runtime's listener.
pub trait Listener: Send + 'static {
    /// A connection's socket.
    type Io: Read + Write + Send + Unpin + 'static;

    /// Takes the next connection and who it comes from, if it comes from an address. Sockets are
    /// to send at once what they are given (`TCP_NODELAY`): frames are small and must not wait for
    /// each other.
    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Self::Io, Option<SocketAddr>)>>;

    /// Tells the system how long it may wait for the peer to acknowledge what was sent, where the
    /// system can be told. A peer that vanished without a word is found by that, for the socket goes
    /// on to take frames for it: by itself for a quarter of an hour, on Linux.
    ///
    /// Called once for each connection, with a little more than [`ConnectionConfig::write_stall`].
    fn limit_silence(io: &Self::Io, limit: Duration) {
        let _ = (io, limit);
    }
}

/// A server that is about to run; await it. An adapter's `serve` makes it.
#[must_use = "await it to run the server"]
pub struct Serve<L, S> {
    listener: io::Result<L>,
    service: S,
    config: ConnectionConfig,
    #[cfg(feature = "http2")]
    speaks_http2: bool,
    room: Room,
    connections: Connections,
    runtime: Arc<dyn Runtime>,
    shutdown: Signal,
    abort: Signal,
}

impl<L: fmt::Debug, S> fmt::Debug for Serve<L, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { listener, config, room, .. } = self;
        f.debug_struct("Serve")
            .field("listener", listener)
            .field("config", config)
            .field("room", room)
            .finish_non_exhaustive()
    }
}

/// What an operator says at some time.
type Signal = Pin<Box<dyn Future<Output = ()> + Send>>;

impl<L, S> Serve<L, S> {
    /// For adapters: a server on a runtime. A listener that could not be made is reported once the
    /// server runs.
    pub fn new(listener: io::Result<L>, service: S, runtime: impl Runtime) -> Self {
        Self {
            listener,
            service,
            config: ConnectionConfig::default(),
            #[cfg(feature = "http2")]
            speaks_http2: false,
            room: Room::default(),
            connections: Connections::default(),
            runtime: Arc::new(runtime),
            shutdown: Box::pin(pending()),
            abort: Box::pin(pending()),
        }
    }

    /// Ends the server when the future does: it accepts no more, and lets each connection finish
    /// its response. Whatever is left five seconds later is cut off, WebSockets too. It never ends
    /// by itself.
    ///
    /// The future should drain the sessions by [`SockJs::shutdown`](crate::SockJs::shutdown), since
    /// polling clients need the server for that.
    pub fn with_graceful_shutdown(
        mut self,
        signal: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        self.shutdown = Box::pin(signal);
        self
    }

    /// Ends the server at once when the future does, and cuts off whatever is under way: for a second
    /// signal, of an operator who will not wait for the end that the first one began.
    pub fn with_abort(mut self, signal: impl Future<Output = ()> + Send + 'static) -> Self {
        self.abort = Box::pin(signal);
        self
    }

    /// How many connections the server holds at a time, WebSockets included: 131,072. One more is
    /// closed as soon as it is accepted, without a word, for nothing costs less.
    ///
    /// The process needs as many file descriptors and some to spare. Without them accepting fails,
    /// and is tried again twenty times a second.
    pub fn with_max_connections(mut self, count: usize) -> Self {
        self.room.total = count;
        self
    }

    /// How many of them may come from one address: any number. IPv6 addresses count by their /64.
    ///
    /// Not for servers behind a proxy, whose address is all that a listener sees.
    pub fn with_max_connections_per_address(mut self, count: usize) -> Self {
        self.room.for_each_address = count;
        self
    }

    /// Changes the limits of each connection; [`ConnectionConfig`] names the defaults. Limits that
    /// cannot be are reported once the server runs.
    pub fn with_limits(mut self, change: impl FnOnce(&mut ConnectionConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// Serves HTTP/2 to clients that begin with it, by agreement within TLS or by knowing before, and
    /// WebSockets over it (RFC 8441). HTTP/1 is served as ever. Off.
    ///
    /// An HTTP/2 connection carries many requests at once: their number is limited
    /// ([`ConnectionConfig::max_stream_count`]), and the connection is the one that counts in
    /// [`Connections`].
    #[cfg(feature = "http2")]
    pub fn with_http2(mut self) -> Self {
        self.speaks_http2 = true;
        self
    }

    /// Counts of the server's connections, to keep.
    pub fn connections(&self) -> Connections {
        self.connections.clone()
    }
}

impl<L, S, B> IntoFuture for Serve<L, S>
where
    L: Listener,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Output = io::Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

    fn into_future(mut self) -> Self::IntoFuture {
        let Self { abort, .. } = &mut self;
        let mut abort = std::mem::replace(abort, Box::pin(pending()));
        Box::pin(async move {
            // Dropped at the end, whichever comes first: that cuts off the connections.
            let mut served = pin!(self.run());
            poll_fn(|cx| match abort.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(Ok(())),
                Poll::Pending => served.as_mut().poll(cx),
            })
            .await
        })
    }
}

impl<L, S, B> Serve<L, S>
where
    L: Listener,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    async fn run(self) -> io::Result<()> {
        #[cfg(feature = "http2")]
        let speaks_http2 = self.speaks_http2;
        let Self { listener, service, config, room, connections, runtime, mut shutdown, .. } = self;
        check(&config, room)?;
        let (door, porter) = accept::open(listener?);
        // Whoever is left is cut off when this is dropped.
        let ending = Ending::default();
        let (entry, spawner) = (ending.entry(), runtime.clone());
        runtime.spawn(Box::pin(async move {
            // The server waits for this task too, which may just have let somebody in.
            let _porters = entry.join();
            while let Some((io, peer)) = poll_fn(|cx| porter.poll(&*spawner, cx)).await {
                let watch = entry.join();
                let Some(io) = connections.admit(io, peer, room, watch.again()) else { continue };
                L::limit_silence(io.get_ref(), config.write_stall.saturating_add(SYSTEM_MARGIN));
                let (service, timer) = (service.clone(), spawner.clone());
                #[cfg(feature = "http2")]
                if speaks_http2 {
                    let connection = http2::serve_either(io, peer, service, config, timer);
                    spawner.spawn(Box::pin(attend(watch, connection)));
                    continue;
                }
                let connection = serve_connection(io, peer, service, config, timer);
                spawner.spawn(Box::pin(attend(watch, connection)));
            }
        }));
        let is_lost = poll_fn(|cx| match shutdown.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(false),
            Poll::Pending => door.poll_lost(cx).map(|()| true),
        });
        if is_lost.await {
            return Err(io::Error::other("the task that accepts connections has ended"));
        }
        drop(door);
        ending.begin();
        let mut grace = runtime.sleep(CONNECTION_GRACE);
        poll_fn(|cx| match ending.poll_all(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => grace.as_mut().poll(cx),
        })
        .await;
        Ok(())
    }
}

/// Runs a connection until it ends or its server does.
async fn attend(mut watch: Watch, connection: impl Attended) {
    let mut connection = pin!(connection);
    let mut is_told = false;
    poll_fn(|cx| {
        match watch.phase(cx) {
            Phase::Cut => return Poll::Ready(()),
            Phase::Ending if !is_told => {
                is_told = true;
                connection.as_mut().graceful_shutdown();
            }
            Phase::Ending | Phase::Serving => {}
        }
        connection.as_mut().poll(cx)
    })
    .await;
}

/// Limits with which nobody could be served are a mistake.
fn check(config: &ConnectionConfig, room: Room) -> io::Result<()> {
    let fault = match config.fault() {
        None if room.total == 0 || room.for_each_address == 0 => "max connections",
        None => return Ok(()),
        Some(fault) => fault,
    };
    let message = format!("{fault}: must be more than zero");
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}
