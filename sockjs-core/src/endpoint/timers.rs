//! The deadlines of all sessions (DESIGN §2, *Deadlines*): lazy, so that messages touch no queue.
//!
//! Each session has one live entry at most. When its deadline moves later the entry stays and is
//! put back when it pops; only an earlier deadline pushes a new one, which makes the old one stale.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::event::Slot;
use crate::time::Timestamp;

/// A queue of points in time at which sessions must be looked at.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<Entry>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) at: Timestamp,
    pub(crate) slot: Slot,
}

impl Timers {
    /// Stale entries that are kept for each live one, before all are swept.
    const STALE_PER_LIVE: usize = 2;

    /// Adds an entry. If stale ones have piled up, only those that `is_live` are kept.
    pub(crate) fn push(
        &mut self,
        entry: Entry,
        live_count: usize,
        is_live: impl Fn(&Entry) -> bool,
    ) {
        if self.heap.len() > 64 + live_count.saturating_mul(1 + Self::STALE_PER_LIVE) {
            self.heap.retain(|Reverse(entry)| is_live(entry));
        }
        self.heap.push(Reverse(entry));
    }

    /// Forgets all entries.
    pub(crate) fn clear(&mut self) {
        self.heap.clear();
    }

    /// The earliest entry, live or stale.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.heap.peek().map(|Reverse(entry)| entry.at)
    }

    /// Takes an entry that is due.
    pub(crate) fn pop(&mut self, now: Timestamp) -> Option<Entry> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }
}
