//! What an endpoint has promised so far, kept apart from it: the invariants that can be seen from
//! outside, checked as things happen. The work is bounded by what happened, not by what is held.

mod ending;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::reading::{self, Frame};
use super::violation::{Verdict, Violation, ensure};
use crate::{
    ChunkId, ConnectionInfo, MESSAGE_OVERHEAD_BYTES, Message, Quota, Report, SendError, SessionKey,
    Settings, Stats, Timestamp, Transmit, Transport,
};

/// All sessions as seen from outside. Fed by a [`Sim`](super::Sim) with all that goes in and out.
#[derive(Debug)]
pub struct Checker {
    sessions: BTreeMap<SessionKey, Session>,
    /// The latest session of each id.
    ids: BTreeMap<String, SessionKey>,
    /// In the order of their opening.
    opened: Vec<SessionKey>,
    /// Opened and not closed.
    live: BTreeSet<SessionKey>,
    /// Those of them that were told full, and nothing took that back.
    full: BTreeSet<SessionKey>,
    closed_count: u64,
    /// Cost of all messages held.
    total_bytes: usize,
    /// What is alone may exceed the limit of the total: the largest that did.
    allowed_bytes: usize,
    settings: Settings,
    quota: Quota,
}

#[derive(Debug, Default)]
struct Session {
    number: usize,
    transport: Option<Transport>,
    opened: bool,
    closed: bool,
    report: Option<Report>,
    /// How long its id must answer its close frame.
    until: Timestamp,
    /// The code with which it was asked to close.
    closing: Option<u16>,
    attached: Option<(Arc<str>, Transport)>,
    detached_since: Timestamp,
    /// When something was last handed, or a receiver came.
    active: Timestamp,
    /// When something was last written.
    progress: Timestamp,
    open_frame: bool,
    close_frame: bool,
    /// Accepted from the application and not written.
    outbox: VecDeque<Message>,
    outbox_bytes: usize,
    accepted: u64,
    handed: u64,
    written: u64,
    confirmed: u64,
    /// The client showed that it got so many.
    asked_for_more: u64,
    chunks: VecDeque<InFlight>,
    /// Messages handed before the chunk that was lost, if a loss ended the session.
    handed_before_loss: Option<u64>,
    /// Messages of the client that the application has not taken.
    inbox: VecDeque<Message>,
    inbox_bytes: usize,
    /// A client left while its messages waited: nobody will tell when its patience ends.
    gave_up: bool,
    /// Messages handed before the ping that is not answered.
    pinged: Option<u64>,
}

/// A chunk in flight.
#[derive(Debug)]
struct InFlight {
    seq: u64,
    receiver: Arc<str>,
    /// Count of messages handed before it, and with it too.
    before: u64,
    handed: u64,
    written: bool,
}

fn cost(message: &Message) -> usize {
    message.len() + MESSAGE_OVERHEAD_BYTES
}

impl Session {
    fn confirm(&mut self) {
        self.confirmed = self.confirmed.max(self.asked_for_more.min(self.written));
    }

    fn detach(&mut self, now: Timestamp) {
        self.attached = None;
        self.pinged = None;
        self.detached_since = now;
    }
}

impl Checker {
    pub(super) fn new(settings: &Settings, quota: Quota) -> Self {
        Self {
            sessions: BTreeMap::new(),
            ids: BTreeMap::new(),
            opened: Vec::new(),
            live: BTreeSet::new(),
            full: BTreeSet::new(),
            closed_count: 0,
            total_bytes: 0,
            allowed_bytes: quota.total_bytes,
            settings: settings.clone(),
            quota,
        }
    }

    /// The session that opened as the `number`th, from 1.
    pub fn key(&self, number: usize) -> Option<SessionKey> {
        self.opened.get(number.checked_sub(1)?).copied()
    }

    /// The number of an opened session, from 1.
    pub fn number(&self, key: SessionKey) -> Option<usize> {
        self.sessions.get(&key).map(|session| session.number).filter(|number| *number > 0)
    }

    /// How many sessions have opened.
    pub fn opened_count(&self) -> usize {
        self.opened.len()
    }

    /// The report of an ended session.
    pub fn report(&self, number: usize) -> Option<&Report> {
        self.sessions.get(&self.key(number)?)?.report.as_ref()
    }

