//! Tokio's sockets.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use crate::Tokio;
use crate::relief::Relief;

/// A server that is about to run; see [`serve`].
pub type Serve<S, L = TcpListener> = sockjs_driver::Serve<Listener<L>, S>;

/// Serves HTTP/1 on a listener, with any tower service: a [`SockJs`](crate::SockJs),
/// [`Services`](crate::Services), or a router that holds some. The listener is tokio's for TCP or
/// for Unix sockets, one of these behind `Tls` (with the feature `rustls`), or any that implements
/// [`Accept`].
///
/// Await the value to run the server; dropping it cuts off all connections. It can be told to end
/// in order:
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
///     // Whoever asks twice will not wait.
///     .with_abort(async {
///         tokio::signal::ctrl_c().await.ok();
///         tokio::signal::ctrl_c().await.ok();
///     })
///     .await
/// # }
/// ```
pub fn serve<L: Accept, S>(listener: L, service: S) -> Serve<S, L> {
    Serve::new(Ok(Listener { listener, relief: None }), service, Tokio)
}

/// Where [`serve`] takes connections from.
pub trait Accept: Send + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Takes the next connection and who it comes from, if it comes from an address. It is to send at
    /// once what it is given (`TCP_NODELAY`): frames are small and must not wait for each other.
    ///
    /// What takes its time, such as a handshake, belongs into the stream's first read: here it would
    /// hold up everybody else.
    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Self::Stream, Option<SocketAddr>)>>;

    /// Tells the system how long the peer may leave unacknowledged what was sent, where the system can
    /// be told; called once for each connection.
    fn limit_silence(stream: &Self::Stream, limit: Duration) {
        let _ = (stream, limit);
    }
}

impl Accept for TcpListener {
    type Stream = TcpStream;

    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(TcpStream, Option<SocketAddr>)>> {
        let (stream, peer) = ready!(Self::poll_accept(self, cx))?;
        // Where it fails, frames only wait for each other.
        let _ = stream.set_nodelay(true);
        Poll::Ready(Ok((stream, Some(peer))))
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn limit_silence(stream: &TcpStream, limit: Duration) {
        // Where it fails, the system's own limit holds.
        let _ = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(limit));
    }
}

/// Whoever connects has no address.
#[cfg(unix)]
impl Accept for tokio::net::UnixListener {
    type Stream = tokio::net::UnixStream;

    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Self::Stream, Option<SocketAddr>)>> {
        let (stream, _) = ready!(Self::poll_accept(self, cx))?;
        Poll::Ready(Ok((stream, None)))
    }
}

/// Accepts connections for [`Serve`].
#[derive(Debug)]
pub struct Listener<L = TcpListener> {
    listener: L,
    /// From the first poll on, which is in the runtime's context.
    relief: Option<Relief>,
}

impl<L: Accept> sockjs_driver::Listener for Listener<L> {
    type Io = TokioIo<L::Stream>;

    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Self::Io, Option<SocketAddr>)>> {
        self.relief.get_or_insert_with(Relief::start);
        let (stream, peer) = ready!(self.listener.poll_accept(cx))?;
        Poll::Ready(Ok((TokioIo::new(stream), peer)))
    }

    fn limit_silence(io: &Self::Io, limit: Duration) {
        L::limit_silence(io.inner(), limit);
    }
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn silence_is_limited_by_the_system() {
        let mut listener =
            Listener { listener: TcpListener::bind("127.0.0.1:0").await.unwrap(), relief: None };
        let _client = TcpStream::connect(listener.listener.local_addr().unwrap()).await.unwrap();
        let (io, _) =
            std::future::poll_fn(|cx| sockjs_driver::Listener::poll_accept(&mut listener, cx))
                .await
                .unwrap();
        let limit = Duration::from_secs(10);
        <Listener as sockjs_driver::Listener>::limit_silence(&io, limit);
        let told = socket2::SockRef::from(io.inner()).tcp_user_timeout().unwrap();
        assert_eq!(told, Some(limit));
    }
}
