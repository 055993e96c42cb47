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

    /// How many entries there are, live and stale.
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// The earliest entry, live or stale.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.heap.peek().map(|Reverse(entry)| entry.at)
    }

    /// Forgets due entries at the front that are not `is_live`.
    pub(crate) fn forget_stale(&mut self, now: Timestamp, is_live: impl Fn(&Entry) -> bool) {
        while self.next().is_some_and(|at| at <= now)
            && self.heap.peek().is_some_and(|Reverse(entry)| !is_live(entry))
        {
            self.heap.pop();
        }
    }

    /// Takes an entry that is due.
    pub(crate) fn pop(&mut self, now: Timestamp) -> Option<Entry> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }
}

#[cfg(test)]
mod tests {
    use slotmap::SlotMap;

    use super::*;

    /// Entries that are kept when the `count`th is pushed and only the tenth of them is live.
    fn kept(count: u64, live_count: usize) -> usize {
        let slot = SlotMap::<Slot, ()>::with_key().insert(());
        let at = Timestamp::from_micros;
        let mut timers = Timers::default();
        for number in 1..=count {
            timers.push(Entry { at: at(number), slot }, live_count, |entry| entry.at == at(10));
        }
        timers.heap.len()
    }

    #[test]
    fn stale_entries_are_swept_once_there_are_many() {
        assert_eq!([kept(64, 0), kept(65, 0)], [64, 65]);
        assert_eq!(kept(66, 0), 2, "the live one, and the one that comes");
        assert_eq!([kept(95, 10), kept(96, 10)], [95, 2]);
    }

    #[test]
    fn what_is_due_comes_in_order_and_the_rest_stays() {
        let slot = SlotMap::<Slot, ()>::with_key().insert(());
        let mut timers = Timers::default();
        for number in [3, 1, 2] {
            timers.push(Entry { at: Timestamp::from_micros(number), slot }, 1, |_| true);
        }
        let due = |timers: &mut Timers| timers.pop(Timestamp::from_micros(2)).map(|e| e.at);
        assert_eq!(due(&mut timers), Some(Timestamp::from_micros(1)));
        assert_eq!(due(&mut timers), Some(Timestamp::from_micros(2)));
        assert_eq!((due(&mut timers), timers.next()), (None, Some(Timestamp::from_micros(3))));
        timers.clear();
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn of_the_entries_at_the_front_those_that_are_due_and_stale_are_forgotten() {
        let slot = SlotMap::<Slot, ()>::with_key().insert(());
        let at = Timestamp::from_micros;
        let mut timers = Timers::default();
        for number in 1..=4 {
            timers.push(Entry { at: at(number), slot }, 1, |_| true);
        }
        for (now, next) in [(0, 1), (1, 2), (3, 3), (4, 3)] {
            timers.forget_stale(at(now), |entry| entry.at == at(3));
            assert_eq!(timers.next(), Some(at(next)), "at {now}");
        }
    }
}
