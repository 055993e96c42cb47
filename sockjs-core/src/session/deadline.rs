//! When a session must be looked at again, and what happens then (DESIGN §2, *Deadlines*).
//!
//! Deadlines are computed from the state, never stored: what moves a deadline is the state itself,
//! so no traffic can forget to re-arm one. A due deadline is always cleared by its effect
//! (invariant 8).

use std::time::Duration;

use super::*;
use crate::limits::Limits;
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
        let mut earliest = Timestamp::MAX;
        self.deadlines(settings, |at, _| earliest = earliest.min(at));
        (earliest < Timestamp::MAX).then_some(earliest)
    }

    /// No frame that is handed to the receiver of an open session sets a deadline before this.
    pub(crate) fn earliest_after_frame(settings: &Settings, now: Timestamp) -> Timestamp {
        let Limits { write_stall, pong_deadline, .. } = settings.limits;
        let heartbeat = settings.heartbeat_delay.unwrap_or(Duration::MAX);
        now + write_stall.min(pong_deadline).min(heartbeat)
    }

    /// Does whatever is due. A call too early does nothing.
    pub(crate) fn handle_timeout(&mut self, settings: &Settings, now: Timestamp) {
        let (mut all, mut count) = ([None; 4], 0);
        self.deadlines(settings, |at, due| {
            if let Some(place) = all.get_mut(count).filter(|_| at <= now) {
                *place = Some(due);
                count += 1;
            }
        });
        for due in all.into_iter().flatten() {
            self.meet(due, settings, now);
        }
    }

    fn meet(&mut self, due: Due, settings: &Settings, now: Timestamp) {
        match due {
            Due::Heartbeat => self.hand_soon(settings, |attached| attached.heartbeat_due = true),
            Due::Ping => self.hand_soon(settings, |attached| attached.ping = Ping::Due),
            // It may have come, but is not read while the application lags.
            Due::Pong if self.waits.batch != Batch::None => self.await_pong(now),
            Due::Pong => self.close(Cause::Heartbeat, CloseReason::NO_HEARTBEAT, settings, now),
            Due::Expiry => self.abort(Cause::Expired, CloseReason::INTERRUPTED, settings, now),
            Due::Stall => self.stalled(settings, now),
            // Told to try again, and did not: its client has left.
            Due::Patience if self.forget_told_batch() => {}
            Due::Patience => {
                self.close(Cause::SlowApplication, CloseReason::INTERRUPTED, settings, now);
            }
            // The endpoint forgets it.
            Due::Forget => {}
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
        if let Link::Attached(attached) = &mut self.link
            && let Ping::Sent { at, .. } = &mut attached.ping
        {
            *at = now;
        }
    }

    fn hand_soon(&mut self, settings: &Settings, make_due: impl FnOnce(&mut Attached)) {
        if let Link::Attached(attached) = &mut self.link {
            make_due(attached);
        }
        self.wake_receiver(settings);
    }

    /// Names all deadlines, four at most.
    fn deadlines(&self, settings: &Settings, mut name: impl FnMut(Timestamp, Due)) {
        if let Phase::Closed { until, .. } = self.phase {
            // Before that, its last events must be taken; the endpoint looks again after them.
            if self.flags.is_empty() {
                name(until, Due::Forget);
            }
            return;
        }
        let limits = &settings.limits;
        let stall = self.outbox.stalled_since().map(|since| since + limits.write_stall);
        match &self.link {
            // While the last response is still on its way its receiver has not left.
            Link::Detached { since } if stall.is_none() => {
                let left = self.outbox.progress().max(*since);
                name(left + settings.disconnect_delay, Due::Expiry);
            }
            Link::Detached { .. } => {}
            Link::Attached(attached) => {
                if let Some(at) = attached.heartbeat(settings) {
                    name(at, Due::Heartbeat);
                }
                // Who is told that the session ends is asked nothing any more.
                if !matches!(self.phase, Phase::Closing { .. })
                    && let Some((at, due)) = attached.ping(settings)
                {
                    name(at, due);
                }
            }
        }
        // A receiver may be left to its slowness, but one that closes must come to its end.
        let is_left = settings.slow_consumers == SlowConsumers::Refuse
            && matches!(self.phase, Phase::Opening | Phase::Open)
            && matches!(self.link, Link::Attached(_));
        if let Some(at) = stall.filter(|_| !is_left) {
            name(at, Due::Stall);
        }
        // A WebSocket is simply not read meanwhile.
        if self.waits.batch != Batch::None && !self.transport.is_websocket() {
            name(self.waits.batch_since + limits.send_patience, Due::Patience);
        }
    }
}

impl Attached {
    fn heartbeat(&self, settings: &Settings) -> Option<Timestamp> {
        if self.heartbeat_due {
            return None;
        }
        let mut delay = settings.heartbeat_delay;
        if self.transport == Transport::Jsonp {
            delay = Some(delay.unwrap_or(Duration::MAX).min(JSONP_HEARTBEAT_DELAY));
        }
        delay.map(|delay| self.active + delay)
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
