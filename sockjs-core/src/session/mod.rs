//! One session: its phase and its link, and every rule that moves them (PROTOCOL §5, DESIGN §3).
//!
//! Two machines that do not depend on each other:
//!
//! ```text
//!  phase:  Opening ──`o` handed──► Open ──close──► Closing ──close frame written──► Closed
//!             │                      │                │                               ▲
//!             │                      └── abort ───────┴── expiry, abort ──────────────┘
//!             └── abort, expiry: forgotten without a word, for the application never knew
//!
//!  link:   Detached ──attach──► Attached ──response ends, close handed, receiver gone──► Detached
//! ```
//!
//! *Closing* is free of loss: what was queued is handed first, to the next receiver if need be.
//! Keeps invariants 1 to 5, 11 to 14.

mod deadline;
mod inbox;
mod outbox;
mod transmit;

use std::time::Duration;

use bytes::BytesMut;

use self::inbox::Inbox;
use self::outbox::Outbox;
use crate::binding::Binding;
use crate::event::{Gone, Refused, SendError};
use crate::info::ConnectionInfo;
use crate::message::Message;
use crate::report::{Cause, Grade, Report};
use crate::settings::Settings;
use crate::time::Timestamp;
use crate::wire::close::CloseReason;
use crate::wire::transport::Transport;

/// The state of one session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) transport: Transport,
    pub(crate) binding: Binding,
    /// Until the application is told.
    pub(crate) info: Option<Box<ConnectionInfo>>,
    /// Until the application is told.
    pub(crate) report: Option<Box<Report>>,
    /// What became ready since the last look.
    pub(crate) flags: Flags,
    phase: Phase,
    link: Link,
    /// Whether the open frame was handed, so that the application knows of the session.
    is_opened: bool,
    /// Number of the latest receiver.
    attachments: u32,
    inbox: Inbox,
    outbox: Outbox,
    waits: Waits,
    grade: Grade,
}

#[derive(Debug)]
enum Phase {
    Opening,
    Open,
    Closing {
        cause: Cause,
        reason: CloseReason,
        /// Whether the close frame was handed out.
        handed: bool,
    },
    Closed {
        cause: Cause,
        reason: CloseReason,
        /// How long the id still answers its close frame.
        until: Timestamp,
    },
}

#[derive(Debug)]
enum Link {
    Detached { since: Timestamp },
    Attached(Attached),
}

/// The receiver that takes this session's frames.
#[derive(Debug)]
struct Attached {
    transport: Transport,
    /// When something was last handed to it, or it came.
    active: Timestamp,
    /// Bytes of frames that count towards the response limit.
    frame_bytes: usize,
    heartbeat_due: bool,
    /// A ping is to follow the heartbeat.
    ping_due: bool,
    /// The ping that is not yet answered: when it was handed, and how many messages before it.
    pinged: Option<(Timestamp, u64)>,
}

/// Who was told to come back later.
#[derive(Debug, Default)]
struct Waits {
    /// A reader found the inbox empty.
    reader: bool,
    /// A sender found the outbox full.
    sender: bool,
    /// A receiver found nothing to transmit.
    receiver: bool,
    /// A batch of messages found the inbox full: since then, if it came by a send request.
    batch: Option<Option<Timestamp>>,
}

/// A set of kinds of event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags(u8);

impl Flags {
    pub(crate) const OPENED: Self = Self(1);
    pub(crate) const READABLE: Self = Self(1 << 1);
    pub(crate) const WRITABLE: Self = Self(1 << 2);
    pub(crate) const TRANSMIT: Self = Self(1 << 3);
    pub(crate) const RESUME: Self = Self(1 << 4);
    pub(crate) const CLOSED: Self = Self(1 << 5);

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn raise(&mut self, flag: Self) {
        self.0 |= flag.0;
    }

    /// Takes the first kind, in the order in which events of one session are given out.
    pub(crate) fn take_first(&mut self) -> Self {
        let first = Self(self.0 & self.0.wrapping_neg());
        self.0 &= !first.0;
        first
    }
}

/// What a receive request meets.
pub(crate) enum Attach {
    /// It is the session's receiver now, of that number.
    Attached(u32),
    /// It only gets that close frame.
    Refused(CloseReason),
}

impl Session {
    /// A session whose first receiver is its opener's.
    pub(crate) fn new(
        transport: Transport,
        binding: Binding,
        info: ConnectionInfo,
        now: Timestamp,
    ) -> Self {
        Self {
            transport,
            binding,
            info: Some(Box::new(info)),
            report: None,
            flags: Flags::default(),
            phase: Phase::Opening,
            link: Link::Detached { since: now },
            is_opened: false,
            attachments: 0,
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            waits: Waits::default(),
            grade: Grade::Socket,
        }
    }

