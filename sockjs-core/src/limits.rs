//! What a peer can make the server hold, and for how long (DESIGN §5).

use std::time::Duration;

use serde::{Deserialize, Serialize};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// All limits of a service. Each has a default that is safe in the open internet; `usize::MAX` and
/// [`Duration::MAX`] switch one off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Limits {
    /// Body of a send request, and WebSocket message or frame, in bytes on the wire. 2 MiB.
    pub message_bytes: usize,
    /// Messages of one session that wait for the application, in bytes of cost: each message
    /// counts its length and 64. 1 MiB. One batch always fits an empty queue.
    pub inbox_bytes: usize,
    /// Messages of one session that wait for a receiver, counted in the same way. 1 MiB. One
    /// message always fits an empty queue.
    pub outbox_bytes: usize,
    /// Messages waiting in either direction over all sessions. 256 MiB.
    pub total_bytes: usize,
    /// Bytes handed to a receiver and not yet written; at least one frame is always handed. Also
    /// the length at which a message frame is cut. 64 KiB.
    pub window_bytes: usize,
    /// How long a write may make no progress. 10 s.
    pub write_stall: Duration,
    /// How long a WebSocket client may take to answer a ping. 10 s.
    pub pong_deadline: Duration,
    /// How long a send request waits while the application lags. 10 s.
    pub send_patience: Duration,
    /// Sessions at a time. 65,536.
    pub sessions: usize,
    /// Polling sessions that a second request has not yet confirmed. 4,096.
    pub unconfirmed_sessions: usize,
    /// Ended sessions that are remembered when tombstones are on. 65,536.
    pub tombstones: usize,
    /// How long a request's body may take. 15 s.
    pub body_timeout: Duration,
}

impl Limits {
    /// What the messages of one payload may cost, so that a payload of many tiny messages does not
    /// grow beyond measure when it is read.
    pub(crate) fn batch_bytes(&self) -> usize {
        self.message_bytes.saturating_add(self.inbox_bytes)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 2 * MIB,
            inbox_bytes: MIB,
            outbox_bytes: MIB,
            total_bytes: 256 * MIB,
            window_bytes: 64 * KIB,
            write_stall: Duration::from_secs(10),
            pong_deadline: Duration::from_secs(10),
            send_patience: Duration::from_secs(10),
            sessions: 65_536,
            unconfirmed_sessions: 4_096,
            tombstones: 65_536,
            body_timeout: Duration::from_secs(15),
        }
    }
}

/// An endpoint's share of the limits that hold over all sessions of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Of [`Limits::sessions`].
    pub sessions: usize,
    /// Of [`Limits::unconfirmed_sessions`].
    pub unconfirmed_sessions: usize,
    /// Of [`Limits::tombstones`].
    pub tombstones: usize,
    /// Of [`Limits::total_bytes`].
    pub total_bytes: usize,
}

impl Quota {
    /// Everything: for an endpoint that holds all sessions of its service.
    pub fn whole(limits: &Limits) -> Self {
        Self {
            sessions: limits.sessions,
            unconfirmed_sessions: limits.unconfirmed_sessions,
            tombstones: limits.tombstones,
            total_bytes: limits.total_bytes,
        }
    }

    /// The share of endpoint `index` of `count`. Shares add up to the whole.
    pub fn share(limits: &Limits, index: usize, count: usize) -> Self {
        let part = |whole: usize| match whole {
            usize::MAX => usize::MAX,
            _ => whole / count + usize::from(index < whole % count),
        };
        let whole = Self::whole(limits);
        Self {
            sessions: part(whole.sessions),
            unconfirmed_sessions: part(whole.unconfirmed_sessions),
            tombstones: part(whole.tombstones),
            total_bytes: part(whole.total_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        let limits = Limits { sessions: 10, ..Limits::default() };
        let shares: usize = (0..4).map(|i| Quota::share(&limits, i, 4).sessions).sum();
        assert_eq!(shares, 10);
        assert_eq!(Quota::share(&limits, 0, 1), Quota::whole(&limits));
        let unlimited = Limits { total_bytes: usize::MAX, ..limits };
        assert_eq!(Quota::share(&unlimited, 3, 4).total_bytes, usize::MAX);
    }
}
