//! Wakers that leave a note, so that a task knows what it was woken for.
//!
//! A task that was woken for something else need not take a turn of its shard to find that there is
//! nothing for it. And the handler and the pump of a WebSocket share a task: what the one does for
//! the other while that is polled must not wake it, for it would be polled once more, for nothing.

use std::sync::{Arc, PoisonError};
use std::task::{Wake, Waker};

use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};

/// Notes that there is something to do, and wakes the task unless it is at it.
pub(crate) struct Nudge {
    is_due: AtomicBool,
    is_polled: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl Default for Nudge {
    /// One that has been called: the first look is due.
    fn default() -> Self {
        Self {
            is_due: AtomicBool::new(true),
            is_polled: AtomicBool::new(false),
            task: Mutex::default(),
        }
    }
}

impl Nudge {
    /// The task is polled, until [`end`](Self::end).
    pub(crate) fn begin(&self, waker: &Waker) {
        self.is_polled.store(true, Ordering::SeqCst);
        self.wakes(waker);
    }

    /// This is the task.
    pub(crate) fn wakes(&self, waker: &Waker) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if !task.as_ref().is_some_and(|task| task.will_wake(waker)) {
            *task = Some(waker.clone());
        }
    }

    /// Takes the note that there is something to do.
    pub(crate) fn take(&self) -> bool {
        self.is_due.swap(false, Ordering::SeqCst)
    }

    /// Whether there is something to do.
    pub(crate) fn is_due(&self) -> bool {
        self.is_due.load(Ordering::SeqCst)
    }

    /// The task looks no longer by itself. Says whether it should once more.
    pub(crate) fn end(&self) -> bool {
        // Stored first and loaded second, the other way round than where it is woken.
        self.is_polled.store(false, Ordering::SeqCst);
        self.is_due()
    }
}

impl Wake for Nudge {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let was_due = self.is_due.swap(true, Ordering::SeqCst);
        if was_due || self.is_polled.load(Ordering::SeqCst) {
            return;
        }
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(task) = task {
            task.wake();
        }
    }
}
