//! What clients are in the midst of sending: bodies and messages that are not yet whole, and those
//! that wait before a full queue. One budget for a whole service (DESIGN §5), besides that of the
//! queues.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What each request and each WebSocket may hold beside the budget, so that short messages pass
/// however many long ones are on their way.
const FREE_BYTES: usize = 16 * 1024;

/// A service's budget for what is on its way in.
pub(crate) struct Budget {
    limit: usize,
    taken: AtomicUsize,
}

/// A part of the budget, wherever that is; given back when dropped.
pub(crate) struct Claim<B: Deref<Target = Budget> = Arc<Budget>> {
    budget: B,
    /// Without the free part.
    taken: usize,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, taken: AtomicUsize::new(0) })
    }

    fn take(&self, bytes: usize) -> bool {
        let take = |taken: usize| taken.checked_add(bytes).filter(|sum| *sum <= self.limit);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

impl<B: Deref<Target = Budget>> Claim<B> {
    /// A claim on nothing yet.
    pub(crate) fn on(budget: B) -> Self {
        Self { budget, taken: 0 }
    }

    /// Holds that many bytes from now on. Says whether the budget allows it; what was held before
    /// stays claimed if not.
    #[must_use]
    pub(crate) fn hold(&mut self, bytes: usize) -> bool {
        let wanted = bytes.saturating_sub(FREE_BYTES);
        if wanted > self.taken && !self.budget.take(wanted - self.taken) {
            return false;
        }
        if wanted < self.taken {
            self.budget.taken.fetch_sub(self.taken - wanted, Ordering::Relaxed);
        }
        self.taken = wanted;
        true
    }

    /// How much of the budget it holds.
    pub(crate) fn taken(&self) -> usize {
        self.taken
    }

    /// Holds more, besides what is held already.
    #[must_use]
    pub(crate) fn hold_at_least(&mut self, bytes: usize) -> bool {
        bytes.saturating_sub(FREE_BYTES) <= self.taken || self.hold(bytes)
    }
}

impl<B: Deref<Target = Budget>> Drop for Claim<B> {
    fn drop(&mut self) {
        let _ = self.hold(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_share_a_budget() {
        let budget = Budget::new(1000);
        let (mut one, mut other) = (Claim::on(&*budget), Claim::on(&*budget));
        assert!(one.hold(FREE_BYTES + 600));
        assert!(other.hold(FREE_BYTES + 400));
        assert!(!other.hold(FREE_BYTES + 401));
        assert!(one.hold(FREE_BYTES + 599));
        assert!(other.hold(FREE_BYTES + 401));
        drop(one);
        assert!(other.hold(FREE_BYTES + 1000));
        drop(other);
        assert_eq!(budget.taken.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn short_ones_need_none() {
        let budget = Budget::new(0);
        assert!(Claim::on(&*budget).hold(FREE_BYTES));
        assert!(!Claim::on(&*budget).hold(FREE_BYTES + 1));
        let unlimited = Budget::new(usize::MAX);
        let (mut one, mut other) = (Claim::on(&*unlimited), Claim::on(&*unlimited));
        assert!(one.hold(usize::MAX));
        assert!(!other.hold(usize::MAX), "there is no more memory than that");
    }

    #[test]
    fn at_least_gives_nothing_back() {
        let budget = Budget::new(1000);
        let mut claim = Claim::on(&*budget);
        assert!(claim.hold(FREE_BYTES + 600));
        assert!(claim.hold_at_least(FREE_BYTES + 1));
        assert!(claim.hold_at_least(0));
        assert_eq!(budget.taken.load(Ordering::Relaxed), 600);
    }
}
