//! TLS by rustls.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::{TlsAcceptor, server};

use crate::serve::Accept;

/// A listener whose connections speak TLS, for [`serve`](crate::serve).
///
/// Of the configuration's `alpn_protocols`, list `http/1.1`, and `h2` only if the server is told to
/// speak HTTP/2.
#[derive(Clone)]
pub struct Tls<L> {
    listener: L,
    acceptor: TlsAcceptor,
}

impl<L: Accept> Tls<L> {
    /// TLS over the connections of a listener.
    pub fn new(listener: L, config: impl Into<Arc<ServerConfig>>) -> Self {
        Self { listener, acceptor: config.into().into() }
    }
}

impl<L: fmt::Debug> fmt::Debug for Tls<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("listener", &self.listener).finish_non_exhaustive()
    }
}

impl<L: Accept> Accept for Tls<L> {
    type Stream = TlsStream<L::Stream>;

    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Self::Stream, Option<SocketAddr>)>> {
        let (stream, peer) = ready!(self.listener.poll_accept(cx))?;
        let handshake = Box::new(self.acceptor.accept(stream));
        Poll::Ready(Ok((TlsStream(State::Handshaking(handshake)), peer)))
    }

    fn limit_silence(stream: &Self::Stream, limit: Duration) {
        if let Some(stream) = stream.get_ref() {
            L::limit_silence(stream, limit);
        }
    }
}

/// A connection with TLS. Its handshake is part of whatever is read or written first: so it is the
/// connection's own time that it takes, of which the limit is that of a request's head.
pub struct TlsStream<S>(State<S>);

enum State<S> {
    Handshaking(Box<tokio_rustls::Accept<S>>),
    Open(Box<server::TlsStream<S>>),
    Failed,
}

impl<S> TlsStream<S> {
    /// The stream below, unless the handshake failed.
    fn get_ref(&self) -> Option<&S> {
        match &self.0 {
            State::Handshaking(handshake) => handshake.get_ref(),
            State::Open(stream) => Some(stream.get_ref().0),
            State::Failed => None,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    fn poll_open(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Pin<&mut server::TlsStream<S>>>> {
        if let State::Handshaking(handshake) = &mut self.0 {
            self.0 = match ready!(Pin::new(&mut **handshake).poll(cx)) {
                Ok(stream) => State::Open(Box::new(stream)),
                Err(error) => {
                    self.0 = State::Failed;
                    return Poll::Ready(Err(error));
                }
            };
        }
        Poll::Ready(match &mut self.0 {
            State::Open(stream) => Ok(Pin::new(&mut **stream)),
            _ => Err(io::ErrorKind::NotConnected.into()),
        })
    }
}

impl<S> fmt::Debug for TlsStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").finish_non_exhaustive()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_open(cx))?.poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_open(cx))?.poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            State::Open(stream) => Pin::new(stream).poll_flush(cx),
            // Nothing was written: what the handshake writes, it flushes.
            State::Handshaking(_) | State::Failed => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            State::Open(stream) => Pin::new(stream).poll_shutdown(cx),
            State::Handshaking(_) | State::Failed => Poll::Ready(Ok(())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_open(cx))?.poll_write_vectored(cx, bufs)
    }
}
