//! Tokio's sockets.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::Tokio;
use crate::relief::Relief;

/// A server that is about to run; see [`serve`].
pub type Serve<S> = sockjs_driver::Serve<Listener, S>;

/// Serves HTTP/1 on a listener, with any tower service: a [`SockJs`](crate::SockJs),
/// [`Services`](crate::Services), or a router that holds some.
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
pub fn serve<S>(listener: TcpListener, service: S) -> Serve<S> {
    Serve::new(Ok(Listener { listener, relief: None }), service, Tokio)
}

/// Accepts connections for [`Serve`].
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    /// From the first poll on, which is in the runtime's context.
    relief: Option<Relief>,
}

impl sockjs_driver::Listener for Listener {
    type Io = TokioIo<TcpStream>;

    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Self::Io, Option<SocketAddr>)>> {
        self.relief.get_or_insert_with(Relief::start);
        let (stream, peer) = ready!(self.listener.poll_accept(cx))?;
        // Where it fails, frames only wait for each other.
        let _ = stream.set_nodelay(true);
        Poll::Ready(Ok((TokioIo::new(stream), Some(peer))))
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn limit_silence(io: &Self::Io, limit: Duration) {
        // Where it fails, the system's own limit holds.
        let _ = socket2::SockRef::from(io.inner()).set_tcp_user_timeout(Some(limit));
    }
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use sockjs_driver::Listener as _;

    use super::*;

    #[tokio::test]
    async fn silence_is_limited_by_the_system() {
        let mut listener =
            Listener { listener: TcpListener::bind("127.0.0.1:0").await.unwrap(), relief: None };
        let _client = TcpStream::connect(listener.listener.local_addr().unwrap()).await.unwrap();
        let (io, _) = std::future::poll_fn(|cx| listener.poll_accept(cx)).await.unwrap();
        let limit = Duration::from_secs(10);
        Listener::limit_silence(&io, limit);
        let told = socket2::SockRef::from(io.inner()).tcp_user_timeout().unwrap();
        assert_eq!(told, Some(limit));
    }
}
