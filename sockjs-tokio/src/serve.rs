//! The accept loop.

use std::error::Error;
use std::future::{Future, IntoFuture, pending};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use sockjs_driver::{ConnectionConfig, Connections, serve_connection};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower_service::Service;

use crate::Tokio;

/// How long the accept loop rests when the system is out of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long connections may take to end after the shutdown signal.
const CONNECTION_GRACE: Duration = Duration::from_secs(5);

/// Serves HTTP/1 on a listener, with any tower service: a [`SockJs`](crate::SockJs),
/// [`Services`](crate::Services), or a router that holds some.
///
/// Await the value to run the server.
pub fn serve<S>(listener: TcpListener, service: S) -> Serve<S> {
    Serve {
        listener,
        service,
        config: ConnectionConfig::default(),
        connections: Connections::default(),
        shutdown: Box::pin(pending()),
    }
}

/// A server that is about to run; see [`serve`].
#[must_use = "await it to run the server"]
pub struct Serve<S> {
    listener: TcpListener,
    service: S,
    config: ConnectionConfig,
    connections: Connections,
    shutdown: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl<S> Serve<S> {
    /// Ends the server when the future does: it accepts no more, and lets each connection finish
    /// its response.
    ///
    /// The future should drain the sessions, since polling clients need the server for that:
    ///
    /// ```no_run
    /// # use sockjs_tokio::{CloseReason, SockJs};
    /// # use std::time::Duration;
    /// # async fn run(listener: tokio::net::TcpListener, chat: SockJs) -> std::io::Result<()> {
    /// let drained = chat.clone();
    /// sockjs_tokio::serve(listener, chat)
    ///     .with_graceful_shutdown(async move {
    ///         tokio::signal::ctrl_c().await.ok();
    ///         let reason = CloseReason::SERVER_GOING_AWAY;
    ///         drained.shutdown(reason, Duration::from_secs(10)).await;
    ///     })
    ///     .await
    /// # }
    /// ```
    pub fn with_graceful_shutdown(
        mut self,
        signal: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        self.shutdown = Box::pin(signal);
        self
    }

    /// Changes the limits of each connection.
    pub fn with_limits(mut self, change: impl FnOnce(&mut ConnectionConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// Counts of the server's connections, to keep.
    pub fn connections(&self) -> Connections {
        self.connections.clone()
    }
}

impl<S, B> IntoFuture for Serve<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Output = io::Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<S, B> Serve<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    async fn run(mut self) -> io::Result<()> {
        let (ending, ended) = watch::channel(());
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = &mut self.shutdown => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let connection = self.connection(stream, peer, ended.clone());
                        connections.spawn(connection);
                    }
                    Err(error) if is_of_connection(&error) => {}
                    Err(_) => sleep(ACCEPT_PAUSE).await,
                },
                Some(_) = connections.join_next() => {}
            }
        }
        drop(self.listener);
        drop(ending);
        let all = async { while connections.join_next().await.is_some() {} };
        // Whoever is left is cut off when the set is dropped.
        let _ = timeout(CONNECTION_GRACE, all).await;
        Ok(())
    }

    fn connection(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        mut ended: watch::Receiver<()>,
    ) -> impl Future<Output = ()> + use<S, B> {
        let (service, config) = (self.service.clone(), self.config);
        // Frames are small and must not wait for each other; where it fails they only do.
        let _ = stream.set_nodelay(true);
        let io = self.connections.count(TokioIo::new(stream));
        async move {
            let runtime = Arc::new(Tokio);
            let mut connection =
                pin!(serve_connection(io, Some(peer), service, config, runtime));
            tokio::select! {
                () = connection.as_mut() => {}
                _ = ended.changed() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await;
                }
            }
        }
    }
}

/// Whether accepting failed because of the one connection that was to be accepted.
fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
