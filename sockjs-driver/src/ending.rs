//! The common end of a server's connections.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::sync::atomic::{AtomicU8, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// What a server wants of its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Serving,
    /// Finish the response under way.
    Ending,
    /// End now.
    Cut,
}

/// Tells a server's connections when to end, and the server when they have. Dropped, it cuts off
/// those that are left.
#[derive(Default)]
pub(crate) struct Ending(Arc<Shared>);

/// A part of a connection that is told of it: the connection's task, or its socket. The connection is left
/// once both are dropped.
#[derive(Debug)]
pub(crate) struct Member {
    shared: Arc<Shared>,
    number: u64,
    /// The member's own, so that connections do not meet at one lock.
    waker: Arc<Mutex<Option<Waker>>>,
    /// What is in there, so that a look needs no lock.
    known: Option<Waker>,
}

#[derive(Debug, Default)]
struct Shared {
    /// A [`Phase`], read by every poll of a connection.
    phase: AtomicU8,
    members: Mutex<Members>,
}

#[derive(Debug, Default)]
struct Members {
    wakers: BTreeMap<u64, Arc<Mutex<Option<Waker>>>>,
    next: u64,
    /// Whoever waits for the last one to go.
    waiting: Option<Waker>,
}

impl Ending {
    /// Takes a connection in.
    pub(crate) fn join(&self) -> Member {
        let waker = Arc::default();
        let mut members = lock(&self.0.members);
        let number = members.next;
        members.next += 1;
        members.wakers.insert(number, Arc::clone(&waker));
        Member { shared: Arc::clone(&self.0), number, waker, known: None }
    }

    /// Asks all connections to finish.
    pub(crate) fn begin(&self) {
        self.0.enter(Phase::Ending);
    }

    /// Ready once no connection is left.
    pub(crate) fn poll_all(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut members = lock(&self.0.members);
        if members.wakers.is_empty() {
            return Poll::Ready(());
        }
        members.waiting = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.enter(Phase::Cut);
    }
}

impl Member {
    /// What the server wants; wakes when that changes.
    pub(crate) fn phase(&mut self, cx: &mut Context<'_>) -> Phase {
        // Stored first and loaded second, the other way round than in `enter`.
        if !self.known.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            self.known = Some(cx.waker().clone());
            *lock(&self.waker) = Some(cx.waker().clone());
        }
        match self.shared.phase.load(Ordering::Acquire) {
            0 => Phase::Serving,
            1 => Phase::Ending,
            _ => Phase::Cut,
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut members = lock(&self.shared.members);
        members.wakers.remove(&self.number);
        let waiting = if members.wakers.is_empty() { members.waiting.take() } else { None };
        drop(members);
        if let Some(waker) = waiting {
            waker.wake();
        }
    }
}

impl Shared {
    fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
        let members: Vec<_> = lock(&self.members).wakers.values().cloned().collect();
        let wakers: Vec<_> = members.iter().filter_map(|slot| lock(slot).clone()).collect();
        // Without any lock, for a waker may run anything.
        wakers.into_iter().for_each(Waker::wake);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
