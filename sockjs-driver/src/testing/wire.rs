//! A connection without a socket.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

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
    /// How much the client's end holds unread; unlimited without.
    room: Option<usize>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// The client's, which waits for what the server writes.
    listener: Option<Waker>,
    is_left: bool,
    /// What the system was told of silence.
    silence: Option<Duration>,
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
        self.receive_most(usize::MAX)
    }

    /// Takes so many bytes at most of what the server has written.
    pub fn receive_most(&self, most: usize) -> Vec<u8> {
        let mut received = Vec::new();
        self.change(|wire| received.extend(wire.to_client.drain(..most.min(wire.to_client.len()))));
        received
    }

    /// Waits for bytes from the server and takes them. `None` once it has closed the connection.
    pub async fn received(&self) -> Option<Vec<u8>> {
        poll_fn(|cx| {
            let received = self.receive();
            if !received.is_empty() {
                return Poll::Ready(Some(received));
            }
            let mut wire = lock(&self.0);
            if wire.is_shut_down {
                return Poll::Ready(None);
            }
            wire.listener = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// From now on so many bytes at most wait unread before the server's writes do.
    pub fn hold(&self, room: usize) {
        self.change(|wire| wire.room = Some(room));
    }

    /// From now on the server can write nothing, or again.
    pub fn stall(&self, is_stalled: bool) {
        self.change(|wire| wire.room = is_stalled.then_some(0));
    }

    /// What the server told the system of silence.
    pub fn silence(&self) -> Option<Duration> {
        lock(&self.0).silence
    }

    /// Whether the server has closed the connection.
    pub fn is_ended(&self) -> bool {
        lock(&self.0).is_shut_down
    }

    fn change(&self, change: impl FnOnce(&mut Wire)) {
        let mut wire = lock(&self.0);
        change(&mut wire);
        let wakers = [wire.reader.take(), wire.writer.take()];
        drop(wire);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

impl Socket {
    /// Notes what the system would be told of silence.
    pub fn limit_silence(&self, limit: Duration) {
        lock(&self.0).silence = Some(limit);
    }

    fn shut_down(&self) {
        let mut wire = lock(&self.0);
        wire.is_shut_down = true;
        call(wire);
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
        let mut wire = lock(&self.0);
        if wire.is_left {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = wire.room.map_or(buf.len(), |room| room.saturating_sub(wire.to_client.len()));
        if room == 0 {
            wire.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = room.min(buf.len());
        wire.to_client.extend_from_slice(&buf[..count]);
        call(wire);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shut_down();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.shut_down();
    }
}

/// Wakes the client, after the lock.
fn call(mut wire: MutexGuard<'_, Wire>) {
    let listener = wire.listener.take();
    drop(wire);
    listener.into_iter().for_each(Waker::wake);
}

fn lock(wire: &Mutex<Wire>) -> MutexGuard<'_, Wire> {
    wire.lock().expect("nothing panics under the lock")
}
