//! Streams of futures-io as hyper wants them.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};
use hyper::rt::{Read, ReadBufCursor, Write};

/// One read's worth, once a thread.
const SCRATCH_BYTES: usize = 16 * 1024;

/// A stream of futures-io under hyper's traits, for
/// [`serve_connection`](sockjs_driver::serve_connection).
#[derive(Debug)]
pub struct Io<T> {
    inner: T,
    is_vectored: bool,
}

impl<T> Io<T> {
    /// For any stream.
    pub const fn new(inner: T) -> Self {
        Self { inner, is_vectored: false }
    }

    /// For a stream that writes several buffers as cheaply as one, such as a socket.
    pub const fn vectored(inner: T) -> Self {
        Self { inner, is_vectored: true }
    }

    /// The stream, where it is.
    pub const fn get_ref(&self) -> &T {
        &self.inner
    }

    /// The stream.
    pub fn into_inner(self) -> T {
        self.inner
    }
}

impl<T: AsyncRead + Unpin> Read for Io<T> {
    /// Reads into initialised memory and copies from there: streams of futures-io know no other,
    /// and to zero hyper's buffer before each read would cost more.
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        thread_local! {
            static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
        }
        // Taken out for the time: a stream that is itself such a stack finds none and makes its own.
        let mut scratch = SCRATCH.try_with(Cell::take).unwrap_or_default();
        scratch.resize(SCRATCH_BYTES, 0);
        let most = buf.remaining().min(SCRATCH_BYTES);
        let space = scratch.get_mut(..most).unwrap_or_default();
        let read = Pin::new(&mut self.inner).poll_read(cx, space);
        if let Poll::Ready(Ok(count)) = read {
            buf.put_slice(space.get(..count).unwrap_or_default());
        }
        let _ = SCRATCH.try_with(|slot| slot.set(scratch));
        ready!(read)?;
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> Write for Io<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.is_vectored
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }
}
