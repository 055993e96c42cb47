//! A connection without a socket.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker, ready};

use hyper::rt::{Read, ReadBufCursor, Write};

/// The server's end.
#[derive(Debug)]
pub struct Socket(Arc<Mutex<Wire>>);

/// The client's end; dropping it hangs up.
#[derive(Debug)]
pub struct Plug(Arc<Mutex<Wire>>);

#[derive(Debug, Default)]
struct Wire {
    to_server: VecDeque<u8>,
    to_client: Vec<u8>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    is_held: bool,
    is_left: bool,
    is_shut_down: bool,
}

/// Both ends of a new connection.
pub fn connection() -> (Socket, Plug) {
    let wire = Arc::<Mutex<Wire>>::default();
    (Socket(wire.clone()), Plug(wire))
}

impl Plug {
    /// Gives the server bytes to read.
    pub fn send(&self, bytes: &[u8]) {
        self.change(|wire| wire.to_server.extend(bytes));
    }

    /// Takes what the server has written.
    pub fn receive(&self) -> Vec<u8> {
        std::mem::take(&mut lock(&self.0).to_client)
    }

    /// Whether the server has closed the connection.
    pub fn is_ended(&self) -> bool {
        lock(&self.0).is_shut_down
    }

    /// Whether what the server writes has to wait. At first it has not.
    pub fn hold(&self, is_held: bool) {
        self.change(|wire| wire.is_held = is_held);
    }

    fn change(&self, change: impl FnOnce(&mut Wire)) {
        let mut wire = lock(&self.0);
        change(&mut wire);
        let wakers = [wire.reader.take(), wire.writer.take()];
        drop(wire);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

impl Drop for Plug {
    fn drop(&mut self) {
        self.change(|wire| wire.is_left = true);
    }
}

impl Read for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut wire = lock(&self.0);
        if wire.to_server.is_empty() && !wire.is_left {
            wire.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = buf.remaining().min(wire.to_server.len());
        let bytes: Vec<u8> = wire.to_server.drain(..count).collect();
        buf.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl Write for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut wire = ready!(self.poll_open(cx))?;
        wire.to_client.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_open(cx).map_ok(drop)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.0).is_shut_down = true;
        Poll::Ready(Ok(()))
    }
}

impl Socket {
    /// Ready when writes go through.
    fn poll_open(&self, cx: &mut Context<'_>) -> Poll<io::Result<MutexGuard<'_, Wire>>> {
        let mut wire = lock(&self.0);
        if wire.is_left {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if wire.is_held {
            wire.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(wire))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        lock(&self.0).is_shut_down = true;
    }
}

fn lock(wire: &Mutex<Wire>) -> MutexGuard<'_, Wire> {
    wire.lock().expect("nothing panics under the lock")
}
