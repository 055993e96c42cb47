//! A connection after its upgrade.

use std::{
    fmt,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes, BytesMut};
use hyper::{
    rt::{Read, ReadBufCursor, Write},
    upgrade::Upgraded,
};

use super::{fifo::Chunk, line::Io};

/// A stream of which the first bytes were read already: they come first. By itself that under an
/// upgraded connection, of this module's or of another server.
pub(crate) struct Stream<I = Box<dyn Duplex>> {
    front: Bytes,
    io: I,
}

impl<I> Stream<I> {
    /// These bytes, then what the stream still has.
    #[cfg(feature = "http2")]
    pub(crate) fn led_by(front: Bytes, io: I) -> Self {
        Self { front, io }
    }
}

impl Stream {
    /// Opens an upgrade that [`serve_connection`](super::serve_connection) made over `I`. Any
    /// other is taken as it is.
    pub(super) fn open<I, C>(upgraded: Upgraded) -> Self
    where
        I: Read + Write + Send + Unpin + 'static,
        C: Chunk,
    {
        let parts = match upgraded.downcast::<Io<I, C>>() {
            Ok(parts) => parts,
            Err(upgraded) => return Self::from(upgraded),
        };
        let Some((io, ahead)) = parts.io.take() else {
            return Self { front: parts.read_buf, io: Box::new(parts.io) };
        };
        // hyper is given one request at a time, so its buffer is empty here, but nothing should
        // depend on that.
        let front = if parts.read_buf.is_empty() {
            ahead.freeze()
        } else {
            let mut front = BytesMut::from(parts.read_buf);
            front.extend_from_slice(&ahead);
            front.freeze()
        };
        Self { front, io: Box::new(io) }
    }
}

impl From<Upgraded> for Stream {
    /// For an upgrade of a foreign server, which keeps its own bytes in front.
    fn from(upgraded: Upgraded) -> Self {
        Self { front: Bytes::new(), io: Box::new(upgraded) }
    }
}

impl<I> fmt::Debug for Stream<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("front", &self.front.len()).finish_non_exhaustive()
    }
}

impl<I: Read + Unpin> Read for Stream<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.front.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let most = self.front.len().min(buf.remaining());
        buf.put_slice(self.front.get(..most).unwrap_or_default());
        self.front.advance(most);
        if self.front.is_empty() {
            // The storage may be 16 KiB, and a WebSocket may live for days.
            self.front = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: Write + Unpin> Write for Stream<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}

/// Both directions, as one object.
pub(crate) trait Duplex: Read + Write + Send + Unpin {}

impl<T: Read + Write + Send + Unpin> Duplex for T {}
