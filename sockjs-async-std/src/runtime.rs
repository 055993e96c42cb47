//! async-io with an executor as the driver's runtime.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use sockjs_driver::{Runtime, Task};

/// What runs tasks.
pub trait Executor: Send + Sync + 'static {
    /// Runs a future to its end, concurrently.
    fn spawn(&self, task: Task);
}

/// A runtime with the timers of async-io.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsyncIo<E> {
    executor: E,
}

impl<E: Executor> AsyncIo<E> {
    /// With the tasks of an executor.
    pub const fn new(executor: E) -> Self {
        Self { executor }
    }
}

impl<E: Executor> Runtime for AsyncIo<E> {
    fn spawn(&self, task: Task) {
        self.executor.spawn(task);
    }
}

impl<E: Executor> Timer for AsyncIo<E> {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(Nap(async_io::Timer::after(duration)))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Nap(async_io::Timer::at(deadline)))
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, new_deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<Nap>() {
            Some(mut nap) => nap.0.set_at(new_deadline),
            None => *sleep = self.sleep_until(new_deadline),
        }
    }
}

/// A timer that forgets when it went off.
struct Nap(async_io::Timer);

impl Sleep for Nap {}

impl Future for Nap {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(())
    }
}
