//! The socket of a connection, shared between hyper and the connection's own future.
//!
//! hyper flushes its transport only with an empty write buffer, and encodes responses strictly
//! in order, so a flush that succeeds confirms every chunk handed in before it. Chunks are handed
//! in with their bytes, within one `poll_frame`, so none can come between.
//!
//! With half-closed clients served, hyper does not look for the end of the stream while it
//! answers. The future does, by reading ahead into a buffer that hyper gets first.

use std::{
    cell::Cell,
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};

use super::{
    fifo::{Chunk, Fifo},
    lock,
    progress::Progress,
    scan::Scanner,
    shared::Shared,
};
use crate::sync::Mutex;

/// How far a client may pipeline behind an attached receiver (DESIGN §4). Behind more, it is
/// not seen leaving, until a write fails.
const AHEAD_BYTES: usize = 16 * 1024;

/// Emptied buffers above this are given back.
const KEEP_BYTES: usize = 1024;

/// One read's worth, or one short write's, once a thread.
const SCRATCH_BYTES: usize = 16 * 1024;

/// What is put together before it is written.
const JOINED_BYTES: usize = 4 * 1024;

/// Reads in one poll outside hyper, which counts its own: a peer that is always ready yields.
const READS_A_POLL: usize = 16;

/// A closing connection swallows this much: a request body of the default limit, twice.
const DRAIN_BYTES: usize = 4 * 1024 * 1024;

/// What hyper reads from and writes to.
pub(super) struct Io<I, C: Chunk> {
    line: Arc<Mutex<Line<I>>>,
    shared: Arc<Shared<C>>,
    spare: Fifo<C>,
}

/// A socket, what was read of it ahead, and what was seen of its traffic.
pub(super) struct Line<I> {
    /// Gone after an upgrade or a hang-up.
    io: Option<I>,
    ahead: BytesMut,
    pub(super) scanner: Scanner,
    progress: Arc<Progress>,
    seen: Seen,
    drained_bytes: usize,
}

/// What passed through a line; counts tell progress.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    /// hyper waits for bytes: its last read in this poll was pending.
    pub(super) is_reading: bool,
    /// The peer has closed its side, or the socket failed.
    pub(super) is_ended: bool,
    /// The last write or flush was pending.
    pub(super) is_blocked: bool,
    /// hyper has closed our side in order.
    pub(super) is_shut_down: bool,
    /// Writes that moved something.
    pub(super) write_count: u64,
}

impl<I, C: Chunk> Io<I, C> {
    pub(super) fn new(line: Arc<Mutex<Line<I>>>, shared: Arc<Shared<C>>) -> Self {
        Self { line, shared, spare: Fifo::new() }
    }

    /// Takes the socket out, with the bytes read ahead.
    pub(super) fn take(&self) -> Option<(I, BytesMut)> {
        let mut line = lock(&self.line);
        let io = line.io.take()?;
        Some((io, std::mem::take(&mut line.ahead)))
    }
}

impl<I, C> Read for Io<I, C>
where
    I: Read + Unpin,
    C: Chunk,
{
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        lock(&self.line).poll_deliver(buf, cx)
    }
}

impl<I, C> Write for Io<I, C>
where
    I: Write + Unpin,
    C: Chunk,
{
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.shared.hold(&[IoSlice::new(buf)]) {
            return Poll::Ready(Ok(buf.len()));
        }
        lock(&self.line).poll_write(cx, |io, cx| io.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.shared.hold(bufs) {
            return Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()));
        }
        lock(&self.line).poll_write(cx, |io, cx| write_pieces(io, cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        lock(&self.line).io.as_ref().is_some_and(Write::is_write_vectored)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = lock(&this.line).poll_flush(cx);
        if let Poll::Ready(Ok(())) = flushed {
            this.shared.confirm(&mut this.spare);
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.line).poll_shutdown(cx)
    }
}

impl<I> Line<I> {
    pub(super) fn new(io: I, progress: Arc<Progress>) -> Self {
        Self {
            io: Some(io),
            ahead: BytesMut::new(),
            scanner: Scanner::new(),
            progress,
            seen: Seen {
                is_reading: false,
                is_ended: false,
                is_blocked: false,
                is_shut_down: false,
                write_count: 0,
            },
            drained_bytes: 0,
        }
    }

    /// What was seen, once hyper was polled. Whether it reads is asked anew each time, for it may lose
    /// interest without another read.
    pub(super) fn see(&mut self) -> Seen {
        let seen = self.seen;
        self.seen.is_reading = false;
        seen
    }

