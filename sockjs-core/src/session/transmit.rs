//! What the attached receiver gets next (PROTOCOL §5 rules 1, 3, 5, 8).

use super::*;
use crate::event::{ChunkId, FrameKind, SessionKey, Transmit};
use crate::receiver::{Receiver, Stage};
use crate::wire::frame;

impl Session {
    /// The next frame for the attached receiver, or `None` until the flag `TRANSMIT` is raised.
    pub(crate) fn transmit(
        &mut self,
        key: SessionKey,
        receiver: &mut Receiver,
        buf: &mut BytesMut,
        settings: &Settings,
        now: Timestamp,
    ) -> Option<Transmit> {
        let start = buf.len();
        let transport = receiver.transport;
        let (messages, kind) = match self.next(settings) {
            Next::Nothing => {
                self.waits.receiver = true;
                return None;
            }
            Next::Open => {
                if let Phase::Opening = self.phase {
                    self.phase = Phase::Open;
                }
                self.is_opened = true;
                self.waits.reader = self.inbox.is_empty();
                self.flags.raise(Flags::OPENED);
                if transport == Transport::RawWebsocket {
                    return self.transmit(key, receiver, buf, settings, now);
                }
                receiver.wrap(buf, frame::write_open);
                (0, FrameKind::Text)
            }
            Next::Messages if transport == Transport::RawWebsocket => (1, self.write_raw(buf)),
            Next::Messages => {
                let (messages, limit) = (self.outbox.waiting(), settings.limits.window_bytes);
                let mut count = 0;
                receiver.wrap(buf, |out| count = frame::write_messages(messages, limit, out));
                (count, FrameKind::Text)
            }
            Next::Heartbeat => {
                receiver.wrap(buf, frame::write_heartbeat);
                (0, FrameKind::Text)
            }
            Next::Ping => (0, FrameKind::Ping),
            Next::Close => return self.hand_close(key, receiver, buf, now),
        };
        let bytes = buf.len() - start;
        let seq = self.outbox.hand(messages, bytes, self.attachments, now);
        let fin = self.after_frame(&kind, bytes, settings, now);
        let more = !fin && self.has_output(settings);
        if fin {
            receiver.stage = Stage::Finished;
        } else {
            // Found out now, so that nobody need ask once more.
            self.waits.receiver = !more;
        }
        Some(Transmit { chunk: Some(ChunkId { session: key, seq }), frame: kind, fin, more })
    }

    /// Whether the receiver found nothing, and was not told yet that there is something.
    pub(crate) fn has_waiting_receiver(&self) -> bool {
        self.waits.receiver
    }

    /// Whether [`transmit`](Self::transmit) has something.
    pub(super) fn has_output(&self, settings: &Settings) -> bool {
        !matches!(self.next(settings), Next::Nothing)
    }

    fn next(&self, settings: &Settings) -> Next {
        let Link::Attached(attached) = &self.link else { return Next::Nothing };
        if !self.outbox.has_window(settings.limits.window_bytes) {
            return Next::Nothing;
        }
        let is_waiting = self.outbox.is_waiting();
        match &self.phase {
            _ if !self.is_opened => Next::Open,
            Phase::Open if attached.heartbeat_due && !is_waiting => attached.heartbeat_frame(),
            // Before messages, which may never cease.
            Phase::Open if matches!(attached.ping, Ping::Due) => Next::Ping,
            _ if is_waiting => Next::Messages,
            Phase::Closing { .. } => Next::Close,
            _ => Next::Nothing,
        }
    }

    /// The first waiting message, as it is.
    fn write_raw(&self, buf: &mut BytesMut) -> FrameKind {
        let Some(message) = self.outbox.waiting().next() else { return FrameKind::Text };
        buf.extend_from_slice(message.as_bytes());
        if message.is_binary() { FrameKind::Binary } else { FrameKind::Text }
    }

    /// Hands the close over to the receiver, which transmits it alone, and frees its slot in the
    /// same step.
    fn hand_close(
        &mut self,
        key: SessionKey,
        receiver: &mut Receiver,
        buf: &mut BytesMut,
        now: Timestamp,
    ) -> Option<Transmit> {
        let Phase::Closing { reason, handed, .. } = &mut self.phase else { return None };
        *handed = true;
        let reason = (**reason).clone();
        let seq = self.outbox.hand(0, 0, self.attachments, now);
        self.link = Link::Detached { since: now };
        receiver.stage = Stage::close(reason, Some(ChunkId { session: key, seq }));
        receiver.transmit_alone(buf)
    }

    /// Notes that a frame was handed; says whether it ends the response, which frees the slot
    /// before the last byte can leave (rule 4).
    fn after_frame(
        &mut self,
        kind: &FrameKind,
        bytes: usize,
        settings: &Settings,
        now: Timestamp,
    ) -> bool {
        let handed = self.outbox.handed();
        let Link::Attached(attached) = &mut self.link else { return false };
        if *kind == FrameKind::Ping {
            attached.after_ping(handed, now);
            return false;
        }
        attached.active = now;
        attached.frame_bytes = attached.frame_bytes.saturating_add(bytes);
        attached.heartbeat_due = false;
        let full = attached.frame_bytes >= settings.response_limit;
        let fin = attached.transport.is_one_frame() || (full && !attached.transport.is_websocket());
        if fin {
            self.link = Link::Detached { since: now };
        }
        fin
    }
}

impl Attached {
    /// The raw path has no heartbeat of its own: a ping keeps its proxies awake.
    fn heartbeat_frame(&self) -> Next {
        match self.transport {
            Transport::RawWebsocket => Next::Ping,
            _ => Next::Heartbeat,
        }
    }

    fn after_ping(&mut self, handed: u64, now: Timestamp) {
        // The first answer is to the first of several.
        if !matches!(self.ping, Ping::Sent { .. }) {
            self.ping = Ping::Sent { at: now, handed };
        }
        if self.transport == Transport::RawWebsocket {
            self.active = now;
            self.heartbeat_due = false;
        }
    }
}

/// What comes next for a receiver.
enum Next {
    Nothing,
    Open,
    Messages,
    Close,
    Heartbeat,
    Ping,
}
