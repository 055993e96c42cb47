//! Wakers that leave a note, so that a task knows what it was woken for.
//!
//! A task that was woken for something else need not take a turn of its shard to find that there is
//! nothing for it. And the handler and the pump of a WebSocket share a task: what the one does for
//! the other while that is polled must not wake it, for it would be polled once more, for nothing.

use std::sync::Arc;
use std::task::{Wake, Waker};

use crate::sync::atomic::{AtomicU8, Ordering};
use crate::sync::{Mutex, lock};
use crate::waiting::Known;

/// What a task may be woken for.
#[derive(Clone, Copy)]
pub(crate) struct Note(u8);

impl Note {
    /// The shard has something to do here.
    pub(crate) const SHARD: Self = Self(Self::SHARD_BIT);
    /// The application's handler is to be polled: not by what it does for the task itself.
    pub(crate) const HANDLER: Self = Self(Self::HANDLER_BIT);
    const SHARD_BIT: u8 = 1;
    const HANDLER_BIT: u8 = 1 << 1;
    /// No note: the task is being polled, and looks at them itself.
    const POLLED: u8 = 1 << 2;
}

/// The task's side.
pub(crate) struct Notes {
    board: Arc<Board>,
    /// What the board has for the task.
    task: Known,
}

/// What both sides share. One word says it all, so that neither can miss what the other does.
struct Board {
    notes: AtomicU8,
    task: Mutex<Option<Waker>>,
}

/// The handler's way to the board; the shard, which calls much more often, has the board itself.
struct ForHandler(Arc<Board>);

impl Notes {
    /// All are left: the first look is due.
    pub(crate) fn new() -> Self {
        let notes = AtomicU8::new(Note::SHARD_BIT | Note::HANDLER_BIT);
        Self { board: Arc::new(Board { notes, task: Mutex::default() }), task: Known::default() }
    }

    /// Leaves [`Note::SHARD`].
    pub(crate) fn shard(&self) -> Waker {
        self.board.clone().into()
    }

    /// Leaves [`Note::HANDLER`].
    pub(crate) fn handler(&self) -> Waker {
        Arc::new(ForHandler(self.board.clone())).into()
    }

    /// The task is polled, until [`end`](Self::end).
    pub(crate) fn begin(&mut self, waker: &Waker) {
        self.wakes(waker);
        self.board.notes.fetch_or(Note::POLLED, Ordering::AcqRel);
    }

    /// This is the task.
    pub(crate) fn wakes(&mut self, waker: &Waker) {
        if self.task.changes(waker) {
            *lock(&self.board.task) = Some(waker.clone());
        }
    }

    /// Takes a note, if it was left.
    pub(crate) fn take(&self, note: Note) -> bool {
        let notes = &self.board.notes;
        notes.load(Ordering::Acquire) & note.0 != 0
            && notes.fetch_and(!note.0, Ordering::AcqRel) & note.0 != 0
    }

    /// Whether any was left.
    pub(crate) fn is_due(&self) -> bool {
        self.board.notes.load(Ordering::Acquire) & !Note::POLLED != 0
    }

    /// The task looks no longer by itself. Says whether it should once more.
    pub(crate) fn end(&self) -> bool {
        self.board.notes.fetch_and(!Note::POLLED, Ordering::AcqRel) & !Note::POLLED != 0
    }
}

impl Board {
    /// Leaves a note, and wakes the task unless it is at it.
    fn leave(&self, note: Note) {
        let before = self.notes.fetch_or(note.0, Ordering::AcqRel);
        if before & (note.0 | Note::POLLED) != 0 {
            return;
        }
        let task = lock(&self.task).clone();
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl Wake for Board {
    fn wake(self: Arc<Self>) {
        self.leave(Note::SHARD);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.leave(Note::SHARD);
    }
}

impl Wake for ForHandler {
    fn wake(self: Arc<Self>) {
        self.0.leave(Note::HANDLER);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.leave(Note::HANDLER);
    }
}