    /// Whether the session of that id is open.
    pub fn is_open(&self, id: &str) -> bool {
        self.ids.get(id).is_some_and(|key| self.live.contains(key))
    }

    fn session(&mut self, key: SessionKey) -> &mut Session {
        self.sessions.entry(key).or_default()
    }

    /// A receiver came to a session.
    pub(super) fn attached(
        &mut self,
        name: &Arc<str>,
        id: Option<&str>,
        key: SessionKey,
        transport: Transport,
        now: Timestamp,
    ) -> Verdict {
        if let Some(id) = id {
            let before = self.ids.insert(id.to_owned(), key).filter(|before| *before != key);
            if let Some(before) = before.and_then(|before| self.sessions.get(&before)) {
                let open = before.opened && !before.closed;
                ensure!(!open, 4, "{id} opened again while it is open");
                let early = before.closed && now < before.until;
                ensure!(!early, 13, "{id} opened anew at {now:?}, before {:?}", before.until);
            }
        }
        let session = self.session(key);
        session.transport.get_or_insert(transport);
        ensure!(!session.closed, 5, "{name} came to a session that has ended");
        let before = session.attached.replace((name.clone(), transport));
        ensure!(before.is_none(), 4, "{name} came while {before:?} is attached");
        session.active = now;
        session.asked_for_more = session.handed;
        session.confirm();
        Ok(())
    }

    /// A receiver came and was not let to its session: the code that it must get, if that is known.
    pub(super) fn refused(&mut self, id: Option<&str>) -> Result<Option<u16>, Violation> {
        let known = id.and_then(|id| self.ids.get(id)).and_then(|key| self.sessions.get(key));
        let Some(session) = known else {
            return Err(Violation::new(4, "refused, and nobody was there before"));
        };
        Ok(match (&session.report, session.closing) {
            (Some(report), _) => Some(report.reason.code()),
            (None, Some(code)) => Some(code),
            (None, None) if session.attached.is_some() && session.opened => Some(2010),
            (None, None) => None,
        })
    }

    /// A receiver ended.
    pub(super) fn detached(&mut self, name: &str, key: Option<SessionKey>, now: Timestamp) {
        if let Some(key) = key {
            let session = self.session(key);
            if session.attached.as_ref().is_some_and(|(attached, _)| **attached == *name) {
                session.detach(now);
            }
        }
    }

    pub(super) fn opened(&mut self, key: SessionKey, info: &ConnectionInfo) -> Verdict {
        let raw = info.transport() == Transport::RawWebsocket;
        let number = self.opened.len() + 1;
        let session = self.session(key);
        ensure!(!session.opened && !session.closed, 3, "{key:?} opened twice");
        ensure!(session.open_frame || raw, 3, "{key:?} opened before its `o` was handed");
        session.opened = true;
        session.number = number;
        self.opened.push(key);
        self.live.insert(key);
        Ok(())
    }

    /// The application was told something of a session.
    pub(super) fn told(&mut self, key: SessionKey, what: &str) -> Verdict {
        let session = self.session(key);
        ensure!(session.opened && !session.closed, 3, "{what} outside of {key:?}");
        Ok(())
    }

    pub(super) fn writable(&mut self, key: SessionKey) -> Verdict {
        self.told(key, "writable")?;
        self.full.remove(&key);
        Ok(())
    }

    pub(super) fn sent(
        &mut self,
        key: SessionKey,
        message: &Message,
        sent: &Result<(), SendError>,
        queued_bytes: usize,
    ) -> Verdict {
        let limit = self.settings.limits.outbox_bytes;
        let session = self.sessions.entry(key).or_default();
        match sent {
            Ok(()) => {
                ensure!(session.opened && !session.closed, 3, "a send outside of {key:?}");
                session.accepted += 1;
                session.outbox.push_back(message.clone());
                session.outbox_bytes += cost(message);
                let (bytes, count) = (session.outbox_bytes, session.outbox.len());
                ensure!(bytes <= limit || count == 1, 7, "{bytes} bytes wait for a receiver");
                self.hold(cost(message), queued_bytes)
            }
            Err(error) => {
                let back = error.clone().into_message();
                ensure!(back == *message, 11, "another message was given back");
                if matches!(error, SendError::Full(_)) {
                    ensure!(!session.closed, 14, "full, although {key:?} has ended");
                    self.full.insert(key);
                }
                Ok(())
            }
        }
    }

