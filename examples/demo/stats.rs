//! The feed of the page of statistics: each second, what the services of this server count, and how long
//! its flushes took. Who comes is told the last minutes first.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use serde::Serialize;
use sockjs_tokio::{
    Broadcast, CloseReason, Connections, Local, Message, Services, Session, Stats, WhenFull,
};
use tokio::time::{MissedTickBehavior, interval};

use crate::chat::now_millis;

const PERIOD: Duration = Duration::from_secs(1);
/// As many as the page shows.
const HISTORY_COUNT: usize = 120;

/// What the page is told.
#[derive(Serialize)]
#[serde(tag = "type", rename = "snapshot")]
struct Snapshot {
    /// Milliseconds since the epoch.
    at: u64,
    connections: u64,
    flush: Option<Flush>,
    stats: Stats,
}

/// How long flushes took, in milliseconds.
#[derive(Debug, PartialEq, Serialize)]
struct Flush {
    count: usize,
    median: f64,
    /// Of a hundred flushes, 99 were faster.
    p99: f64,
}

/// Those who watch. A clone is the same feed.
#[derive(Clone)]
pub(crate) struct Feed {
    watchers: Broadcast,
    history: Arc<Mutex<VecDeque<Message>>>,
    recorder: Arc<Snapshotter>,
}

impl Feed {
    /// Takes the place of the program's recorder, from which services take their meters as they are
    /// built. Other programs install their exporter's.
    pub(crate) fn install() -> Result<Self, Box<dyn std::error::Error>> {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        recorder.install()?;
        let when_full = WhenFull::Close(CloseReason::SLOW_CONSUMER);
        let watchers = Broadcast::with(when_full, Local);
        Ok(Self { watchers, history: Arc::default(), recorder: Arc::new(snapshotter) })
    }

    /// Tells one client until it leaves.
    pub(crate) async fn serve(self, mut session: Session) {
        {
            // Under the lock, so that it misses none and gets none twice.
            let history = self.lock();
            for snapshot in history.iter() {
                if session.try_send(snapshot.clone()).is_err() {
                    return session.close(CloseReason::SLOW_CONSUMER);
                }
            }
            self.watchers.join(&session);
        }
        while session.recv().await.is_some() {}
    }

    /// Looks at the services each second.
    pub(crate) async fn run(self, services: Services, connections: Connections) {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let mut stats = Stats::default();
            services.iter().for_each(|service| stats.add(&service.stats()));
            let flush = Flush::of(self.flush_times());
            let (at, connections) = (now_millis(), connections.open());
            self.tell(&Snapshot { at, connections, flush, stats });
        }
    }

    fn tell(&self, snapshot: &Snapshot) {
        let text = serde_json::to_string(snapshot).unwrap_or_default();
        let message = Message::text(text).encode();
        let mut history = self.lock();
        if history.len() == HISTORY_COUNT {
            history.pop_front();
        }
        history.push_back(message.clone());
        // Whoever did not get it was closed.
        let _ = self.watchers.send(message);
    }

    /// Of both services, since the last look.
    fn flush_times(&self) -> Vec<f64> {
        let values = self.recorder.snapshot().into_vec().into_iter();
        let times = values.filter_map(|(key, _, _, value)| match value {
            DebugValue::Histogram(times) if key.key().name() == "sockjs_flush_seconds" => {
                Some(times)
            }
            _ => None,
        });
        times.flatten().map(|seconds| seconds.0 * 1_000.0).collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Message>> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flush {
    fn of(mut times: Vec<f64>) -> Option<Self> {
        times.sort_by(f64::total_cmp);
        let count = times.len();
        let at = |percent: usize| times.get((count * percent).div_ceil(100).max(1) - 1).copied();
        Some(Self { count, median: at(50)?, p99: at(99)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles() {
        assert_eq!(Flush::of(vec![]), None);
        let one = Flush { count: 1, median: 5.0, p99: 5.0 };
        assert_eq!(Flush::of(vec![5.0]), Some(one));
        let times = (1..=200).rev().map(f64::from).collect();
        assert_eq!(Flush::of(times), Some(Flush { count: 200, median: 100.0, p99: 198.0 }));
    }

    #[test]
    fn snapshots_are_as_the_page_expects() {
        let flush = Some(Flush { count: 1, median: 0.5, p99: 0.5 });
        let snapshot = Snapshot { at: 7, connections: 2, flush, stats: Stats::default() };
        let json = serde_json::to_value(snapshot).unwrap();
        assert_eq!((&json["type"], &json["at"]), (&"snapshot".into(), &7.into()));
        assert_eq!(json["flush"]["p99"], 0.5);
        assert_eq!(json["stats"]["sessions"]["websocket"], 0);
        assert_eq!(json["stats"]["refused"]["origin"], 0);
        assert_eq!(json["stats"]["per_second"]["bytes_out"], 0.0);
    }
}
