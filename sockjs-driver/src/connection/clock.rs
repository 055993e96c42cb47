//! The deadlines of a connection. They move with nearly every request, so the timer is touched
//! only for an earlier one: a sleep that ends too soon is set again.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker, ready},
    time::{Duration, Instant},
};

use hyper::rt::{Sleep, Timer};

use super::lock;
use crate::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};
use crate::waiting::Known;

/// One sleep for all deadlines of a connection.
pub(crate) struct Clock {
    timer: Arc<dyn Timer + Send + Sync>,
    alarm: Option<Alarm>,
}

impl Clock {
    pub(crate) fn new(timer: Arc<dyn Timer + Send + Sync>) -> Self {
        Self { timer, alarm: None }
    }

    pub(crate) fn now(&self) -> Instant {
        self.timer.now()
    }

    /// Ready once the deadline has passed. Poll again after every change of the deadline.
    pub(crate) fn poll_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let timer = &*self.timer;
        let alarm =
            self.alarm.get_or_insert_with(|| Alarm::new(timer.sleep_until(deadline), deadline));
        alarm.is_for(cx.waker());
        if alarm.until > deadline {
            alarm.set(timer, deadline);
        } else if alarm.is_asleep() {
            return Poll::Pending;
        }
        loop {
            ready!(alarm.poll());
            if alarm.until == deadline {
                // A sleep that has ended is not asked again, also for a later deadline.
                self.alarm = None;
                return Poll::Ready(());
            }
            alarm.set(timer, deadline);
        }
    }
}

/// A sleep with a waker of its own, which tells when to poll it: else a connection would do so each time that
/// it is polled itself.
struct Alarm {
    sleep: Pin<Box<dyn Sleep>>,
    until: Instant,
    bell: Arc<Bell>,
    waker: Waker,
    /// What the bell has.
    task: Known,
}

/// What the waker calls.
struct Bell {
    task: Mutex<Option<Waker>>,
    /// Since the sleep was last polled. One that is pending for another reason than the time, as that of a
    /// cooperative runtime may be, rings for that.
    has_rung: AtomicBool,
}

impl Alarm {
    fn new(sleep: Pin<Box<dyn Sleep>>, until: Instant) -> Self {
        let bell = Arc::new(Bell { task: Mutex::default(), has_rung: AtomicBool::new(true) });
        let waker = bell.clone().into();
        Self { sleep, until, bell, waker, task: Known::default() }
    }

    fn is_for(&mut self, task: &Waker) {
        if self.task.changes(task) {
            *lock(&self.bell.task) = Some(task.clone());
        }
    }

    fn set(&mut self, timer: &dyn Timer, until: Instant) {
        timer.reset(&mut self.sleep, until);
        self.until = until;
    }

    /// Whether the sleep was pending and has not called since.
    fn is_asleep(&self) -> bool {
        !self.bell.has_rung.load(Ordering::Acquire)
    }

    fn poll(&mut self) -> Poll<()> {
        // Before the sleep is asked: what rings from here on is a call that was not seen.
        self.bell.has_rung.store(false, Ordering::Release);
        self.sleep.as_mut().poll(&mut Context::from_waker(&self.waker))
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.has_rung.store(true, Ordering::Release);
        let task = lock(&self.task).clone();
        if let Some(task) = task {
            task.wake();
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
        now: impl FnOnce() -> Instant,
    ) -> Option<Instant> {
        match (self.wait, progress) {
            (_, None) => self.wait = None,
            (Some((seen, _)), Some(progress)) if seen == progress => {}
            (_, Some(progress)) => {
                self.wait = now().checked_add(limit).map(|deadline| (progress, deadline));
            }
        }
        self.wait.map(|(_, deadline)| deadline)
    }

    pub(crate) fn is_over(&self, clock: &Clock) -> bool {
        self.wait.is_some_and(|(_, deadline)| deadline <= clock.now())
    }
}

#[cfg(all(test, not(sockjs_shuttle)))]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::ending::tests::Count;

    /// Sleeps that end when they are told to, and then are of no further use.
    #[derive(Default)]
    struct Told {
        polls: AtomicUsize,
        made: AtomicUsize,
        /// So many of them have ended.
        ended: AtomicUsize,
        yields: AtomicBool,
        kept: Mutex<Option<Waker>>,
    }

    struct Nap(Arc<Told>, usize);

    impl Sleep for Nap {}

    impl Future for Nap {
        type Output = ();

        fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            let told = &*self.0;
            told.polls.fetch_add(1, Ordering::Relaxed);
            if told.yields.load(Ordering::Relaxed) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            // Before it looks whether it has ended, as some runtimes do.
            *lock(&told.kept) = Some(cx.waker().clone());
            match self.1 <= told.ended.load(Ordering::Relaxed) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        }
    }

    struct Naps(Arc<Told>);

    impl Timer for Naps {
        fn sleep(&self, _: Duration) -> Pin<Box<dyn Sleep>> {
            let number = self.0.made.fetch_add(1, Ordering::Relaxed) + 1;
            Box::pin(Nap(self.0.clone(), number))
        }

        fn sleep_until(&self, _: Instant) -> Pin<Box<dyn Sleep>> {
            self.sleep(Duration::ZERO)
        }
    }

    #[test]
    fn a_sleep_is_polled_only_if_something_may_have_come_of_it() {
        let told = Arc::<Told>::default();
        let polls = || told.polls.load(Ordering::Relaxed);
        let mut clock = Clock::new(Arc::new(Naps(told.clone())));
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let later = Instant::now() + Duration::from_secs(1);
        let moment = Duration::from_millis(1);
        let (sooner, latest) = (later - moment, later + moment);
        let tasks = [(), ()].map(|()| Arc::<Count>::default());
        let wakers = tasks.clone().map(Waker::from);
        let [cx, other] = &mut [&wakers[0], &wakers[1]].map(Context::from_waker);
        let woken = || [&tasks[0], &tasks[1]].map(|task| task.0.load(Ordering::Relaxed));

        told.yields.store(true, Ordering::Relaxed);
        for times in 1..=3 {
            assert!(clock.poll_until(later, cx).is_pending());
            assert_eq!((polls(), woken()), (times, [times, 0]), "it calls for another poll");
        }
        told.yields.store(false, Ordering::Relaxed);
        for _ in 0..3 {
            assert!(clock.poll_until(later, cx).is_pending());
            assert_eq!(polls(), 4, "it will call");
        }
        assert!(clock.poll_until(sooner, cx).is_pending());
        assert_eq!(polls(), 5, "it is to be earlier");
        assert!(clock.poll_until(later, other).is_pending());
        assert_eq!((polls(), woken()), (5, [3, 0]), "another task, by the same sleep");

        // The sleep for the sooner deadline ends, and is set to the later one.
        let ring = || lock(&told.kept).take().expect("it was kept").wake();
        told.ended.store(told.made.load(Ordering::Relaxed), Ordering::Relaxed);
        ring();
        assert_eq!(woken(), [3, 1]);
        assert!(clock.poll_until(later, other).is_pending());
        assert_eq!(polls(), 7);
        told.ended.store(told.made.load(Ordering::Relaxed), Ordering::Relaxed);
        ring();
        assert!(clock.poll_until(later, other).is_ready());
        // And a next one is not taken for asleep because that kept the waker.
        let made = told.made.load(Ordering::Relaxed);
        assert!(clock.poll_until(latest, other).is_pending());
        assert_eq!((polls(), told.made.load(Ordering::Relaxed)), (9, made + 1));
    }
}
