//! The common end of a server's connections.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::sync::atomic::{AtomicU8, Ordering};
use crate::sync::{Mutex, lock};
use crate::waiting::Known;

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

/// Where connections join. Those that come after the end find it over.
pub(crate) struct Entry(Arc<Shared>);

/// A connection's part in it, for its task and for its socket: the connection is left once both have
/// dropped theirs.
///
/// Both have one place for a waker, that of whoever looked last: in a connection's life its task, and
/// once it is a WebSocket the task that has the socket then.
#[derive(Debug)]
pub(crate) struct Watch {
    /// Nearer than by the member, for each poll of a connection looks there.
    shared: Arc<Shared>,
    member: Arc<Member>,
    /// What it has put there.
    known: Known,
}

#[derive(Debug)]
struct Member {
    shared: Arc<Shared>,
    number: u64,
    /// The connection's own, so that connections do not meet at one lock.
    waker: Arc<Mutex<Option<Waker>>>,
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
    /// For the task that takes connections in.
    pub(crate) fn entry(&self) -> Entry {
        Entry(self.0.clone())
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

impl Entry {
    /// Takes a connection in.
    pub(crate) fn join(&self) -> Watch {
        let waker = Arc::default();
        let mut members = lock(&self.0.members);
        let number = members.next;
        members.next += 1;
        members.wakers.insert(number, Arc::clone(&waker));
        let shared = Arc::clone(&self.0);
        Watch {
            member: Arc::new(Member { shared: Arc::clone(&shared), number, waker }),
            shared,
            known: Known::default(),
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.enter(Phase::Cut);
    }
}

impl Watch {
    /// Another of the same connection.
    pub(crate) fn again(&self) -> Self {
        let Self { shared, member, .. } = self;
        Self { shared: shared.clone(), member: member.clone(), known: Known::default() }
    }

    /// What the server wants; wakes when that changes.
    pub(crate) fn phase(&mut self, cx: &mut Context<'_>) -> Phase {
        // Stored first and loaded second, the other way round than in `enter`.
        if self.known.changes(cx.waker()) {
            *lock(&self.member.waker) = Some(cx.waker().clone());
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

#[cfg(all(test, not(sockjs_shuttle)))]
pub(crate) mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use super::*;

    /// Counts its wakes.
    #[derive(Default)]
    pub(crate) struct Count(pub(crate) AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn each_phase_wakes_and_a_connection_is_left_once_both_watches_are_dropped() {
        let [task, socket] = [(), ()].map(|()| Arc::<Count>::default());
        let [waker, other] = [&task, &socket].map(|count| Waker::from(count.clone()));
        let (cx, other) = (&mut Context::from_waker(&waker), &mut Context::from_waker(&other));
        let woken = || [&task, &socket].map(|count| count.0.load(Ordering::Relaxed));
        let ending = Ending::default();
        let mut watch = ending.entry().join();
        let mut again = watch.again();
        assert_eq!([watch.phase(cx), again.phase(cx)], [Phase::Serving; 2]);
        ending.begin();
        assert_eq!(woken(), [1, 0]);
        assert_eq!([watch.phase(cx), again.phase(other)], [Phase::Ending; 2]);
        drop(watch);
        assert!(ending.poll_all(cx).is_pending());
        assert_eq!(again.phase(other), Phase::Ending);
        ending.0.enter(Phase::Cut);
        assert_eq!((woken(), again.phase(other)), ([1, 1], Phase::Cut));
        drop(again);
        assert_eq!(woken(), [2, 1], "who waits for the last to go");
        assert!(ending.poll_all(cx).is_ready());
    }

    #[test]
    fn a_watch_that_did_not_move_is_woken_by_each_phase() {
        let count = Arc::<Count>::default();
        let waker = Waker::from(count.clone());
        let cx = &mut Context::from_waker(&waker);
        let ending = Ending::default();
        let mut watch = ending.entry().join();
        for phase in [Phase::Serving, Phase::Ending] {
            assert_eq!(watch.phase(cx), phase);
            ending.begin();
        }
        drop(ending);
        assert_eq!((count.0.load(Ordering::Relaxed), watch.phase(cx)), (3, Phase::Cut));
    }
}
