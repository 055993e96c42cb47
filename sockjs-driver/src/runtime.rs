//! What an asynchronous runtime must offer: timers and tasks. Nothing else differs among them.

use std::future::Future;
use std::pin::Pin;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use hyper::rt::Timer;
use sockjs_core::Timestamp;

/// A boxed future without a result.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A runtime: hyper's timer, and a way to start tasks.
///
/// A virtual clock works too: time is read through [`Timer::now`] only.
pub trait Runtime: Timer + Send + Sync + 'static {
    /// Runs a future to its end, concurrently. Called only while the runtime polls one of ours.
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