    pub(super) fn received(
        &mut self,
        key: SessionKey,
        batch: Vec<Message>,
        dropped: u64,
        queued_bytes: usize,
    ) -> Verdict {
        if dropped > 0 {
            let count = batch.len() as u64;
            ensure!(dropped == count, 11, "{dropped} of {count} messages were dropped");
            return Ok(());
        }
        let limit = self.settings.limits.inbox_bytes;
        let bytes = batch.iter().map(cost).sum();
        let session = self.sessions.entry(key).or_default();
        let fits = session.inbox.is_empty() || session.inbox_bytes + bytes <= limit;
        ensure!(fits || batch.is_empty(), 7, "{bytes} bytes more wait for the application");
        session.inbox.extend(batch);
        session.inbox_bytes += bytes;
        self.hold(bytes, queued_bytes)
    }

    /// Messages were taken into some queue, and so much is queued now by the endpoint's own count:
    /// ours has what is left of sessions whose end was not told yet, until the next [`check`].
    ///
    /// [`check`]: Self::check
    fn hold(&mut self, bytes: usize, queued_bytes: usize) -> Verdict {
        if queued_bytes == bytes {
            self.allowed_bytes = self.allowed_bytes.max(bytes);
        }
        self.total_bytes += bytes;
        let allowed = self.allowed_bytes;
        let fits = bytes == 0 || queued_bytes <= allowed;
        ensure!(fits, 7, "{queued_bytes} bytes are held, over {allowed}");
        Ok(())
    }

    pub(super) fn took(&mut self, key: SessionKey, message: Option<&Message>) -> Verdict {
        let Some(message) = message else { return Ok(()) };
        let session = self.sessions.entry(key).or_default();
        ensure!(session.opened && !session.closed, 3, "a message outside of {key:?}");
        let expected = session.inbox.pop_front();
        ensure!(expected.as_ref() == Some(message), 1, "{message:?} instead of {expected:?}");
        session.inbox_bytes -= cost(message);
        self.total_bytes -= cost(message);
        Ok(())
    }

    /// A frame was handed to a receiver; without a key to one that was refused.
    pub(super) fn handed(
        &mut self,
        name: &str,
        key: Option<SessionKey>,
        transport: Transport,
        transmit: &Transmit,
        bytes: &[u8],
        now: Timestamp,
    ) -> Result<Frame, Violation> {
        let frame = reading::read(transport, &transmit.frame, bytes);
        let frame = frame.map_err(|what| Violation::new(5, what))?;
        let Some(key) = key else {
            let right = transmit.chunk.is_none()
                && matches!(frame, Frame::Close(..) | Frame::WebsocketClose(_));
            ensure!(right, 4, "{name} was refused and got {frame:?}");
            return Ok(frame);
        };
        let session = self.session(key);
        session.active = now;
        let before = session.handed;
        let in_order = match &frame {
            Frame::Open => !session.open_frame && !session.close_frame,
            Frame::Messages(_) if transport == Transport::RawWebsocket => !session.close_frame,
            Frame::Messages(_) | Frame::Heartbeat => session.open_frame && !session.close_frame,
            Frame::Ping => !session.close_frame,
            Frame::Close(..) => !session.close_frame,
            Frame::WebsocketClose(_) => transmit.fin,
        };
        ensure!(in_order, 5, "{name} got {frame:?} out of order");
        match &frame {
            Frame::Open => session.open_frame = true,
            Frame::Messages(messages) => {
                let attached = session.attached.as_ref().map(|(attached, _)| &**attached);
                ensure!(attached == Some(name), 4, "{name} got messages, {attached:?} is attached");
                let start = (session.handed - session.written) as usize;
                let expected = session.outbox.iter().skip(start).take(messages.len());
                let right = messages.iter().eq(expected);
                ensure!(right, 1, "{name} got {messages:?} as number {}", session.handed);
                session.handed += messages.len() as u64;
            }
            Frame::Ping => session.pinged = session.pinged.or(Some(session.handed)),
            Frame::Close(..) | Frame::WebsocketClose(_) => {
                session.close_frame = true;
                if session.attached.is_some() {
                    session.detach(now);
                }
            }
            Frame::Heartbeat => {}
        }
        if let Some(chunk) = transmit.chunk {
            let last = session.chunks.back().map(|last| last.seq);
            let upwards = chunk.session == key && last.is_none_or(|last| last < chunk.seq);
            ensure!(upwards, 5, "chunk {chunk:?} comes after {last:?}");
            session.chunks.push_back(InFlight {
                seq: chunk.seq,
                receiver: name.into(),
                before,
                handed: session.handed,
                written: false,
            });
        }
        Ok(frame)
    }

