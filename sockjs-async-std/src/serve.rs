//! async-io's sockets.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_io::Async;

use crate::socket::Socket;
use crate::{AsyncIo, Executor, Io};

/// A server that is about to run; see [`serve_on`].
pub type Serve<S> = sockjs_driver::Serve<Listener, S>;

/// Serves HTTP/1 on a listener, with any tower service, on a runtime of your own. For async-std and
/// for smol there is a `serve`.
pub fn serve_on<E: Executor, S>(
    runtime: AsyncIo<E>,
    listener: impl Into<Listener>,
    service: S,
) -> Serve<S> {
    Serve::new(Ok(listener.into()), service, runtime)
}

/// Accepts connections for [`Serve`], from a listener of async-io or of a runtime that is built on
/// it.
#[derive(Debug)]
pub struct Listener(Arc<Async<TcpListener>>);

impl From<Async<TcpListener>> for Listener {
    fn from(listener: Async<TcpListener>) -> Self {
        Self(Arc::new(listener))
    }
}

impl From<Arc<Async<TcpListener>>> for Listener {
    fn from(listener: Arc<Async<TcpListener>>) -> Self {
        Self(listener)
    }
}

impl sockjs_driver::Listener for Listener {
    type Io = Io<Socket>;

    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Self::Io, Option<SocketAddr>)>> {
        loop {
            match self.0.get_ref().accept() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                accepted => {
                    let (stream, peer) = accepted?;
                    // Where it fails, frames only wait for each other.
                    let _ = stream.set_nodelay(true);
                    let socket = Socket::new(Async::new(stream)?);
                    return Poll::Ready(Ok((Io::vectored(socket), Some(peer))));
                }
            }
            ready!(self.0.poll_readable(cx))?;
        }
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn limit_silence(io: &Self::Io, limit: Duration) {
        // Where it fails, the system's own limit holds.
        let socket = socket2::SockRef::from(io.get_ref().get_ref());
        let _ = socket.set_tcp_user_timeout(Some(limit));
    }
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use sockjs_driver::Listener as _;

    use super::*;

    #[test]
    fn silence_is_limited_by_the_system() {
        let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).unwrap();
        let address = listener.get_ref().local_addr().unwrap();
        let mut accept = Listener::from(listener);
        let _client = std::net::TcpStream::connect(address).unwrap();
        let accepted = std::future::poll_fn(|cx| accept.poll_accept(cx));
        let (io, _) = async_io::block_on(accepted).unwrap();
        let limit = Duration::from_secs(10);
        Listener::limit_silence(&io, limit);
        let socket = socket2::SockRef::from(io.get_ref().get_ref());
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(limit));
    }
}
