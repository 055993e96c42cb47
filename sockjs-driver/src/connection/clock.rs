//! The deadlines of a connection. They move with nearly every request, so the timer is touched
//! only for an earlier one: a sleep that ends too soon is set again.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use hyper::rt::{Sleep, Timer};

/// One sleep for all deadlines of a connection.
pub(super) struct Clock {
    timer: Arc<dyn Timer + Send + Sync>,
    sleep: Option<(Pin<Box<dyn Sleep>>, Instant)>,
}

impl Clock {
    pub(super) fn new(timer: Arc<dyn Timer + Send + Sync>) -> Self {
        Self { timer, sleep: None }
    }

    pub(super) fn now(&self) -> Instant {
        self.timer.now()
    }

    /// Ready once the deadline has passed. Poll again after every change of the deadline.
    pub(super) fn poll_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let (sleep, until) =
            self.sleep.get_or_insert_with(|| (self.timer.sleep_until(deadline), deadline));
        if *until > deadline {
            self.timer.reset(sleep, deadline);
            *until = deadline;
        }
        // Polled every time, registered or not: a cooperative timer may return before it has
        // stored the waker.
        loop {
            ready!(sleep.as_mut().poll(cx));
            if *until == deadline {
                return Poll::Ready(());
            }
            self.timer.reset(sleep, deadline);
            *until = deadline;
        }
    }
}

/// How long a wait without progress may last.
pub(super) struct Patience {
    limit: Duration,
    /// The progress at which the wait was seen, and its end.
    wait: Option<(u64, Instant)>,
}

impl Patience {
    pub(super) const fn new(limit: Duration) -> Self {
        Self { limit, wait: None }
    }

    /// The wait's deadline, new if there was none or if progress was made since. A limit beyond
    /// what an instant can hold is no limit.
    pub(super) fn check(&mut self, waits: bool, progress: u64, clock: &Clock) -> Option<Instant> {
        match self.wait {
            _ if !waits => self.wait = None,
            Some((seen, _)) if seen == progress => {}
            _ => {
                self.wait =
                    clock.now().checked_add(self.limit).map(|deadline| (progress, deadline));
            }
        }
        self.wait.map(|(_, deadline)| deadline)
    }

    pub(super) fn is_over(&self, clock: &Clock) -> bool {
        self.wait.is_some_and(|(_, deadline)| deadline <= clock.now())
    }
}