    pub(super) fn written(&mut self, chunk: ChunkId, now: Timestamp) {
        let session = self.sessions.entry(chunk.session).or_default();
        if session.closed {
            return;
        }
        let Some(at) = session.chunks.iter().position(|known| known.seq == chunk.seq) else {
            return;
        };
        session.progress = now;
        let receiver = session.chunks.get(at).map(|known| known.receiver.clone());
        for known in session.chunks.range_mut(..=at) {
            known.written |= Some(&known.receiver) == receiver.as_ref();
        }
        while session.chunks.front().is_some_and(|front| front.written)
            && let Some(InFlight { handed, .. }) = session.chunks.pop_front()
        {
            for message in session.outbox.drain(..(handed - session.written) as usize) {
                session.outbox_bytes -= cost(&message);
                self.total_bytes -= cost(&message);
            }
            session.written = handed;
        }
        session.confirm();
    }

    /// The chunk was lost, with all that the same receiver was handed after it.
    pub(super) fn lost(&mut self, chunk: ChunkId) {
        let session = self.session(chunk.session);
        let Some(at) = session.chunks.iter().position(|known| known.seq == chunk.seq) else {
            return;
        };
        let (lost, later) = (&session.chunks[at], session.chunks.range(at..));
        // What another receiver was handed later may have arrived.
        let is_last = !lost.written && later.into_iter().all(|it| it.receiver == lost.receiver);
        if is_last {
            session.handed_before_loss = Some(lost.before);
        }
    }

    pub(super) fn ponged(&mut self, key: SessionKey) {
        let session = self.session(key);
        if let Some(handed) = session.pinged.take()
            && !session.closed
        {
            session.asked_for_more = session.asked_for_more.max(handed);
            session.confirm();
        }
    }

    /// What can be seen from outside after any step.
    pub(super) fn check(&self, stats: &Stats, live: usize) -> Verdict {
        let (queued, total) = (stats.queued_bytes, self.total_bytes);
        ensure!(queued == total, 7, "{queued} bytes count as held, {total} are");
        let (opened, closed) = (stats.opened.total() as usize, stats.closed.total());
        ensure!(opened == self.opened.len(), 3, "{opened} count as opened");
        ensure!(closed == self.closed_count, 3, "{closed} count as closed");
        ensure!(stats.open() as usize == self.live.len(), 3, "{} count as open", stats.open());
        ensure!(self.live.len() <= live, 7, "open sessions are live");
        ensure!(live <= self.quota.sessions, 7, "{live} sessions");
        for key in &self.full {
            let waits = self.sessions.get(key).is_some_and(|session| session.outbox_bytes > 0);
            ensure!(waits || total > 0, 14, "{key:?} is not told that there is room");
        }
        Ok(())
    }

    /// What must hold once everything that is due was done.
    pub(super) fn check_deadlines(&self, now: Timestamp) -> Verdict {
        let never = Duration::MAX;
        for key in &self.live {
            let Some(session) = self.sessions.get(key) else { continue };
            if !session.chunks.is_empty() || session.gave_up {
                continue;
            }
            if let Some((name, transport)) = &session.attached {
                let mut delay = self.settings.heartbeat_delay.unwrap_or(never);
                if *transport == Transport::Jsonp {
                    delay = delay.min(Duration::from_secs(30));
                }
                let gap = now.saturating_since(session.active);
                ensure!(gap < delay, 12, "{name} got nothing for {gap:?}");
            } else {
                let left = session.detached_since.max(session.progress);
                let gap = now.saturating_since(left);
                let delay = self.settings.disconnect_delay;
                ensure!(gap < delay, 6, "{key:?} has no receiver for {gap:?}");
            }
        }
        Ok(())
    }
}
