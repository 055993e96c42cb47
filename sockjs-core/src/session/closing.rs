//! How a session ends: closing without loss, or at once (PROTOCOL §5 rules 5 to 7).

use std::time::Duration;

use super::*;

impl Session {
    /// Closes: the open frame, if it was not handed yet, and what is queued go first, then the close
    /// frame (rules 1 and 5).
    pub(crate) fn close(
        &mut self,
        cause: Cause,
        reason: CloseReason,
        settings: &Settings,
        now: Timestamp,
    ) {
        if !matches!(self.phase, Phase::Opening | Phase::Open) {
            return;
        }
        self.phase = Phase::Closing { cause, reason: Box::new(reason), handed: false };
        if let Link::Detached { since } = &mut self.link {
            *since = now;
        }
        self.resume();
        // It is told to try again by this, and is waited for no longer.
        self.waits.batch = Batch::None;
        self.wake_sender(settings);
        self.wake_reader();
        self.wake_receiver(settings);
    }

    /// The server waits no longer for the session's end.
    pub(crate) fn cut_off(&mut self, settings: &Settings, now: Timestamp) {
        self.abort(Cause::Shutdown, CloseReason::SERVER_GOING_AWAY, settings, now);
    }

    /// Ends at once; a receiver that is attached gets the close frame and no more.
    pub(super) fn abort(
        &mut self,
        cause: Cause,
        reason: CloseReason,
        settings: &Settings,
        now: Timestamp,
    ) {
        let remembered = self.remembered(cause, settings);
        let (cause, reason) = match &self.phase {
            Phase::Closed { .. } => return,
            // Whoever closed first is the cause, even if the close frame did not arrive.
            Phase::Closing { cause, reason, .. } => (*cause, (**reason).clone()),
            Phase::Opening | Phase::Open => (cause, reason),
        };
        self.enter_closed(cause, reason, now + remembered);
    }

    /// The close frame was handed, and everything written: the end without loss.
    pub(super) fn finish_closing(&mut self, settings: &Settings, now: Timestamp) {
        let Phase::Closing { cause, reason, handed: true } = &self.phase else { return };
        if self.outbox.is_in_flight() {
            return;
        }
        let (cause, reason) = (*cause, (**reason).clone());
        let remembered = self.remembered(cause, settings);
        self.enter_closed(cause, reason, now + remembered);
    }

    /// How long the id answers its close frame when the session ends by `cause` (rules 5 to 7).
    fn remembered(&self, cause: Cause, settings: &Settings) -> Duration {
        let is_orphaned = matches!(self.link, Link::Attached(_));
        let tombstone = settings.tombstones.unwrap_or_default();
        match cause {
            // A receiver that is left must still learn the reason. Without one, nobody will ask:
            // the application never knew of the session, or no request can name it.
            _ if is_orphaned => settings.disconnect_delay.max(tombstone),
            _ if !self.is_opened || self.transport.is_websocket() => Duration::ZERO,
            // It waited for the disconnect delay already, closing or not.
            Cause::Expired => tombstone,
            _ => settings.disconnect_delay.max(tombstone),
        }
    }

    /// Whoever asks for the end of a session that the application closed lets it be remembered
    /// longer: the delay counts from the last receiver (rule 5).
    pub(super) fn prolong(&mut self, settings: &Settings, now: Timestamp) {
        let by_server = self.drops_messages();
        if let Phase::Closed { until, .. } = &mut self.phase
            && by_server
        {
            *until = (*until).max(now + settings.disconnect_delay);
        }
    }

    fn enter_closed(&mut self, cause: Cause, reason: CloseReason, until: Timestamp) {
        let account = self.outbox.close();
        if self.is_opened {
            self.report = Some(Box::new(Report {
                cause,
                reason: reason.clone(),
                accepted: account.accepted,
                written: account.written,
                confirmed: account.confirmed,
                unsent: account.unsent,
                unread: self.inbox.take(),
                grade: self.grade,
            }));
            self.flags.raise(Flags::CLOSED);
        }
        if let Link::Attached(_) = self.link {
            self.flags.raise(Flags::TRANSMIT);
        }
        self.link = Link::Detached { since: until };
        self.phase = Phase::Closed { cause, reason: Box::new(reason), until };
        self.resume();
        // Nothing is told to the application after this (invariant 3).
        self.waits = Waits::default();
    }

    /// The end, to be told to receivers that come too late or outlive the session.
    pub(crate) fn close_reason(&self) -> CloseReason {
        match &self.phase {
            Phase::Closed { reason, .. } | Phase::Closing { reason, .. } => (**reason).clone(),
            Phase::Opening | Phase::Open => CloseReason::INTERRUPTED,
        }
    }

    /// Whether the session has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed_by().is_some()
    }

    /// What ended the session.
    pub(crate) fn closed_by(&self) -> Option<Cause> {
        match self.phase {
            Phase::Closed { cause, .. } => Some(cause),
            _ => None,
        }
    }

    /// Whether nothing remembers the session any more.
    pub(crate) fn is_forgotten(&self, now: Timestamp) -> bool {
        self.flags.is_empty() && matches!(self.phase, Phase::Closed { until, .. } if until <= now)
    }
}
