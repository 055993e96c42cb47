//! How long frames take from the endpoint to the socket.

use sockjs_core::Timestamp;

use crate::app::App;

/// Runs from the first frame that is handed until a flush has succeeded: a look at the clock a flush,
/// and none without the feature `metrics`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stopwatch {
    #[cfg(feature = "metrics")]
    since: Option<Timestamp>,
}

#[cfg(feature = "metrics")]
impl Stopwatch {
    /// One that runs.
    pub(crate) fn started(app: &App) -> Self {
        Self { since: Some(app.now()) }
    }

    /// A frame was handed; an earlier one counts.
    pub(crate) fn start(&mut self, now: Timestamp) {
        self.since.get_or_insert(now);
    }

    /// What was handed is written.
    pub(crate) fn stop(&mut self, app: &App) {
        if let Some(since) = self.since.take() {
            app.observer.meters.flushed(app.now().saturating_since(since));
        }
    }
}

#[cfg(not(feature = "metrics"))]
impl Stopwatch {
    /// One that runs.
    pub(crate) fn started(_: &App) -> Self {
        Self {}
    }

    /// A frame was handed; an earlier one counts.
    pub(crate) fn start(&mut self, _: Timestamp) {}

    /// What was handed is written.
    pub(crate) fn stop(&mut self, _: &App) {}
}
