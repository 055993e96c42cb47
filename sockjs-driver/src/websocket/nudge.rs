//! The waker of a WebSocket's task for what happens inside of it.
//!
//! The application's handler and the pump share a task. What the one does for the other while the
//! task is polled must not wake it: it would be polled once more, for nothing.

use std::sync::{Arc, PoisonError};
use std::task::{Wake, Waker};

use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};

/// Notes that there is something to do, and wakes the task unless it is at it.
#[derive(Default)]
pub(super) struct Nudge {
    is_due: AtomicBool,
    is_polled: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl Nudge {
    /// The task is polled.
    pub(super) fn begin(&self, waker: &Waker) {
        self.is_polled.store(true, Ordering::SeqCst);
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if !task.as_ref().is_some_and(|task| task.will_wake(waker)) {
            *task = Some(waker.clone());
        }
    }

    /// Takes the note that there is something to do.
    pub(super) fn take(&self) -> bool {
        self.is_due.swap(false, Ordering::SeqCst)
    }

    /// Whether there is something to do.
    pub(super) fn is_due(&self) -> bool {
        self.is_due.load(Ordering::SeqCst)
    }

    /// The task looks no longer by itself. Says whether it should once more.
    pub(super) fn end(&self) -> bool {
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
