//! The time of a poll: whoever asks first looks at the clock, for all that ask in the same poll.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Of one connection, whose polls come one after the other.
pub(super) struct Moment {
    start: Instant,
    /// Since `start`, and one more; zero until somebody has looked.
    nanos: AtomicU64,
}

impl Moment {
    pub(super) fn new(start: Instant) -> Self {
        Self { start, nanos: AtomicU64::new(0) }
    }

    /// Another poll begins, or time may have passed in this one.
    pub(super) fn pass(&self) {
        self.nanos.store(0, Ordering::Relaxed);
    }

    /// The time, if somebody has looked.
    pub(super) fn known(&self) -> Option<Instant> {
        let nanos = self.nanos.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.start + Duration::from_nanos(nanos))
    }

    /// The time; looks at the clock by `look` if nobody has.
    pub(super) fn now(&self, look: impl FnOnce() -> Instant) -> Instant {
        self.known().unwrap_or_else(|| {
            let now = look();
            let nanos = now.saturating_duration_since(self.start).as_nanos();
            // In five hundred years everybody looks.
            let known = u64::try_from(nanos).ok().and_then(|nanos| nanos.checked_add(1));
            self.nanos.store(known.unwrap_or_default(), Ordering::Relaxed);
            now
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods)]
    fn a_poll_looks_once() {
        let start = Instant::now();
        let moment = Moment::new(start);
        assert_eq!(moment.known(), None);
        for poll in 0..3 {
            let now = start + Duration::from_secs(poll);
            assert_eq!(moment.now(|| now), now);
            assert_eq!(moment.now(|| unreachable!()), now);
            assert_eq!(moment.known(), Some(now));
            moment.pass();
        }
    }
}
