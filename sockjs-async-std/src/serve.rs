//! async-io's sockets.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_io::Async;

use crate::{AsyncIo, Executor, Io};

/// A server that is about to run; see [`serve_on`].
pub type Serve<S> = sockjs_driver::Serve<Accept, S>;

/// Serves HTTP/1 on a listener, with any tower service, on a runtime of your own. For async-std and
/// for smol there is a `serve`.
pub fn serve_on<E: Executor, S>(
    runtime: AsyncIo<E>,
    listener: impl Into<Listener>,
    service: S,
) -> Serve<S> {
    Serve::new(listener.into().0.map(Accept), service, runtime)
}

/// A listener of async-io, or of a runtime that is built on it.
#[derive(Debug)]
pub struct Listener(io::Result<Arc<Async<TcpListener>>>);

impl From<io::Result<Arc<Async<TcpListener>>>> for Listener {
    /// A failure is reported by the server.
    fn from(listener: io::Result<Arc<Async<TcpListener>>>) -> Self {
        Self(listener)
    }
}

impl From<io::Result<Async<TcpListener>>> for Listener {
    /// A failure is reported by the server.
    fn from(listener: io::Result<Async<TcpListener>>) -> Self {
        Self(listener.map(Arc::new))
    }
}

impl From<Async<TcpListener>> for Listener {
    fn from(listener: Async<TcpListener>) -> Self {
        Self(Ok(Arc::new(listener)))
    }
}

/// Accepts connections for [`Serve`].
#[derive(Debug)]
pub struct Accept(Arc<Async<TcpListener>>);

impl sockjs_driver::Listener for Accept {
    type Io = Io<Async<TcpStream>>;

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
                    let io = Io::vectored(Async::new(stream)?);
                    return Poll::Ready(Ok((io, Some(peer))));
                }
            }
            ready!(self.0.poll_readable(cx))?;
        }
    }
}
