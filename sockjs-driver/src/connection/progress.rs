//! How far a connection is with its requests, so that each wait has the limit that is meant for it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

/// What the client is waited for, and when that wait began: another value is another wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    /// Its next request, after so many.
    Request(u64),
    /// The rest of that request's head.
    Head(u64),
    /// More of a body, after so many reads.
    Body(u64),
}

/// Counted by the line and the gate, which know nothing else of each other. All of it happens within
/// polls of the connection, or before its next one, and so never at the same time.
#[derive(Debug, Default)]
pub(super) struct Progress {
    requests: AtomicU64,
    reads: AtomicU64,
    /// `reads` when the last answer ended.
    reads_at_answer: AtomicU64,
    is_answering: AtomicBool,
    /// The head that was read last has a body that the scanner cannot tell by itself.
    is_unclear: AtomicBool,
}

/// An answer on its way, until its body is dropped.
pub(super) struct Answering(Arc<Progress>);

impl Progress {
    /// hyper was given bytes, of a head that `is_plain` or not.
    pub(super) fn read(&self, is_plain: bool) {
        self.is_unclear.store(!is_plain, Ordering::Relaxed);
        count(&self.reads);
    }

    /// Whether the scanner is to be asked about the head that was read last.
    pub(super) fn is_unclear(&self) -> bool {
        self.is_unclear.load(Ordering::Relaxed)
    }

    /// hyper has made a request.
    pub(super) fn begin(self: &Arc<Self>) -> Answering {
        count(&self.requests);
        self.is_answering.store(true, Ordering::Release);
        Answering(Arc::clone(self))
    }

    /// What a connection that reads waits for.
    pub(super) fn awaited(&self) -> Awaited {
        let (requests, reads) =
            (self.requests.load(Ordering::Relaxed), self.reads.load(Ordering::Relaxed));
        if self.is_answering.load(Ordering::Acquire) {
            Awaited::Body(reads)
        } else if requests == 0 || reads > self.reads_at_answer.load(Ordering::Relaxed) {
            Awaited::Head(requests)
        } else {
            Awaited::Request(requests)
        }
    }
}

/// One more. Nobody else counts meanwhile, and so no locked step is needed.
fn count(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.reads_at_answer.store(self.0.reads.load(Ordering::Relaxed), Ordering::Relaxed);
        self.0.is_answering.store(false, Ordering::Release);
    }
}
