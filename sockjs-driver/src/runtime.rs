//! What an asynchronous runtime must offer: timers and tasks. Nothing else differs among them.

use std::future::Future;
use std::pin::Pin;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use hyper::rt::Timer;
use sockjs_core::Timestamp;

/// A boxed future without a result.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A runtime: hyper's timer, and a way to start tasks. With a [`Listener`](crate::Listener) for
/// [`Serve`](crate::Serve), or [`serve_connection`](crate::serve_connection) for each connection,
/// that is all of an adapter; `docs/your-own-runtime.md` makes one step by step.
///
/// What the driver relies on:
///
/// - **One clock.** [`Timer::now`] never runs backwards, and sleeps end by the same clock. It is the
///   only one that the driver reads, so virtual time works, and a day can pass at once. (The
///   calendar's date is asked of the system once a service, and by hyper for its `date` header.)
/// - **A sleep never ends early.** It may end late; deadlines are then met late.
/// - **A sleep wakes whoever polled it last**, from whatever thread, and after
///   [`Timer::reset`] by its new deadline alone. Its default makes a new sleep and is correct;
///   one of your own saves an allocation, which counts: each service and each connection has one
///   sleep, and moves it.
/// - **Dropping a sleep or a task is always in order**, at any time. A runtime that ends drops its
///   tasks; sessions whose handlers go that way are closed.
pub trait Runtime: Timer + Send + Sync + 'static {
    /// Runs a future to its end, concurrently: not within this call, since the caller may be in the
    /// midst of something, and not to the exclusion of others. Called only while the runtime polls
    /// one of ours, so a runtime that knows itself by a thread-local may use that.
    ///
    /// Tasks are one a WebSocket, in which the application's handler runs too; one a channel of a
    /// [`Multiplex`](crate::Multiplex), one a shard for its deadlines, and under [`Serve`](crate::Serve)
    /// one that accepts and one a connection. The handler of a session over HTTP is polled by the requests that bring it
    /// something, and has a task, for one poll, whenever something else wakes it. Panics of handlers are
    /// caught. Each task does a bounded piece of work and then lets others run; a handler does as its
    /// author likes.
    fn spawn(&self, task: Task);
}

/// Turns the runtime's instants into the core's timestamps.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    epoch_micros: u64,
}

impl Clock {
    pub(crate) fn new(runtime: &dyn Runtime) -> Self {
        // The date, which no runtime tells; from here on its clock counts.
        #[expect(clippy::disallowed_methods)]
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let epoch_micros = u64::try_from(since_epoch.as_micros()).unwrap_or_default();
        Self { start: runtime.now(), epoch_micros }
    }

    pub(crate) fn timestamp(&self, now: Instant) -> Timestamp {
        Timestamp::from_micros(self.epoch_micros) + now.saturating_duration_since(self.start)
    }

    /// When a timestamp comes; never before it, for the timers of runtimes may be coarser.
    pub(crate) fn instant(&self, at: Timestamp) -> Instant {
        let since = at.saturating_since(Timestamp::from_micros(self.epoch_micros));
        self.start.checked_add(since).unwrap_or_else(|| self.start + YEAR)
    }
}

const YEAR: std::time::Duration = std::time::Duration::from_secs(31_536_000);
