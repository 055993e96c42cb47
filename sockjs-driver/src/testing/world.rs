//! A runtime whose time passes only when nothing is left to do.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

use crate::runtime::{Runtime, Task};

/// Clock, timers and tasks of one run, on the thread that asks for it. A clone is the same world.
#[derive(Clone)]
pub struct World(Arc<Inner>);

struct Inner {
    /// hyper wants instants; these are offsets from here, which nothing reads but as a difference.
    start: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    now: Duration,
    /// Ids of tasks and timers, in the order in which they were made.
    next: u64,
    tasks: BTreeMap<u64, Task>,
    ready: VecDeque<u64>,
    timers: BTreeMap<(Duration, u64), Waker>,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("now", &self.elapsed()).finish_non_exhaustive()
    }
}

impl World {
    /// A world in which nothing happens yet.
    pub fn new() -> Self {
        #[expect(clippy::disallowed_methods)]
        let start = Instant::now();
        Self(Arc::new(Inner { start, state: Mutex::default() }))
    }

    /// The tasks that have not ended.
    pub fn task_count(&self) -> usize {
        self.state().tasks.len()
    }

    /// The time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.state().now
    }

    /// Runs all tasks until each waits.
    pub fn settle(&self) {
        loop {
            let mut state = self.state();
            let Some(id) = state.ready.pop_front() else { break };
            let Some(mut task) = state.tasks.remove(&id) else { continue };
            drop(state);
            let waker = Waker::from(Arc::new(Wakeup { world: self.clone(), task: id }));
            if task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                self.state().tasks.insert(id, task);
            }
        }
    }

    /// Lets the time come to the next timer's, and wakes whom it is for. False if it is `until`
    /// before any timer's time has come.
    pub fn jump(&self, until: Duration) -> bool {
        let mut state = self.state();
        let Some(timer) = state.timers.first_entry().filter(|timer| timer.key().0 <= until) else {
            state.now = until;
            return false;
        };
        let ((at, _), waker) = timer.remove_entry();
        state.now = state.now.max(at);
        drop(state);
        waker.wake();
        true
    }

    /// Lets all that is to happen happen until a time.
    pub fn run_until(&self, until: Duration) {
        self.settle();
        while self.jump(until) {
            self.settle();
        }
    }

    /// Runs a future to its end, and all tasks beside it; time passes whenever nothing is left to do.
    ///
    /// # Panics
    /// If the future waits for what will never happen: no task goes on and no timer runs.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        let call = Arc::new(Call(AtomicBool::new(true)));
        let waker = Waker::from(call.clone());
        loop {
            while call.0.swap(false, Ordering::Relaxed) {
                let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
                if let Poll::Ready(result) = polled {
                    return result;
                }
                self.settle();
            }
            assert!(self.jump_to_next(), "this waits for what will never happen");
            self.settle();
        }
    }

    /// Lets time pass, with all that is to happen in it: for futures that run in this world.
    pub async fn pass(&self, duration: Duration) {
        self.sleep(duration).await;
    }

    /// Lets the time come to the next timer's. False if there is none.
    fn jump_to_next(&self) -> bool {
        let next = self.state().timers.first_key_value().map(|((at, _), _)| *at);
        next.is_some_and(|at| self.jump(at))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("nothing panics under the lock")
    }
}

impl State {
    fn next_id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Runtime for World {
    fn spawn(&self, task: Task) {
        let mut state = self.state();
        let id = state.next_id();
        state.tasks.insert(id, task);
        state.ready.push_back(id);
    }
}

impl Timer for World {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let at = deadline.saturating_duration_since(self.0.start);
        let id = self.state().next_id();
        Box::pin(Nap { world: self.clone(), at, id })
    }

    fn now(&self) -> Instant {
        self.0.start + self.elapsed()
    }
}

struct Wakeup {
    world: World,
    task: u64,
}

impl Wake for Wakeup {
    fn wake(self: Arc<Self>) {
        let mut state = self.world.state();
        if !state.ready.contains(&self.task) {
            state.ready.push_back(self.task);
        }
    }
}

/// Whether the future of [`World::block_on`] is to be polled.
struct Call(AtomicBool);

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
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
        // Not under the lock: the last waker of a task that has ended goes with what it holds.
        drop(waker);
    }
}
