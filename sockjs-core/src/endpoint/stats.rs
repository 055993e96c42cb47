//! Counters of an endpoint.

use serde::{Deserialize, Serialize};

use crate::report::Cause;
use crate::time::Timestamp;
use crate::wire::transport::Transport;

/// Seconds over which rates are averaged.
pub const RATE_WINDOW_SECS: u64 = 10;

/// What an endpoint has done and holds, as counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Stats {
    /// Sessions now open, by the transport that opened them, in the order of [`Transport::ALL`].
    pub sessions: [u64; Transport::ALL.len()],
    /// Sessions ever opened.
    pub opened: u64,
    /// Sessions ended, by cause, in the order of [`Cause::ALL`].
    pub closed: [u64; Cause::ALL.len()],
    /// Requests refused for want of room.
    pub refused: u64,
    /// Messages of clients.
    pub messages_in: u64,
    /// Messages of the application.
    pub messages_out: u64,
    /// Frames handed to receivers: open, messages, heartbeats, closes.
    pub frames_out: u64,
    /// Messages of clients that came after the session was closed here.
    pub dropped: u64,
    /// Cost of the messages that wait in either direction, in bytes.
    pub queued_bytes: usize,
    /// Messages of clients in the last [`RATE_WINDOW_SECS`] whole seconds.
    pub recent_in: u64,
    /// Messages of the application in the last [`RATE_WINDOW_SECS`] whole seconds.
    pub recent_out: u64,
}

impl Stats {
    /// Adds another endpoint's numbers to these.
    pub fn add(&mut self, other: &Self) {
        let add = |sum: &mut [u64], part: &[u64]| {
            sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        };
        add(&mut self.sessions, &other.sessions);
        add(&mut self.closed, &other.closed);
        self.opened += other.opened;
        self.refused += other.refused;
        self.messages_in += other.messages_in;
        self.messages_out += other.messages_out;
        self.frames_out += other.frames_out;
        self.dropped += other.dropped;
        self.queued_bytes += other.queued_bytes;
        self.recent_in += other.recent_in;
        self.recent_out += other.recent_out;
    }

    /// Sessions now open, over all transports.
    pub fn open(&self) -> u64 {
        self.sessions.iter().sum()
    }

    pub(crate) fn session_opened(&mut self, transport: Transport) {
        self.opened += 1;
        if let Some(count) = self.sessions.get_mut(transport as usize) {
            *count += 1;
        }
    }

    pub(crate) fn session_closed(&mut self, transport: Transport, cause: Cause) {
        if let Some(count) = self.sessions.get_mut(transport as usize) {
            *count -= 1;
        }
        if let Some(count) = self.closed.get_mut(cause as usize) {
            *count += 1;
        }
    }
}

/// Counts over a sliding window, in buckets of a second.
#[derive(Debug, Default)]
pub(crate) struct Window {
    second: u64,
    buckets: [u64; RATE_WINDOW_SECS as usize + 1],
}

impl Window {
    pub(crate) fn count(&mut self, events: u64, now: Timestamp) {
        self.advance(now);
        if let Some(bucket) = self.bucket(self.second) {
            *bucket += events;
        }
    }

    /// Events in the last whole seconds; the one that runs is not counted.
    pub(crate) fn sum(&mut self, now: Timestamp) -> u64 {
        self.advance(now);
        let running = self.bucket(self.second).copied().unwrap_or_default();
        self.buckets.iter().sum::<u64>() - running
    }

    fn advance(&mut self, now: Timestamp) {
        let second = now.as_secs();
        let passed = second.saturating_sub(self.second).min(self.buckets.len() as u64);
        for back in 0..passed {
            if let Some(bucket) = self.bucket(second - back) {
                *bucket = 0;
            }
        }
        self.second = self.second.max(second);
    }

    fn bucket(&mut self, second: u64) -> Option<&mut u64> {
        let at = second % self.buckets.len() as u64;
        self.buckets.get_mut(usize::try_from(at).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_forgets() {
        let at = |secs: u64| Timestamp::from_micros(secs * 1_000_000);
        let mut window = Window::default();
        window.count(5, at(100));
        window.count(1, at(100));
        assert_eq!(window.sum(at(100)), 0);
        assert_eq!(window.sum(at(101)), 6);
        window.count(2, at(105));
        assert_eq!(window.sum(at(110)), 8);
        assert_eq!(window.sum(at(111)), 2);
        assert_eq!(window.sum(at(1_000_000)), 0);
    }
}
