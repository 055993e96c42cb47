//! Connections of our own server: what an adapter's accept loop hands over.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use pin_project_lite::pin_project;

use crate::connection::{self, ConnectionConfig};
use crate::exchange::PeerAddr;
use crate::guard::Handed;
use crate::runtime::Runtime;

/// Serves HTTP/1 on a connection with any service, such as a [`SockJs`](crate::SockJs) or a router
/// that holds some. The sessions that it carries know when their frames reached the socket, and
/// that their client left, within the time of a round trip.
///
/// The connection and the services have one clock: time that the one has read counts for the other.
pub fn serve_connection<I, S, B>(
    io: I,
    peer: Option<SocketAddr>,
    service: S,
    config: ConnectionConfig,
    runtime: Arc<dyn Runtime>,
) -> Connection<I, S, B>
where
    I: Read + Write + Send + Unpin + 'static,
    S: tower_service::Service<Request<Incoming>, Response = Response<B>> + Clone,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let service = WithPeer::new(service, peer);
    Connection { inner: connection::serve_connection(io, service, config, runtime) }
}

pin_project! {
    /// A connection at work; ends with it. See [`serve_connection`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Connection<I, S, B>
    where
        S: tower_service::Service<Request<Incoming>, Response = Response<B>>,
        S: Clone,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        B: http_body::Body,
    {
        #[pin]
        inner: connection::Connection<I, WithPeer<S>, B, Handed>,
    }
}

impl<I, S, B> fmt::Debug for Connection<I, S, B>
where
    S: tower_service::Service<Request<Incoming>, Response = Response<B>> + Clone,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: http_body::Body,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl<I, S, B> Connection<I, S, B>
where
    I: Read + Write + Send + Unpin + 'static,
    S: tower_service::Service<Request<Incoming>, Response = Response<B>> + Clone,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Ends the connection after the response that is under way, or now if it is idle. Poll on
    /// after this call.
    pub fn graceful_shutdown(self: Pin<&mut Self>) {
        self.project().inner.graceful_shutdown();
    }
}

impl<I, S, B> Attended for Connection<I, S, B>
where
    I: Read + Write + Send + Unpin + 'static,
    S: tower_service::Service<Request<Incoming>, Response = Response<B>> + Clone,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    fn graceful_shutdown(self: Pin<&mut Self>) {
        Connection::graceful_shutdown(self);
    }
}

impl<I, S, B> Future for Connection<I, S, B>
where
    I: Read + Write + Send + Unpin + 'static,
    S: tower_service::Service<Request<Incoming>, Response = Response<B>> + Clone,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().inner.poll(cx)
    }
}

/// A connection, of whatever protocol.
pub(crate) trait Attended: Future<Output = ()> {
    /// Ends the connection once what is under way has ended. To be polled on.
    fn graceful_shutdown(self: Pin<&mut Self>);
}

/// Tells the service who is at the other end.
#[derive(Clone, Debug)]
pub(crate) struct WithPeer<S> {
    service: S,
    peer: Option<PeerAddr>,
}

impl<S> WithPeer<S> {
    pub(crate) fn new(service: S, peer: Option<SocketAddr>) -> Self {
        Self { service, peer: peer.map(PeerAddr) }
    }
}

impl<S> hyper::service::Service<Request<Incoming>> for WithPeer<S>
where
    S: tower_service::Service<Request<Incoming>> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    /// Calls a clone without asking whether it is ready: like hyper, this holds no queue in which
    /// a request could wait.
    fn call(&self, mut request: Request<Incoming>) -> S::Future {
        let extensions = request.extensions_mut();
        // The request before left it there, unless the application has put another one there.
        if extensions.get() != self.peer.as_ref() {
            extensions.remove::<PeerAddr>();
            if let Some(peer) = self.peer {
                extensions.insert(peer);
            }
        }
        self.service.clone().call(request)
    }
}
