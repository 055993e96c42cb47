//! An adapter's runtime whose tasks are counted, and can be dropped from within.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::future::{AbortHandle, Abortable, pending};
use hyper::rt::{Sleep, Timer};
use sockjs_driver::{Runtime, Task};

/// Tasks alive.
static TASKS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The task that this thread polls.
    static CURRENT: RefCell<Option<AbortHandle>> = const { RefCell::new(None) };
}

/// A runtime, watched.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counting<R>(R);

/// Tasks that are alive.
pub(super) fn task_count() -> usize {
    TASKS.load(Ordering::Relaxed)
}

/// Has the runtime drop the task that awaits this, as one that ends does.
pub(super) async fn be_dropped() {
    if let Some(task) = CURRENT.take() {
        task.abort();
    }
    pending().await
}

impl<R: Runtime> Runtime for Counting<R> {
    fn spawn(&self, task: Task) {
        TASKS.fetch_add(1, Ordering::Relaxed);
        let (handle, registration) = AbortHandle::new_pair();
        let task = Abortable::new(task, registration);
        self.0.spawn(Box::pin(Counted { task, handle }));
    }
}

impl<R: Runtime> Timer for Counting<R> {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.0.sleep(duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.0.sleep_until(deadline)
    }

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, new_deadline: Instant) {
        self.0.reset(sleep, new_deadline);
    }
}

struct Counted {
    task: Abortable<Task>,
    handle: AbortHandle,
}

impl Future for Counted {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        CURRENT.set(Some(self.handle.clone()));
        let polled = Pin::new(&mut self.task).poll(cx);
        CURRENT.take();
        polled.map(|_| ())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        TASKS.fetch_sub(1, Ordering::Relaxed);
    }
}
