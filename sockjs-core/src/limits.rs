//! What a peer can make the server hold, and for how long (DESIGN §5).
//!
//! All that can be set is in three places: [`Limits`] here; the delays of the protocol and the
//! response limit in [`Settings`](crate::Settings); and what a connection may do, in the driver's
//! `ConnectionConfig` and `Serve`. `SECURITY.md` lists them all with their reasons, and those that
//! are fixed because the protocol fixes them: the lengths of ids, callbacks and close reasons.

use std::time::Duration;

use serde::{Deserialize, Serialize};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// So much of a body that nobody wants is read and dropped, so that its connection can go on
/// (PROTOCOL §6).
pub const DRAINED_BYTES: usize = 64 * KIB;

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
    /// Bodies and WebSocket messages that are being received or wait before a full queue, over all
    /// sessions, in bytes on the wire; of each the first 16 KiB are free. Enforced by the driver.
    /// 128 MiB.
    pub incoming_bytes: usize,
    /// Bytes handed to a receiver and not yet written, beyond which no further frame is handed: so up
    /// to a frame more. Also the length at which a message frame is cut. 64 KiB.
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
    /// Ended sessions whose ids still answer their close frame: for the disconnect delay, or for longer
    /// when tombstones are on. Beyond it those that ended first are forgotten. 65,536.
    pub tombstones: usize,
    /// How long a request's body may take, and each 64 KiB of a message over a WebSocket that is longer
    /// than 16 KiB, which holds a part of `incoming_bytes`. 15 s.
    pub body_timeout: Duration,
}

impl Limits {
    /// What the messages of one payload may cost: the longest message and the session's queue together,
    /// so that a payload of many tiny messages does not grow beyond measure when it is read.
    pub fn payload_bytes(&self) -> usize {
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
            incoming_bytes: 128 * MIB,
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

/// An endpoint's share of the limits that hold over all sessions of a service: all of it
/// ([`whole`](Self::whole)), or a [`share`](Self::share) to be changed as the driver likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
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

    /// Into how many endpoints these limits can be divided, at most so many, without much loss: each
    /// share lets hundreds of sessions even out, and some of them fill their queues.
    pub fn count(limits: &Limits, at_most: usize) -> usize {
        let queue = limits.inbox_bytes.max(limits.outbox_bytes).max(1);
        let queues = limits.total_bytes / queue;
        let useful =
            (limits.sessions / 256).min(limits.unconfirmed_sessions / 256).min(queues / 16);
        useful.clamp(1, at_most.max(1))
    }

    /// The share of endpoint `index` of `count`. Shares add up to the whole.
    ///
    /// # Panics
    /// If `count` is zero.
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

    #[test]
    fn small_limits_are_divided_among_few() {
        let count = |change: fn(&mut Limits)| {
            let mut limits = Limits::default();
            change(&mut limits);
            Quota::count(&limits, 64)
        };
        assert_eq!(count(|_| ()), 16);
        assert_eq!(count(|it| it.total_bytes = usize::MAX), 16);
        assert_eq!(count(|it| it.sessions = 1_000), 3);
        assert_eq!(count(|it| it.sessions = 2), 1);
        assert_eq!(count(|it| it.unconfirmed_sessions = 512), 2);
        assert_eq!(count(|it| it.total_bytes = 64 * MIB), 4);
        assert_eq!(count(|it| it.outbox_bytes = usize::MAX), 1);
        assert_eq!(Quota::count(&Limits::default(), 2), 2);
        assert_eq!(Quota::count(&Limits::default(), 0), 1);
    }
}
