//! Wakers that leave a note, so that a task knows what it was woken for.
//!
//! A task that was woken for something else need not take a turn of its shard to find that there is
//! nothing for it. And the handler and the pump of a WebSocket share a task: what the one does for
//! the other while that is polled must not wake it, for it would be polled once more, for nothing.

use std::sync::{Arc, OnceLock};
use std::task::{Wake, Waker};

use crate::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use crate::sync::{Mutex, lock};
use crate::waiting::Known;

/// What a task may be woken for.
#[derive(Clone, Copy)]
pub(crate) struct Note(u8);

impl Note {
    /// The shard has something to do here.
    pub(crate) const SHARD: Self = Self(1);
    /// The application's handler is to be polled: not by what it does for the task itself.
    pub(crate) const HANDLER: Self = Self(1 << 1);
    /// The socket may have something to read, or take something again.
    pub(crate) const SOCKET: Self = Self(1 << 2);
    const ALL: u8 = (1 << 3) - 1;
    /// No note: the task is being polled, and looks at them itself.
    const POLLED: u8 = 1 << 3;
}

/// The task's side.
pub(crate) struct Notes {
    board: Arc<Board>,
    /// What the board has for the task.
    task: Known,
    /// Those that were taken from the board, and not by [`take`](Self::take) yet.
    taken: u8,
    /// What the board says without a note: whether the task is being polled.
    none: u8,
}

/// What both sides share. One word says it all, so that neither can miss what the other does.
struct Board {
    notes: AtomicU8,
    /// The task, which is mostly the same as long as it lasts: to be woken without a lock.
    task: OnceLock<Waker>,
    has_moved: AtomicBool,
    /// The task that it has moved to.
    moved: Mutex<Option<Waker>>,
}

/// Another's way to the board; the shard has the board itself.
struct To(Arc<Board>, Note);

impl Notes {
    /// All are left: the first look is due.
    pub(crate) fn new() -> Self {
        let board = Board {
            notes: AtomicU8::new(0),
            task: OnceLock::new(),
            has_moved: AtomicBool::new(false),
            moved: Mutex::default(),
        };
        Self { board: Arc::new(board), task: Known::default(), taken: Note::ALL, none: 0 }
    }

    /// Leaves [`Note::SHARD`].
    pub(crate) fn shard(&self) -> Waker {
        self.board.clone().into()
    }

    /// Leaves this note.
    pub(crate) fn waker(&self, note: Note) -> Waker {
        Arc::new(To(self.board.clone(), note)).into()
    }

    /// The task is polled, until [`end`](Self::end). The board was looked at.
    pub(crate) fn begin(&mut self, waker: &Waker) {
        self.none = Note::POLLED;
        self.wakes(waker);
        self.take_all();
    }

    /// This is the task.
    pub(crate) fn wakes(&mut self, waker: &Waker) {
        if !self.task.changes(waker) {
            return;
        }
        if self.board.task.set(waker.clone()).is_err() {
            *lock(&self.board.moved) = Some(waker.clone());
            self.board.has_moved.store(true, Ordering::Release);
        }
        // Who leaves a note after this sees that; what was left before is taken here.
        self.take_all();
    }

    /// Looks at the board. Says whether there is any note.
    pub(crate) fn look(&mut self) -> bool {
        if self.board.notes.load(Ordering::Acquire) != self.none {
            self.take_all();
        }
        self.taken != 0
    }

    /// Takes a note, if it was there when the board was looked at.
    pub(crate) fn take(&mut self, note: Note) -> bool {
        let is_there = self.taken & note.0 != 0;
        self.taken &= !note.0;
        is_there
    }

    /// The task looks no longer by itself. Says whether it should once more.
    pub(crate) fn end(&mut self) -> bool {
        self.none = 0;
        self.take_all();
        self.taken != 0
    }

    fn take_all(&mut self) {
        self.taken |= self.board.notes.swap(self.none, Ordering::AcqRel) & Note::ALL;
    }
}

impl Board {
    /// Leaves a note, and wakes the task unless it is at it.
    fn leave(&self, note: Note) {
        let before = self.notes.fetch_or(note.0, Ordering::AcqRel);
        if before & (note.0 | Note::POLLED) != 0 {
            return;
        }
        if !self.has_moved.load(Ordering::Acquire) {
            return self.task.get().into_iter().for_each(Waker::wake_by_ref);
        }
        // Without the lock, for a waker may run anything.
        let task = lock(&self.moved).clone();
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

impl Wake for To {
    fn wake(self: Arc<Self>) {
        self.0.leave(self.1);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.leave(self.1);
    }
}
