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

mod closing;
mod deadline;
mod inbox;
mod outbox;
mod transmit;

use bytes::BytesMut;

use self::inbox::Inbox;
use self::outbox::Outbox;
pub(crate) use self::outbox::Spares;
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
        reason: Box<CloseReason>,
        /// Whether the close frame was handed out.
        handed: bool,
    },
    Closed {
        cause: Cause,
        reason: Box<CloseReason>,
        /// How long the id still answers its close frame.
        until: Timestamp,
    },
}

#[derive(Debug)]
enum Link {
    Detached { since: Timestamp },
    Attached(Box<Attached>),
}

/// The receiver that takes this session's frames.
#[derive(Debug)]
struct Attached {
    transport: Transport,
    /// Number of the first chunk that was handed to it.
    first_seq: u64,
    /// When something was last handed to it, or it came.
    active: Timestamp,
    /// Bytes of frames that count towards the response limit.
    frame_bytes: usize,
    heartbeat_due: bool,
    /// How far the ping of a WebSocket is; others stay in the first state.
    ping: Ping,
}

/// The liveness check of a WebSocket: one ping at a time, a heartbeat delay after the one before it,
/// whatever else is sent meanwhile. (On the raw path pings are the heartbeats too.)
#[derive(Debug)]
enum Ping {
    /// None is under way, since the last was handed or the receiver came.
    Resting { since: Timestamp },
    /// To be handed next.
    Due,
    /// Handed after so many messages, and not answered.
    Sent { at: Timestamp, handed: u64 },
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
    /// A batch of messages found the inbox full.
    batch: Batch,
    /// Since when the first of the send requests with these waits.
    batch_since: Timestamp,
}