    /// A receiver came (rules 1, 4, 5).
    pub(crate) fn attach(&mut self, transport: Transport, grade: Grade, now: Timestamp) -> Attach {
        match (&self.phase, &self.link) {
            (Phase::Closed { reason, .. }, _)
            | (Phase::Closing { reason, handed: true, .. }, _)
            | (Phase::Closing { reason, .. }, Link::Attached(_)) => {
                return Attach::Refused(reason.clone());
            }
            (_, Link::Attached(_)) => return Attach::Refused(CloseReason::STILL_OPEN),
            _ => {}
        }
        // A client asks for more only when it got what came before.
        self.outbox.confirm(self.outbox.handed());
        self.grade = self.grade.min(grade);
        self.attachments = self.attachments.wrapping_add(1);
        self.waits.receiver = false;
        self.link = Link::Attached(Attached {
            transport,
            active: now,
            frame_bytes: 0,
            heartbeat_due: false,
            ping_due: false,
            pinged: None,
        });
        Attach::Attached(self.attachments)
    }

    /// Whether a further receiver would be refused because of the one attached.
    pub(crate) fn is_occupied(&self) -> bool {
        matches!((&self.phase, &self.link), (Phase::Opening | Phase::Open, Link::Attached(_)))
    }

    /// Whether `number` is the receiver attached now.
    pub(crate) fn is_attached(&self, number: u32) -> bool {
        self.attachments == number && matches!(self.link, Link::Attached(_))
    }

    /// The receiver's connection ended (rule 7).
    pub(crate) fn gone(&mut self, why: Gone, settings: &Settings, now: Timestamp) {
        self.link = Link::Detached { since: now };
        match why {
            Gone::Disconnected => {
                self.abort(Cause::ClientGone, CloseReason::INTERRUPTED, settings, now);
            }
            Gone::Closed(reason) => {
                let reason = reason.unwrap_or(CloseReason::new(1005, ""));
                self.abort(Cause::ClientGone, reason, settings, now);
            }
            Gone::Violation(reason) => {
                self.abort(Cause::ProtocolError, reason, settings, now);
            }
        }
    }

    /// A pong: what was written before its ping has arrived.
    pub(crate) fn pong(&mut self) {
        if let Link::Attached(attached) = &mut self.link
            && let Some((_, handed)) = attached.pinged.take()
        {
            self.outbox.confirm(handed);
        }
    }

    /// Chunks up to `seq` were written.
    pub(crate) fn written(&mut self, seq: u64, settings: &Settings, now: Timestamp) {
        self.outbox.written(seq, now);
        self.wake_sender(settings);
        self.wake_receiver(settings);
        self.finish_closing(settings, now);
    }

    /// A chunk was handed and never written. A gap is never survived.
    pub(crate) fn lost(&mut self, seq: u64, settings: &Settings, now: Timestamp) {
        if self.outbox.lost(seq) {
            self.abort(Cause::Interrupted, CloseReason::INTERRUPTED, settings, now);
        }
    }

    /// The application wants a message sent.
    pub(crate) fn send(&mut self, message: Message, settings: &Settings) -> Result<(), SendError> {
        if !matches!(self.phase, Phase::Open) {
            return Err(SendError::Closed(message));
        }
        if message.is_binary() && !self.transport.carries_binary() {
            return Err(SendError::NotText(message));
        }
        if !self.outbox.has_room(message.cost(), settings.limits.outbox_bytes) {
            return Err(self.full(message));
        }
        self.outbox.push(message);
        self.wake_receiver(settings);
        Ok(())
    }

    /// Refuses a message until there is room.
    pub(crate) fn full(&mut self, message: Message) -> SendError {
        self.waits.sender = true;
        SendError::Full(message)
    }

    /// The application takes a message.
    pub(crate) fn recv(&mut self, settings: &Settings) -> Option<Message> {
        if !matches!(self.phase, Phase::Opening | Phase::Open) {
            return None;
        }
        let message = self.inbox.pop();
        self.waits.reader |= message.is_none();
        if self.waits.batch.is_some() && self.inbox.has_room(0, settings.limits.inbox_bytes / 2) {
            self.resume();
        }
        message
    }

    /// The client sent messages: all are taken or none.
    pub(crate) fn deliver(
        &mut self,
        batch: &mut Vec<Message>,
        settings: &Settings,
        now: Timestamp,
    ) -> Result<u64, Refused> {
        match &self.phase {
            Phase::Opening | Phase::Open => {}
            Phase::Closing { cause: Cause::SlowApplication, .. }
            | Phase::Closed { cause: Cause::SlowApplication, .. } => return Err(Refused::Overdue),
            _ if self.drops_messages() => {
                batch.clear();
                return Ok(0);
            }
            _ => return Err(Refused::Gone),
        }
        let cost = batch.iter().map(Message::cost).sum();
        if !self.inbox.has_room(cost, settings.limits.inbox_bytes) {
            return Err(self.busy(now));
        }
        let count = batch.len() as u64;
        self.inbox.extend(batch, cost);
        if count > 0 && std::mem::take(&mut self.waits.reader) {
            self.flags.raise(Flags::READABLE);
        }
        Ok(count)
    }

