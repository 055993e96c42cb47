//! Counters of an endpoint.

use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;
use crate::report::Cause;
use crate::tally::Tally;
use crate::time::Timestamp;
use crate::wire::transport::Transport;

/// Seconds over which rates are averaged.
pub const RATE_WINDOW_SECS: u64 = 10;

/// What an endpoint has done and holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Stats {
    /// Sessions now open, by the transport that opened them.
    pub sessions: Tally<Transport>,
    /// Sessions ever opened, by transport.
    pub opened: Tally<Transport>,
    /// Sessions ended, by cause.
    pub closed: Tally<Cause>,
    /// Requests turned away, by reason: of an endpoint those that it turned away itself, of a server all.
    pub refused: Tally<Refusal>,
    /// Messages of clients.
    pub messages_in: u64,
    /// Messages of the application.
    pub messages_out: u64,
    /// Length of the clients' messages, in bytes, without framing.
    pub bytes_in: u64,
    /// Length of the application's messages, in bytes, without framing.
    pub bytes_out: u64,
    /// Frames handed to receivers: open, messages, heartbeats, closes.
    pub frames_out: u64,
    /// Messages of clients that came after the session was closed here.
    pub dropped: u64,
    /// Cost of the messages that wait in either direction, in bytes.
    pub queued_bytes: usize,
    /// Averages over the last [`RATE_WINDOW_SECS`] whole seconds.
    pub per_second: Rates,
}

/// What flows, on an average, in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Rates {
    /// Messages of clients.
    pub messages_in: f64,
    /// Messages of the application.
    pub messages_out: f64,
    /// Bytes of the clients' messages.
    pub bytes_in: f64,
    /// Bytes of the application's messages.
    pub bytes_out: f64,
}

impl Stats {
    /// Adds another endpoint's numbers to these.
    pub fn add(&mut self, other: &Self) {
        self.sessions.add(&other.sessions);
        self.opened.add(&other.opened);
        self.closed.add(&other.closed);
        self.refused.add(&other.refused);
        self.messages_in += other.messages_in;
        self.messages_out += other.messages_out;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.frames_out += other.frames_out;
        self.dropped += other.dropped;
        self.queued_bytes += other.queued_bytes;
        self.per_second.messages_in += other.per_second.messages_in;
        self.per_second.messages_out += other.per_second.messages_out;
        self.per_second.bytes_in += other.per_second.bytes_in;
        self.per_second.bytes_out += other.per_second.bytes_out;
    }

    /// Sessions now open, over all transports.
    pub fn open(&self) -> u64 {
        self.sessions.total()
    }

    pub(crate) fn session_opened(&mut self, transport: Transport) {
        self.opened.count(transport);
        self.sessions.count(transport);
    }

    pub(crate) fn session_closed(&mut self, transport: Transport, cause: Cause) {
        self.sessions.at(transport).into_iter().for_each(|count| *count -= 1);
        self.closed.count(cause);
    }

    /// A batch came, of which all was taken or none.
    pub(crate) fn messages_in(&mut self, taken: u64, dropped: u64, bytes: u64) {
        self.messages_in += taken;
        self.dropped += dropped;
        if taken > 0 {
            self.bytes_in += bytes;
        }
    }

    pub(crate) fn message_out(&mut self, bytes: u64) {
        self.messages_out += 1;
        self.bytes_out += bytes;
    }

    fn flow(&self) -> Flow {
        Flow {
            messages_in: self.messages_in,
            messages_out: self.messages_out,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
        }
    }
}

/// What has flowed so far.
#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    messages_in: u64,
    messages_out: u64,
    bytes_in: u64,
    bytes_out: u64,
}

/// What had flowed by the beginning of each of the last seconds: so that messages need only be counted,
/// and the clock looked at once a second.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// The one that runs.
    second: u64,
    /// When it is over.
    until: Timestamp,
    marks: [Flow; RATE_WINDOW_SECS as usize + 1],
}

impl Window {
    /// It is `now`; `stats` counts what was before.
    pub(crate) fn advance(&mut self, stats: &Stats, now: Timestamp) {
        if now >= self.until {
            self.mark(stats.flow(), now.as_secs());
        }
    }

    /// Averages over the last whole seconds; the one that runs is not counted.
    pub(crate) fn rates(&self) -> Rates {
        let mark = |second: u64| self.marks.get(self.at(second)).copied().unwrap_or_default();
        let (from, to) = (mark(self.second + 1), mark(self.second));
        let average = |from: u64, to: u64| (to - from) as f64 / RATE_WINDOW_SECS as f64;
        Rates {
            messages_in: average(from.messages_in, to.messages_in),
            messages_out: average(from.messages_out, to.messages_out),
            bytes_in: average(from.bytes_in, to.bytes_in),
            bytes_out: average(from.bytes_out, to.bytes_out),
        }
    }

    #[cold]
    fn mark(&mut self, flow: Flow, second: u64) {
        let begun = (second - self.second).min(self.marks.len() as u64);
        for back in 0..begun {
            let at = self.at(second - back);
            self.marks.get_mut(at).into_iter().for_each(|mark| *mark = flow);
        }
        self.second = second;
        self.until = Timestamp::from_micros((second + 1).saturating_mul(1_000_000));
    }

    /// Where the mark of a second is: the oldest one's is where the next one's will be.
    fn at(&self, second: u64) -> usize {
        (second % self.marks.len() as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_forgets() {
        let at = |secs: u64| Timestamp::from_micros(secs * 1_000_000);
        let (mut window, mut stats) = (Window::default(), Stats::default());
        let mut count = |events: u64, now| {
            window.advance(&stats, now);
            stats.messages_in += events;
            stats.bytes_out += 100 * events;
            let rates = window.rates();
            assert_eq!(rates.bytes_out, 100.0 * rates.messages_in);
            rates.messages_in
        };
        assert_eq!(count(5, at(100)), 0.0);
        assert_eq!(count(1, at(100)), 0.0);
        assert_eq!(count(0, at(101)), 0.6);
        assert_eq!(count(2, at(105)), 0.6);
        assert_eq!(count(0, at(110)), 0.8);
        assert_eq!(count(0, at(111)), 0.2);
        assert_eq!(count(0, at(115)), 0.2);
        assert_eq!(count(0, at(116)), 0.0);
        assert_eq!(count(0, at(1_000_000)), 0.0);
    }
}