    /// Closes the socket.
    pub(super) fn hang_up(&mut self) {
        self.io = None;
        self.ahead = BytesMut::new();
    }
}

impl<I: Read + Unpin> Line<I> {
    /// Reads for hyper: what was read ahead first, at most one request at a time.
    fn poll_deliver(
        &mut self,
        mut buf: ReadBufCursor<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.seen.is_reading = false;
        if self.ahead.is_empty() {
            let room = buf.remaining();
            let scanner = &mut self.scanner;
            let ahead = &mut self.ahead;
            let read = poll_scratch(&mut self.io, room, cx, |bytes| {
                let (now, later) = bytes.split_at(scanner.scan(bytes));
                buf.put_slice(now);
                ahead.extend_from_slice(later);
            });
            match read {
                Poll::Pending => self.seen.is_reading = true,
                Poll::Ready(Ok(0) | Err(_)) => self.seen.is_ended = true,
                Poll::Ready(Ok(_)) => self.progress.read(self.scanner.is_plain()),
            }
            return read.map_ok(|_| ());
        }
        let most = self.ahead.len().min(buf.remaining());
        let bytes = self.ahead.get(..most).unwrap_or_default();
        let bytes = bytes.get(..self.scanner.scan(bytes)).unwrap_or_default();
        let taken = bytes.len();
        buf.put_slice(bytes);
        self.ahead.advance(taken);
        self.progress.read(self.scanner.is_plain());
        if self.ahead.is_empty() && self.ahead.capacity() > KEEP_BYTES {
            self.ahead = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when the peer has gone; reads ahead to learn it. While hyper itself waits for bytes
    /// (`is_reading`) they are hyper's: it would not hear of those read here.
    pub(super) fn poll_gone(&mut self, is_reading: bool, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..READS_A_POLL {
            if self.seen.is_ended {
                return Poll::Ready(());
            }
            let room = AHEAD_BYTES.saturating_sub(self.ahead.len());
            if is_reading || room == 0 {
                return Poll::Pending;
            }
            let ahead = &mut self.ahead;
            let read = ready!(
                poll_scratch(&mut self.io, room, cx, |bytes| ahead.extend_from_slice(bytes))
            );
            self.seen.is_ended = !matches!(read, Ok(1..));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads to the peer's end and forgets what it reads: closing a socket with unread bytes in it
    /// resets the connection, and the last answer may be lost. Ready when there is no more reason
    /// to wait.
    pub(super) fn poll_drained(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..READS_A_POLL {
            if self.seen.is_ended || self.drained_bytes > DRAIN_BYTES {
                return Poll::Ready(());
            }
            let read = ready!(poll_scratch(&mut self.io, SCRATCH_BYTES, cx, |_| ()));
            self.seen.is_ended = !matches!(read, Ok(1..));
            self.drained_bytes += read.unwrap_or(0);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<I: Write + Unpin> Line<I> {
    /// Writes a last answer as far as it goes at once, and closes our side.
    pub(super) fn dismiss(&mut self, answer: &[u8], cx: &mut Context<'_>) {
        if !answer.is_empty() && !self.poll_write(cx, |io, cx| io.poll_write(cx, answer)).is_ready()
        {
            return;
        }
        if self.poll_flush(cx).is_ready() {
            let _ = self.poll_shutdown(cx);
        }
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut I>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let written = self.with_io(|io| write(io, cx));
        self.seen.is_blocked = written.is_pending();
        if let Poll::Ready(Ok(1..)) = written {
            self.seen.write_count = self.seen.write_count.wrapping_add(1);
        }
        written
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.with_io(|io| io.poll_flush(cx));
        self.seen.is_blocked = flushed.is_pending();
        flushed
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = self.with_io(|io| io.poll_shutdown(cx));
        self.seen.is_blocked = shut.is_pending();
        self.seen.is_shut_down |= matches!(shut, Poll::Ready(Ok(())));
        shut
    }

    fn with_io<T>(
        &mut self,
        act: impl FnOnce(Pin<&mut I>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match &mut self.io {
            Some(io) => act(Pin::new(io)),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

/// Reads at most `most` bytes into this thread's scratch and shows them: a connection owns no
/// buffer of its own, and what hyper's buffer gets can be looked at first.
fn poll_scratch<I: Read + Unpin>(
    io: &mut Option<I>,
    most: usize,
    cx: &mut Context<'_>,
    show: impl FnOnce(&[u8]),
) -> Poll<io::Result<usize>> {
    let Some(io) = io else {
        return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
    };
    with_scratch(|scratch| {
        let most = most.min(scratch.len());
        let mut buf = ReadBuf::new(scratch.get_mut(..most).unwrap_or_default());
        let read = Pin::new(io).poll_read(cx, buf.unfilled()).map_ok(|()| buf.filled().len());
        if let Poll::Ready(Ok(1..)) = read {
            show(buf.filled());
        }
        read
    })
}

/// Writes what hyper has in pieces. A head and its body, or a chunk with what goes around it, are mostly
/// so short that to put them together costs less than it costs the system to gather them.
fn write_pieces<I: Write + Unpin>(
    io: Pin<&mut I>,
    cx: &mut Context<'_>,
    pieces: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
    if bytes > JOINED_BYTES {
        return io.poll_write_vectored(cx, pieces);
    }
    with_scratch(|scratch| {
        let mut room = &mut *scratch;
        for piece in pieces {
            let (taken, rest) = room.split_at_mut(piece.len());
            taken.copy_from_slice(piece);
            room = rest;
        }
        io.poll_write(cx, scratch.get(..bytes).unwrap_or_default())
    })
}

fn with_scratch<R>(work: impl FnOnce(&mut [u8]) -> R) -> R {
    thread_local! {
        static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    }
    // Taken out for the time: a socket that is itself such a stack finds none and makes its own.
    let mut scratch = SCRATCH.try_with(Cell::take).unwrap_or_default();
    scratch.resize(SCRATCH_BYTES, 0);
    let result = work(&mut scratch);
    let _ = SCRATCH.try_with(|slot| slot.set(scratch));
    result
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, task::Waker};

    use super::*;

    /// Answers reads as told, then not at all.
    struct Told(VecDeque<Poll<&'static [u8]>>);

    impl Read for Told {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            mut buf: ReadBufCursor<'_>,
        ) -> Poll<io::Result<()>> {
            self.0.pop_front().unwrap_or(Poll::Pending).map(|bytes| {
                buf.put_slice(bytes);
                Ok(())
            })
        }
    }

    fn line<const N: usize>(told: [Poll<&'static [u8]>; N]) -> Line<Told> {
        Line::new(Told(told.into()), Arc::default())
    }

    fn deliver(line: &mut Line<Told>, cx: &mut Context<'_>) -> Poll<Vec<u8>> {
        let mut space = [0; 100];
        let mut buf = ReadBuf::new(&mut space);
        line.poll_deliver(buf.unfilled(), cx).map(|_| buf.filled().to_vec())
    }

    #[test]
    fn nothing_is_read_ahead_of_a_reader_that_waits() {
        let cx = &mut Context::from_waker(Waker::noop());
        let mut line = line([Poll::Pending, Poll::Ready(b"G")]);
        assert!(deliver(&mut line, cx).is_pending());
        let seen = line.see();
        assert!(line.poll_gone(seen.is_reading, cx).is_pending());
        assert!(line.ahead.is_empty(), "the byte that came in between is left for the next poll");
        let seen = line.see();
        assert!(line.poll_gone(seen.is_reading, cx).is_pending());
        assert_eq!(deliver(&mut line, cx), Poll::Ready(b"G".to_vec()));
    }

    #[test]
    fn an_end_is_not_forgotten() {
        let cx = &mut Context::from_waker(Waker::noop());
        let mut line = line([Poll::Ready(b"")]);
        assert_eq!(deliver(&mut line, cx), Poll::Ready(Vec::new()));
        let seen = line.see();
        assert!(line.poll_gone(seen.is_reading, cx).is_ready());
    }

    /// Takes everything, and notes each call: how many pieces, how many bytes.
    #[derive(Default)]
    struct Calls(Vec<(usize, usize)>);

    impl Write for Calls {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            assert!(buf.iter().zip(0..).all(|(byte, at)| *byte == at));
            self.0.push((1, buf.len()));
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let bytes = bufs.iter().map(|buf| buf.len()).sum();
            self.0.push((bufs.len(), bytes));
            Poll::Ready(Ok(bytes))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn short_pieces_are_written_as_one() {
        let cx = &mut Context::from_waker(Waker::noop());
        let mut calls = Calls::default();
        let long = vec![0; JOINED_BYTES];
        for pieces in [[&[0, 1][..], &[2], &[]], [&[], &[], &[]], [&[0], &[], &long]] {
            let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
            let written = write_pieces(Pin::new(&mut calls), cx, &pieces.map(IoSlice::new));
            assert!(matches!(written, Poll::Ready(Ok(taken)) if taken == bytes));
        }
        assert_eq!(calls.0, [(1, 3), (1, 0), (3, JOINED_BYTES + 1)]);
    }
}
