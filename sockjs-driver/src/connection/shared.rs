//! What a connection shares with the responses that it carries.

use std::{fmt, io::IoSlice, mem, sync::Arc, task::Waker, time::Instant};

use bytes::BytesMut;
use http::{Extensions, Response, StatusCode};
use hyper::upgrade::Upgraded;

use super::{
    fifo::{Chunk, Fifo, Ledger},
    lock,
    moment::Moment,
    stream::Stream,
};
use crate::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// A request's way to the connection that carries it, which is to be [taken](Self::take) out of the
/// request's extensions.
pub(crate) struct ConnectionHandle<C: Chunk>(pub(super) Arc<Shared<C>>);

/// Where it is in there. Empty in what waits for the next request, lest a connection keep itself.
#[derive(Clone)]
struct Mark<C: Chunk>(Option<ConnectionHandle<C>>);

impl<C: Chunk> ConnectionHandle<C> {
    /// Notes that a chunk's bytes are given to hyper: to be called within the `poll_frame` that
    /// returns them. `ledger` then hears `written` or `lost`, once; `lost` at once if the
    /// connection has ended already.
    pub(crate) fn hand(&self, ledger: Arc<dyn Ledger<C>>, chunk: C) {
        if let Err(ledger) = self.0.push(ledger, chunk) {
            ledger.lost(&[chunk]);
        }
    }

    /// The time. Within a poll of the connection it is known, or found by `look` for whoever asks after.
    pub(crate) fn now(&self, look: impl FnOnce() -> Instant) -> Instant {
        match self.0.polling.load(Ordering::Relaxed) {
            true => self.0.moment.now(look),
            false => look(),
        }
    }

    /// The application had its turn and may have taken its time: whoever asks for that next looks anew.
    pub(crate) fn look_anew(&self) {
        self.0.moment.pass();
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
    /// the checks that HTTP needed, led by the bytes that were read ahead. With it what is to be
    /// written to it first: an answer that was held back.
    pub(crate) fn open(&self, upgraded: Upgraded) -> (Stream, BytesMut) {
        self.0.holds.store(false, Ordering::Release);
        let held = mem::take(&mut *lock(&self.0.held));
        ((self.0.open)(upgraded), held)
    }

    /// Tells a request that it is of this connection.
    pub(super) fn mark(&self, extensions: &mut Extensions) {
        if extensions.is_empty() {
            *extensions = mem::take(&mut *lock(&self.0.spare));
        }
        match extensions.get_mut() {
            Some(Mark(handle)) => *handle = Some(self.clone()),
            None => drop(extensions.insert(Mark(Some(self.clone())))),
        }
    }

    /// Takes the connection out of a request's extensions, if it is one of ours. What is left of it there is
    /// [passed on](Self::pass_on) or [removed](Self::unmark).
    pub(crate) fn take(extensions: &mut Extensions) -> Option<Self> {
        extensions.get_mut::<Mark<C>>()?.0.take()
    }

    /// Leaves no trace of a connection in a request's extensions.
    pub(crate) fn unmark(extensions: &mut Extensions) {
        extensions.remove::<Mark<C>>();
    }

    /// Takes extensions of a request that hold for the connection's other ones too: the next one gets them.
    pub(crate) fn pass_on(&self, extensions: Extensions) {
        let before = mem::replace(&mut *lock(&self.0.spare), extensions);
        drop(before);
    }

    /// Marks the answer to a request of this connection whose upgrade will be [opened](Self::open): it
    /// waits for what the stream's new owner has to say, so that both leave in one write.
    pub(crate) fn hold_back<B>(&self, answer: &mut Response<B>) {
        answer.extensions_mut().insert(self.clone());
    }

    /// Hyper writes this answer next. If it is [marked](Self::hold_back), and not replaced on its way here,
    /// it is the last, and held back. No chunk is before it that would be taken for written, since hyper
    /// asks for an answer only when those before have left.
    pub(super) fn passes<B>(answer: &mut Response<B>) {
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return;
        }
        if let Some(Self(shared)) = answer.extensions_mut().remove() {
            shared.holds.store(true, Ordering::Release);
        }
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
    pub(super) moment: Moment,
    stalled: AtomicBool,
    waker: Mutex<Option<Waker>>,
    /// What is written from now on is held back.
    holds: AtomicBool,
    held: Mutex<BytesMut>,
    /// What all requests are told alike, from one for the next: to put it together each time costs a request
    /// four allocations.
    spare: Mutex<Extensions>,
    /// Knows the socket's type, which handles do not.
    open: fn(Upgraded) -> Stream,
}

struct Chunks<C: Chunk> {
    fifo: Fifo<C>,
    ended: bool,
}

impl<C: Chunk> Shared<C> {
    pub(super) fn new(open: fn(Upgraded) -> Stream, now: Instant) -> Self {
        Self {
            chunks: Mutex::new(Chunks { fifo: Fifo::new(), ended: false }),
            handed: AtomicBool::new(false),
            parked: AtomicUsize::new(0),
            polling: AtomicBool::new(false),
            moment: Moment::new(now),
            stalled: AtomicBool::new(false),
            waker: Mutex::new(None),
            holds: AtomicBool::new(false),
            held: Mutex::new(BytesMut::new()),
            spare: Mutex::default(),
            open,
        }
    }

