//! A runtime whose tasks are shuttle's, and whose time passes when a model says so.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use sockjs_driver::{Runtime, Task};

/// Sleeps up to here pass by themselves: any of the others may run meanwhile, or none.
const MOMENT: Duration = Duration::from_millis(100);

/// Clock and timers of one execution. A clone is the same world.
#[derive(Clone)]
pub(crate) struct World(Arc<Inner>);

struct Inner {
    start: Instant,
    /// Not shuttle's: the world itself is not under test.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    now: Duration,
    next: u64,
    timers: BTreeMap<(Duration, u64), Waker>,
    /// Until when tasks let time pass.
    passing: BTreeSet<Duration>,
}

impl World {
    pub(crate) fn new() -> Self {
        #[expect(clippy::disallowed_methods)]
        let start = Instant::now();
        Self(Arc::new(Inner { start, state: Mutex::default() }))
    }

    /// Lets time pass.
    pub(crate) fn advance(&self, time: Duration) {
        let until = self.state().now + time;
        self.advance_to(until);
    }

    fn advance_to(&self, until: Duration) {
        let mut state = self.state();
        let now = state.now.max(until);
        state.now = now;
        let later = state.timers.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut state.timers, later);
        drop(state);
        due.into_values().for_each(Waker::wake);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("nothing panics under the lock")
    }
}

impl Runtime for World {
    fn spawn(&self, task: Task) {
        drop(shuttle::future::spawn(task));
    }
}

impl Timer for World {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let at = deadline.saturating_duration_since(self.0.start);
        let mut state = self.state();
        state.next += 1;
        let id = state.next;
        let passes = at.saturating_sub(state.now) <= MOMENT && state.passing.insert(at);
        // Others may run before this goes on.
        drop(state);
        if passes {
            let world = self.clone();
            drop(shuttle::future::spawn(async move { world.advance_to(at) }));
        }
        Box::pin(Nap { world: self.clone(), at, id })
    }

    fn now(&self) -> Instant {
        self.0.start + self.state().now
    }
}

struct Nap {
    world: World,
    at: Duration,
    id: u64,
}

impl Sleep for Nap {}

impl Future for Nap {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.world.state();
        if state.now >= self.at {
            return Poll::Ready(());
        }
        state.timers.insert((self.at, self.id), cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Nap {
    fn drop(&mut self) {
        let waker = self.world.state().timers.remove(&(self.at, self.id));
        drop(waker);
    }
}
