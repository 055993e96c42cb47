//! When a session must be looked at again, and what happens then (DESIGN §2, *Deadlines*).
//!
//! Deadlines are computed from the state, never stored: what moves a deadline is the state itself,
//! so no traffic can forget to re-arm one. A due deadline is always cleared by its effect
//! (invariant 8).

use std::time::Duration;

use super::*;
use crate::settings::SlowConsumers;

/// The longest a jsonp poll may wait: clients give a poll up after 35 s (PROTOCOL §5 rule 8).
const JSONP_HEARTBEAT_DELAY: Duration = Duration::from_secs(30);

/// Why a session must be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// The attached receiver was idle.
    Heartbeat,
    /// The last ping was long ago.
    Ping,
    /// A ping was not answered.
    Pong,
    /// No receiver came.
    Expiry,
    /// What was handed is not written.
    Stall,
    /// A send request waits for the application.
    Patience,
    /// The ended session's id is to be forgotten.
    Forget,
}

impl Session {
    /// The earliest deadline; one at the end of time never comes.
    pub(crate) fn deadline(&self, settings: &Settings) -> Option<Timestamp> {
        let at = self.deadlines(settings).into_iter().flatten().map(|(at, _)| at).min();
        at.filter(|at| *at < Timestamp::MAX)
    }

    /// Does whatever is due. A call too early does nothing.
    pub(crate) fn handle_timeout(&mut self, settings: &Settings, now: Timestamp) {
        let due = self.deadlines(settings);
        for (_, due) in due.into_iter().flatten().filter(|(at, _)| *at <= now) {
            match due {
                Due::Heartbeat => {
                    self.hand_soon(settings, |attached| attached.heartbeat_due = true)
                }
                Due::Ping => self.hand_soon(settings, |attached| attached.ping = Ping::Due),
                // It may have come, but is not read while the application lags.
                Due::Pong if self.waits.batch.is_some() => self.await_pong(now),
                Due::Pong => {
                    self.close(Cause::Heartbeat, CloseReason::NO_HEARTBEAT, settings, now);
                }
                Due::Expiry => {
                    self.abort(Cause::Expired, CloseReason::INTERRUPTED, settings, now);
                }
                Due::Stall => self.stalled(settings, now),
                // Told to try again, and did not: its client has left.
                Due::Patience if self.waits.batch.take_if(|batch| batch.told).is_some() => {}
                Due::Patience => {
                    self.close(Cause::SlowApplication, CloseReason::INTERRUPTED, settings, now);
                }
                // The endpoint forgets it.
                Due::Forget => {}
            }
        }
    }

    /// The receiver takes nothing.
    pub(super) fn stalled(&mut self, settings: &Settings, now: Timestamp) {
        let reason = match &settings.slow_consumers {
            SlowConsumers::Close(reason) => reason.clone(),
            SlowConsumers::Refuse => CloseReason::SLOW_CONSUMER,
        };
        self.abort(Cause::SlowConsumer, reason, settings, now);
    }

    /// The client has a pong deadline from now on again.
    pub(crate) fn await_pong(&mut self, now: Timestamp) {
        if let Link::Attached(Attached { ping: Ping::Sent { at, .. }, .. }) = &mut self.link {
            *at = now;
        }
    }

    fn hand_soon(&mut self, settings: &Settings, make_due: impl FnOnce(&mut Attached)) {
        if let Link::Attached(attached) = &mut self.link {
            make_due(attached);
        }
        self.wake_receiver(settings);
    }

    fn deadlines(&self, settings: &Settings) -> [Option<(Timestamp, Due)>; 4] {
        if let Phase::Closed { until, .. } = self.phase {
            // Before that, its last events must be taken; the endpoint looks again after them.
            let forget = self.flags.is_empty().then_some((until, Due::Forget));
            return [forget, None, None, None];
        }
        let limits = &settings.limits;
        let stalled = self.outbox.stalled_since();
        let stall = stalled.map(|since| (since + limits.write_stall, Due::Stall));
        let patience = self.waits.batch.as_ref().and_then(|batch| batch.since);
        let patience = patience.map(|since| (since + limits.send_patience, Due::Patience));
        match &self.link {
            // While the last response is still on its way its receiver has not left.
            Link::Detached { .. } if stall.is_some() => [stall, patience, None, None],
            Link::Detached { since } => {
                let left = self.outbox.progress().max(*since);
                [Some((left + settings.disconnect_delay, Due::Expiry)), patience, None, None]
            }
            Link::Attached(attached) => {
                // One that closes must come to its end.
                let is_open = matches!(self.phase, Phase::Opening | Phase::Open);
                let is_left = is_open && settings.slow_consumers == SlowConsumers::Refuse;
                let stall = stall.filter(|_| !is_left);
                // Who is told that the session ends is asked nothing any more.
                let ping = match self.phase {
                    Phase::Closing { .. } => None,
                    _ => attached.ping(settings),
                };
                [attached.heartbeat(settings), ping, stall, patience]
            }
        }
    }
}

impl Attached {
    fn heartbeat(&self, settings: &Settings) -> Option<(Timestamp, Due)> {
        if self.heartbeat_due {
            return None;
        }
        let mut delay = settings.heartbeat_delay;
        if self.transport == Transport::Jsonp {
            delay = Some(delay.unwrap_or(Duration::MAX).min(JSONP_HEARTBEAT_DELAY));
        }
        delay.map(|delay| (self.active + delay, Due::Heartbeat))
    }

    fn ping(&self, settings: &Settings) -> Option<(Timestamp, Due)> {
        match self.ping {
            Ping::Resting { since } if self.transport.is_websocket() => {
                settings.heartbeat_delay.map(|delay| (since + delay, Due::Ping))
            }
            Ping::Sent { at, .. } => Some((at + settings.limits.pong_deadline, Due::Pong)),
            Ping::Resting { .. } | Ping::Due => None,
        }
    }
}