/// Messages of the client that wait outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Batch {
    #[default]
    None,
    Waits,
    /// It was told to try again; until it does, or its patience ends, the time since when it waits stands.
    Told,
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
    pub(crate) fn attach(
        &mut self,
        transport: Transport,
        grade: Grade,
        settings: &Settings,
        now: Timestamp,
    ) -> Attach {
        self.prolong(settings, now);
        match (&self.phase, &self.link) {
            (Phase::Closed { reason, .. }, _)
            | (Phase::Closing { reason, handed: true, .. }, _)
            | (Phase::Closing { reason, .. }, Link::Attached(_)) => {
                return Attach::Refused((**reason).clone());
            }
            (_, Link::Attached(_)) => return Attach::Refused(CloseReason::STILL_OPEN),
            _ => {}
        }
        // A client asks for more only when it got what came before.
        self.outbox.confirm(self.outbox.handed());
        self.grade = self.grade.min(grade);
        self.attachments = self.attachments.wrapping_add(1);
        self.waits.receiver = false;
        self.link = Link::Attached(Box::new(Attached {
            transport,
            first_seq: self.outbox.next_seq(),
            active: now,
            frame_bytes: 0,
            heartbeat_due: false,
            ping: Ping::Resting { since: now },
        }));
        Attach::Attached(self.attachments)
    }

    /// Whether a further receiver would be refused because of the one attached.
    pub(crate) fn is_occupied(&self) -> bool {
        matches!((&self.phase, &self.link), (Phase::Opening | Phase::Open, Link::Attached(_)))
    }

    /// Whether a receiver is attached.
    pub(crate) fn has_receiver(&self) -> bool {
        matches!(self.link, Link::Attached(_))
    }

    /// Whether `number` is the receiver attached now.
    pub(crate) fn is_attached(&self, number: u32) -> bool {
        self.attachments == number && self.has_receiver()
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
            Gone::Stalled => self.stalled(settings, now),
            Gone::Violation(reason) => {
                self.abort(Cause::ProtocolError, reason, settings, now);
            }
        }
    }

    /// A pong: what was written before its ping has arrived.
    pub(crate) fn pong(&mut self) {
        if let Link::Attached(attached) = &mut self.link
            && let Ping::Sent { at, handed } = attached.ping
        {
            attached.ping = Ping::Resting { since: at };
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

    /// A chunk was handed and never written: a gap is never survived. If the chunk is the attached
    /// receiver's own, it is the first word of that receiver's end.
    pub(crate) fn lost(&mut self, seq: u64, settings: &Settings, now: Timestamp) {
        if !self.outbox.lost(seq) {
            return;
        }
        let own = matches!(&self.link, Link::Attached(attached) if seq >= attached.first_seq);
        if own {
            self.gone(Gone::Disconnected, settings, now);
        } else {
            self.abort(Cause::Interrupted, CloseReason::INTERRUPTED, settings, now);
        }
    }

    /// The application wants a message sent. `fits` says whether the total of all sessions has
    /// room for it.
    pub(crate) fn send(
        &mut self,
        message: Message,
        fits: bool,
        settings: &Settings,
        spares: &mut Spares,
    ) -> Result<(), SendError> {
        if !matches!(self.phase, Phase::Open) {
            return Err(SendError::Closed(message));
        }
        if message.is_binary() && !self.transport.carries_binary() {
            return Err(SendError::NotText(message));
        }
        if !fits || !self.outbox.has_room(message.cost(), settings.limits.outbox_bytes) {
            self.waits.sender = true;
            return Err(SendError::Full(message));
        }
        self.outbox.push(message, spares);
        self.wake_receiver(settings);
        Ok(())
    }

    /// Whether a receiver is attached and the session goes on.
    pub(crate) fn is_flowing(&self) -> bool {
        matches!((&self.phase, &self.link), (Phase::Open, Link::Attached(_)))
    }

    /// Whether a sender was told that there is no room, and not yet that there is.
    pub(crate) fn has_waiting_sender(&self) -> bool {
        self.waits.sender
    }

    /// The application takes a message.
    pub(crate) fn recv(&mut self, settings: &Settings) -> Option<Message> {
        if !matches!(self.phase, Phase::Opening | Phase::Open) {
            return None;
        }
        let message = self.inbox.pop();
        match message {
            Some(_) => self.has_taken(settings),
            None => self.waits.reader = true,
        }
        message
    }

    /// The application takes messages, as long as `wants` wants the next one. Says whether it found nothing more.
    pub(crate) fn recv_while(
        &mut self,
        settings: &Settings,
        mut wants: impl FnMut(&Message) -> bool,
        mut take: impl FnMut(Message),
    ) -> bool {
        if !matches!(self.phase, Phase::Opening | Phase::Open) {
            return true;
        }
        let mut has_taken = false;
        let is_empty = loop {
            match self.inbox.front() {
                None => break true,
                Some(next) if !wants(next) => break false,
                Some(_) => has_taken |= self.inbox.pop().map(&mut take).is_some(),
            }
        };
        self.waits.reader |= is_empty;
        // What finds nothing makes no room.
        if has_taken {
            self.has_taken(settings);
        }
        is_empty
    }

    /// There is room.
    fn has_taken(&mut self, settings: &Settings) {
        if self.inbox.has_room(0, settings.limits.inbox_bytes / 2) {
            self.resume();
        }
        if let Link::Detached { .. } = self.link {
            self.inbox.rest();
        }
    }

    /// The application looks at the message that it would take.
    pub(crate) fn peek(&mut self) -> Option<Message> {
        if !matches!(self.phase, Phase::Opening | Phase::Open) {
            return None;
        }
        let message = self.inbox.front().cloned();
        self.waits.reader |= message.is_none();
        message
    }

    /// The client sent messages: all are taken or none. `fits` says whether the total of all
    /// sessions has room for their `cost`. They were first tried at `since`.
    pub(crate) fn deliver(
        &mut self,
        batch: &mut Vec<Message>,
        cost: usize,
        fits: bool,
        settings: &Settings,
        since: Timestamp,
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
        if batch.is_empty() {
            return Ok(0);
        }
        if !fits || !self.inbox.has_room(cost, settings.limits.inbox_bytes) {
            return Err(self.put_off(since, settings, now));
        }
        self.forget_told_batch();
        let count = batch.len() as u64;
        self.inbox.extend(batch, cost);
        self.wake_reader();
        Ok(count)
    }

    /// The client's last messages, which nobody can hold back any more. Returns how many were taken.
    pub(crate) fn deliver_last(&mut self, batch: &mut Vec<Message>) -> u64 {
        let is_wanted = matches!(self.phase, Phase::Opening | Phase::Open);
        let count = batch.len() as u64;
        if !is_wanted || count == 0 {
            batch.clear();
            return 0;
        }
        let cost = batch.iter().map(Message::cost).sum();
        self.inbox.extend(batch, cost);
        self.wake_reader();
        count
    }

    /// Lets a batch wait until the application has taken what is before it; a send request only as
    /// long as it has patience left.
    fn put_off(&mut self, since: Timestamp, settings: &Settings, now: Timestamp) -> Refused {
        let is_request = !self.transport.is_websocket();
        if is_request && since + settings.limits.send_patience <= now {
            self.close(Cause::SlowApplication, CloseReason::INTERRUPTED, settings, now);
            return Refused::Overdue;
        }
        // Whoever was told tries again, and brings the time since when it waits.
        let is_first = self.waits.batch != Batch::Waits;
        let before = if is_first { Timestamp::MAX } else { self.waits.batch_since };
        self.waits.batch = Batch::Waits;
        self.waits.batch_since = since.min(before);
        Refused::Full
    }

    /// Says whether there was one.
    fn forget_told_batch(&mut self) -> bool {
        let was_told = self.waits.batch == Batch::Told;
        if was_told {
            self.waits.batch = Batch::None;
        }
        was_told
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

    /// Whether the application was told that the session is open.
    pub(crate) fn is_opened(&self) -> bool {
        self.is_opened
    }

    /// A session that no receiver is at and that has nothing to carry holds no queues: there may be very
    /// many of them.
    pub(crate) fn rest(&mut self, spares: &mut Spares) {
        if let Link::Detached { .. } = self.link {
            self.inbox.rest();
            self.outbox.rest(spares);
        }
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
        if self.waits.batch == Batch::Waits {
            self.waits.batch = Batch::Told;
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