    /// Refuses a batch until the application has taken what waits.
    pub(crate) fn busy(&mut self, now: Timestamp) -> Refused {
        // A WebSocket is simply not read meanwhile; only send requests run out of patience.
        let since = (!self.transport.is_websocket()).then_some(now);
        self.waits.batch.get_or_insert(since);
        Refused::Full
    }

    /// Whether send requests are still known here, be it that their messages are dropped.
    pub(crate) fn takes_send_requests(&self) -> bool {
        matches!(self.phase, Phase::Opening | Phase::Open) || self.drops_messages()
    }

    /// Whether the server's side closed, so that what the client still sends is dropped.
    fn drops_messages(&self) -> bool {
        matches!(
            self.phase,
            Phase::Closing { .. }
                | Phase::Closed {
                    cause: Cause::Application | Cause::Shutdown | Cause::HandlerPanic,
                    ..
                }
        )
    }

    /// Closes: what is queued goes first, then the close frame (rule 5).
    pub(crate) fn close(
        &mut self,
        cause: Cause,
        reason: CloseReason,
        settings: &Settings,
        now: Timestamp,
    ) {
        match self.phase {
            Phase::Opening => return self.abort(cause, reason, settings, now),
            Phase::Open => {}
            Phase::Closing { .. } | Phase::Closed { .. } => return,
        }
        self.phase = Phase::Closing { cause, reason, handed: false };
        if let Link::Detached { since } = &mut self.link {
            *since = now;
        }
        self.resume();
        self.wake_sender(settings);
        self.wake_reader();
        self.wake_receiver(settings);
    }

    /// Ends at once; a receiver that is attached gets the close frame and no more.
    fn abort(&mut self, cause: Cause, reason: CloseReason, settings: &Settings, now: Timestamp) {
        let (cause, reason) = match &self.phase {
            Phase::Closed { .. } => return,
            // Whoever closed first is the cause, even if the close frame did not arrive.
            Phase::Closing { cause, reason, .. } => (*cause, reason.clone()),
            Phase::Opening | Phase::Open => (cause, reason),
        };
        let orphan = matches!(self.link, Link::Attached(_));
        let remembered = match cause {
            _ if !self.is_opened => Duration::ZERO,
            // No request will name it again; a receiver that is left must still learn the reason.
            _ if self.transport.is_websocket() && !orphan => Duration::ZERO,
            Cause::Expired => settings.tombstones.unwrap_or_default(),
            _ => settings.disconnect_delay.max(settings.tombstones.unwrap_or_default()),
        };
        self.enter_closed(cause, reason, now + remembered);
    }

    /// The close frame was handed, and everything written: the end without loss.
    fn finish_closing(&mut self, settings: &Settings, now: Timestamp) {
        let Phase::Closing { cause, reason, handed: true } = &self.phase else { return };
        if self.outbox.is_in_flight() {
            return;
        }
        let (cause, reason) = (*cause, reason.clone());
        let remembered = match self.transport.is_websocket() {
            true => Duration::ZERO,
            false => settings.disconnect_delay.max(settings.tombstones.unwrap_or_default()),
        };
        self.enter_closed(cause, reason, now + remembered);
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
        self.phase = Phase::Closed { cause, reason, until };
        self.resume();
    }

    /// The end, to be told to receivers that come too late or outlive the session.
    pub(crate) fn close_reason(&self) -> CloseReason {
        match &self.phase {
            Phase::Closed { reason, .. } | Phase::Closing { reason, .. } => reason.clone(),
            Phase::Opening | Phase::Open => CloseReason::INTERRUPTED,
        }
    }

    /// Whether the application was told that the session is open.
    pub(crate) fn is_opened(&self) -> bool {
        self.is_opened
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
        self.flags.is_empty()
            && matches!(self.phase, Phase::Closed { until, .. } if until <= now)
    }

    /// Cost of all messages held here, in bytes.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.inbox.bytes() + self.outbox.bytes()
    }

    /// Something in another session made room: whoever waits here may try again.
    pub(crate) fn retry(&mut self, settings: &Settings) {
        self.wake_sender(settings);
        self.resume();
    }

    fn wake_sender(&mut self, settings: &Settings) {
        let closed = !matches!(self.phase, Phase::Open);
        // Half of the queue must be free, so that a sender is not woken for each message.
        let room = self.outbox.has_room(0, settings.limits.outbox_bytes / 2);
        if self.waits.sender && (closed || room) {
            self.waits.sender = false;
            self.flags.raise(Flags::WRITABLE);
        }
    }

    fn wake_reader(&mut self) {
        if std::mem::take(&mut self.waits.reader) {
            self.flags.raise(Flags::READABLE);
        }
    }

    fn resume(&mut self) {
        if self.waits.batch.take().is_some() {
            self.flags.raise(Flags::RESUME);
        }
    }

    fn wake_receiver(&mut self, settings: &Settings) {
        if self.waits.receiver && self.has_output(settings) {
            self.waits.receiver = false;
            self.flags.raise(Flags::TRANSMIT);
        }
    }
}
