//! The end of a session: the account must be exact.

use super::*;
use crate::Cause;

impl Checker {
    /// The server's side asked for the session's end.
    pub(in super::super) fn closing(&mut self, key: SessionKey, code: u16, now: Timestamp) {
        let session = self.session(key);
        if session.opened && !session.closed && session.closing.is_none() {
            session.closing = Some(code);
            session.detached_since = now;
        }
    }

    /// The client of a send request that waits has left.
    pub(in super::super) fn gave_up(&mut self, key: SessionKey) {
        self.session(key).gave_up = true;
    }

    pub(in super::super) fn closed(
        &mut self,
        key: SessionKey,
        report: &Report,
        now: Timestamp,
    ) -> Verdict {
        let until = self.remembered(key, report, now);
        self.closed_count += 1;
        self.live.remove(&key);
        self.full.remove(&key);
        let session = self.sessions.entry(key).or_default();
        ensure!(session.opened && !session.closed, 3, "{key:?} closed twice, or never opened");
        session.closed = true;
        session.until = until;
        session.attached = None;
        let held = session.outbox_bytes + session.inbox_bytes;
        self.total_bytes -= held;

        let (written, confirmed) = (session.written, session.confirmed);
        ensure!(report.accepted == session.accepted, 2, "{} were accepted", session.accepted);
        ensure!(report.written == written, 2, "{written} were written, not {}", report.written);
        let said = report.confirmed;
        ensure!(said == confirmed, 2, "{confirmed} are confirmed, not {said}");
        let unsent = report.unsent.len() as u64;
        let sum = report
            .confirmed
            .checked_add(unsent)
            .and_then(|sum| sum.checked_add(report.uncertain()));
        ensure!(sum == Some(report.accepted), 2, "the sum is {sum:?}");
        let handed = session.handed_before_loss.unwrap_or(session.handed);
        let kept = session.accepted - handed;
        ensure!(unsent == kept, 2, "{unsent} are unsent, not {kept}");
        let skipped = session.outbox.len() - report.unsent.len();
        let last = session.outbox.iter().skip(skipped);
        ensure!(report.unsent.iter().eq(last), 2, "unsent are not the last ones");
        let waiting = session.accepted - session.handed;
        ensure!(report.unread.iter().eq(&session.inbox), 2, "unread are not those not taken");
        if report.cause == Cause::Application && session.close_frame {
            ensure!(waiting == 0, 2, "closed with {waiting} messages waiting");
        }
        session.outbox = VecDeque::new();
        session.inbox = VecDeque::new();
        session.chunks = VecDeque::new();
        session.report = Some(report.clone());
        Ok(())
    }

    /// How long the id must answer the close frame at least (PROTOCOL §5 rules 5 to 7).
    fn remembered(&self, key: SessionKey, report: &Report, now: Timestamp) -> Timestamp {
        // With room for few, the others are forgotten earlier.
        const ROOMY: usize = 1_000;
        let Some(session) = self.sessions.get(&key) else { return now };
        if session.transport.is_none_or(Transport::is_websocket) || self.quota.tombstones < ROOMY {
            return now;
        }
        let tombstone = now + self.settings.tombstones.unwrap_or_default();
        let delay = self.settings.disconnect_delay;
        match report.cause {
            Cause::Expired => tombstone,
            // Nobody came within the delay: that was it.
            _ if session.closing.is_some() && session.attached.is_none() => {
                tombstone.max(session.detached_since + delay)
            }
            _ => tombstone.max(now + delay),
        }
    }
}