    /// Who is to be polled for this connection.
    pub(super) fn wakes(&self, waker: Waker) {
        let before = lock(&self.waker).replace(waker);
        // Without the lock, for its drop may run anything.
        drop(before);
    }

    /// The connection is being polled from here on. Whoever does not see it wakes for nothing.
    pub(super) fn enter(&self) {
        self.polling.store(true, Ordering::Relaxed);
        self.moment.pass();
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
        let at = self.moment.known();
        spare.drain(|ledger, chunks| ledger.written(chunks, at));
    }

    /// Holds these bytes back, if that is to be.
    pub(super) fn hold(&self, bufs: &[IoSlice<'_>]) -> bool {
        let holds = self.holds.load(Ordering::Acquire);
        if holds {
            let mut held = lock(&self.held);
            bufs.iter().for_each(|buf| held.extend_from_slice(buf));
        }
        holds
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

    /// Gives the ledger back if the connection has ended.
    fn push(&self, ledger: Arc<dyn Ledger<C>>, chunk: C) -> Result<(), Arc<dyn Ledger<C>>> {
        let mut chunks = lock(&self.chunks);
        if chunks.ended {
            return Err(ledger);
        }
        chunks.fifo.push(ledger, chunk);
        self.handed.store(true, Ordering::Release);
        Ok(())
    }

    /// Wakes the connection, without the lock, for a waker may run anything.
    fn wake(&self) {
        let waker = lock(&self.waker).clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

#[cfg(all(test, not(sockjs_shuttle)))]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods)]
    fn what_is_passed_on_finds_the_next_request_and_keeps_no_connection() {
        let handle = ConnectionHandle::<u32>(Arc::new(Shared::new(
            |upgraded| upgraded.into(),
            Instant::now(),
        )));
        let shared = Arc::downgrade(&handle.0);
        let mut extensions = Extensions::new();
        handle.mark(&mut extensions);
        extensions.insert("for all requests");
        for _ in 0..3 {
            let taken = ConnectionHandle::<u32>::take(&mut extensions).expect("it is marked");
            assert!(ConnectionHandle::<u32>::take(&mut extensions).is_none());
            taken.pass_on(mem::take(&mut extensions));
            handle.mark(&mut extensions);
            assert_eq!(extensions.get(), Some(&"for all requests"));
        }
        let taken = ConnectionHandle::<u32>::take(&mut extensions).expect("it is marked");
        taken.pass_on(extensions);
        drop((taken, handle));
        assert!(shared.upgrade().is_none());
    }
}
