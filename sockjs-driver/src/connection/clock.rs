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
pub(crate) struct Clock {
    timer: Arc<dyn Timer + Send + Sync>,
    sleep: Option<(Pin<Box<dyn Sleep>>, Instant)>,
}

impl Clock {
    pub(crate) fn new(timer: Arc<dyn Timer + Send + Sync>) -> Self {
        Self { timer, sleep: None }
    }

    pub(crate) fn now(&self) -> Instant {
        self.timer.now()
    }

    /// Ready once the deadline has passed. Poll again after every change of the deadline.
    pub(crate) fn poll_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
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
pub(crate) struct Patience<P> {
    /// The progress at which the wait was seen, and its end.
    wait: Option<(P, Instant)>,
}

impl<P: Copy + PartialEq> Patience<P> {
    pub(crate) const fn new() -> Self {
        Self { wait: None }
    }

    /// The wait's deadline, new if there was none or if progress was made since. A limit beyond
    /// what an instant can hold is no limit. Without progress there is nothing to wait for.
    pub(crate) fn check(
        &mut self,
        progress: Option<P>,
        limit: Duration,
        clock: &Clock,
    ) -> Option<Instant> {
        match (self.wait, progress) {
            (_, None) => self.wait = None,
            (Some((seen, _)), Some(progress)) if seen == progress => {}
            (_, Some(progress)) => {
                self.wait = clock.now().checked_add(limit).map(|deadline| (progress, deadline));
            }
        }
        self.wait.map(|(_, deadline)| deadline)
    }

    pub(crate) fn is_over(&self, clock: &Clock) -> bool {
        self.wait.is_some_and(|(_, deadline)| deadline <= clock.now())
    }
}
