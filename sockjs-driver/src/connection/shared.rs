//! What a connection shares with the responses that it carries.

use std::{fmt, mem, sync::Arc, task::Waker};

use hyper::upgrade::Upgraded;

use super::{
    fifo::{Chunk, Fifo, Ledger},
    lock,
    stream::Stream,
};
use crate::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// A request's way to the connection that carries it, found in the request's extensions under
/// this type.
pub(crate) struct ConnectionHandle<C: Chunk>(pub(super) Arc<Shared<C>>);

impl<C: Chunk> ConnectionHandle<C> {
    /// Notes that a chunk's bytes are given to hyper: to be called within the `poll_frame` that
    /// returns them. `ledger` then hears `written` or `lost`, once; `lost` at once if the
    /// connection has ended already.
    pub(crate) fn hand(&self, ledger: &Arc<dyn Ledger<C>>, chunk: C) {
        if !self.0.push(ledger, chunk) {
            ledger.lost(&[chunk]);
        }
    }

    /// Says that a receiver is attached: while the value lives, a client that leaves ends the
    /// connection at once, also behind bytes that hyper has not asked for.
    pub(crate) fn park(&self) -> Parked<C> {
        self.0.parked.fetch_add(1, Ordering::SeqCst);
        // Within the connection's own poll the watch follows anyway. Both sides store first and
        // load second, so one of them sees the other.
        if !self.0.polling.load(Ordering::SeqCst) {
            self.0.wake();
        }
        Parked(Arc::clone(&self.0))
    }

    /// Opens an upgrade of a request of this connection: the bare stream, without the lock and
    /// the checks that HTTP needed, led by the bytes that were read ahead.
    pub(crate) fn open(&self, upgraded: Upgraded) -> Stream {
        (self.0.open)(upgraded)
    }
}

impl<C: Chunk> Clone for ConnectionHandle<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C: Chunk> fmt::Debug for ConnectionHandle<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionHandle").finish_non_exhaustive()
    }
}

/// A receiver attached to a connection; see [`ConnectionHandle::park`].
#[must_use = "the connection is watched only while this lives"]
pub(crate) struct Parked<C: Chunk>(Arc<Shared<C>>);

impl<C: Chunk> Parked<C> {
    /// Whether the connection ended because its client did not read.
    pub(crate) fn is_stalled(&self) -> bool {
        self.0.stalled.load(Ordering::Acquire)
    }
}

impl<C: Chunk> Drop for Parked<C> {
    fn drop(&mut self) {
        self.0.parked.fetch_sub(1, Ordering::SeqCst);
    }
}

impl<C: Chunk> fmt::Debug for Parked<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parked").finish_non_exhaustive()
    }
}

/// The state behind all handles of one connection.
pub(super) struct Shared<C: Chunk> {
    chunks: Mutex<Chunks<C>>,
    /// Whether there are chunks: hyper flushes several times a request, mostly without any, and
    /// those flushes take no lock.
    handed: AtomicBool,
    parked: AtomicUsize,
    polling: AtomicBool,
    stalled: AtomicBool,
    waker: Mutex<Option<Waker>>,
    /// Knows the socket's type, which handles do not.
    open: fn(Upgraded) -> Stream,
}

struct Chunks<C: Chunk> {
    fifo: Fifo<C>,
    ended: bool,
}

impl<C: Chunk> Shared<C> {
    pub(super) fn new(open: fn(Upgraded) -> Stream) -> Self {
        Self {
            chunks: Mutex::new(Chunks { fifo: Fifo::new(), ended: false }),
            handed: AtomicBool::new(false),
            parked: AtomicUsize::new(0),
            polling: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
            waker: Mutex::new(None),
            open,
        }
    }

    /// The connection is being polled from here on.
    pub(super) fn enter(&self, waker: &Waker) {
        self.polling.store(true, Ordering::SeqCst);
        let mut slot = lock(&self.waker);
        match &mut *slot {
            Some(known) => known.clone_from(waker),
            None => *slot = Some(waker.clone()),
        }
    }

    /// The service and its bodies have had their turn: from here on [`park`] wakes. Must come
    /// before [`is_parked`] is asked.
    ///
    /// [`park`]: ConnectionHandle::park
    /// [`is_parked`]: Self::is_parked
    pub(super) fn leave(&self) {
        self.polling.store(false, Ordering::SeqCst);
    }

    pub(super) fn is_parked(&self) -> bool {
        self.parked.load(Ordering::SeqCst) > 0
    }

    /// Everything handed in so far has been flushed. `spare` lends its storage and keeps it.
    pub(super) fn confirm(&self, spare: &mut Fifo<C>) {
        if !self.handed.load(Ordering::Acquire) {
            return;
        }
        {
            let mut chunks = lock(&self.chunks);
            mem::swap(&mut chunks.fifo, spare);
            self.handed.store(false, Ordering::Release);
        }
        spare.drain(|ledger, chunks| ledger.written(chunks));
    }

    /// The connection ends because its client does not read.
    pub(super) fn stall(&self) {
        self.stalled.store(true, Ordering::Release);
    }

    /// Nothing will be flushed any more.
    pub(super) fn end(&self) {
        let mut left = {
            let mut chunks = lock(&self.chunks);
            chunks.ended = true;
            self.handed.store(false, Ordering::Release);
            mem::replace(&mut chunks.fifo, Fifo::new())
        };
        left.drain(|ledger, chunks| ledger.lost(chunks));
        // A handle may outlive the connection, and should not keep its task.
        let waker = lock(&self.waker).take();
        drop(waker);
    }

    fn push(&self, ledger: &Arc<dyn Ledger<C>>, chunk: C) -> bool {
        let mut chunks = lock(&self.chunks);
        if chunks.ended {
            return false;
        }
        chunks.fifo.push(ledger, chunk);
        self.handed.store(true, Ordering::Release);
        true
    }

    /// Wakes the connection, without the lock, for a waker may run anything.
    fn wake(&self) {
        let waker = lock(&self.waker).clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
