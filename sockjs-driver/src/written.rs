//! Chunks that were written and that nobody is in a hurry for: told to the endpoint at its next turn,
//! which mostly comes at once, for whatever reason.

use std::sync::PoisonError;
use std::task::Waker;
use std::time::Duration;

use sockjs_core::trace::Traced;
use sockjs_core::{ChunkId, Timestamp};

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// How long the endpoint may not know of what was written, should no turn come.
const DELAY: Duration = Duration::from_millis(20);

/// What the endpoint is still to be told of.
#[derive(Default)]
pub(crate) struct Written {
    /// A hint, so that most turns need no lock.
    is_some: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    chunks: Vec<(ChunkId, Timestamp)>,
    /// When a turn must come.
    due: Option<Timestamp>,
    timer: Option<Waker>,
}

impl Written {
    /// Everything up to and including this chunk was written.
    pub(crate) fn note(&self, chunk: ChunkId, now: Timestamp) {
        let mut state = self.lock();
        state.chunks.push((chunk, now));
        self.is_some.store(true, Ordering::Release);
        if state.due.is_none() {
            state.due = Some(now + DELAY);
            let timer = state.timer.take();
            drop(state);
            timer.into_iter().for_each(Waker::wake);
        }
    }

    /// Tells the endpoint, with the times when they were written: from there deadlines count.
    pub(crate) fn tell(&self, endpoint: &mut Traced) {
        if !self.is_some.load(Ordering::Acquire) {
            return;
        }
        let mut state = self.lock();
        self.is_some.store(false, Ordering::Release);
        for (chunk, at) in state.chunks.drain(..) {
            endpoint.handle_written(chunk, at);
        }
    }

    /// The timer had a turn at `now`, and sleeps: until when, if anything has to be told then. It is
    /// woken if there is something later.
    pub(crate) fn sleep(&self, now: Timestamp, timer: &Waker) -> Option<Timestamp> {
        let mut state = self.lock();
        // Perhaps something was noted since that turn.
        let anew = (!state.chunks.is_empty()).then(|| now + DELAY);
        state.due = state.due.filter(|due| *due > now).or(anew);
        state.timer = Some(timer.clone());
        state.due
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
