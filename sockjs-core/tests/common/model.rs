//! What the endpoint has promised so far, kept apart from it: the invariants of DESIGN §3.

use std::collections::{BTreeMap, VecDeque};

use sockjs_core::{
    Cause, ChunkId, ConnectionInfo, MESSAGE_OVERHEAD_BYTES, Message, Quota, Report, SendError,
    SessionKey, Settings, Stats, Transmit, Transport,
};

use super::client::{self, Frame};

/// All sessions as seen from outside.
pub struct Model {
    sessions: BTreeMap<SessionKey, Session>,
    /// In the order of their opening.
    opened: Vec<SessionKey>,
    reports: u64,
    outbox_bytes: usize,
    inbox_bytes: usize,
    message_bytes: usize,
    quota: Quota,
}

#[derive(Default)]
struct Session {
    transport: Option<Transport>,
    opened: bool,
    closed: bool,
    report: Option<Report>,
    attached: Option<String>,
    open_frame: bool,
    close_frame: bool,
    /// Accepted from the application.
    accepted: Vec<Message>,
    /// Of those, handed out.
    handed: usize,
    /// Of those, written.
    written: usize,
    /// Chunks and the count of messages handed with them and before them.
    chunks: BTreeMap<u64, usize>,
    /// Chunks below this number are written.
    unwritten: u64,
    /// Messages of the client that the application has not taken.
    inbox: VecDeque<Message>,
    /// `send` said full, and nothing took that back.
    full: bool,
    pinged: Option<usize>,
    confirmed: usize,
    asked_for_more: usize,
}

fn cost(messages: &[Message]) -> usize {
    messages.iter().map(|m| m.len() + MESSAGE_OVERHEAD_BYTES).sum()
}

impl Model {
    pub fn new(settings: &Settings, quota: Quota) -> Self {
        Self {
            sessions: BTreeMap::new(),
            opened: Vec::new(),
            reports: 0,
            outbox_bytes: settings.limits.outbox_bytes,
            inbox_bytes: settings.limits.inbox_bytes,
            message_bytes: settings.limits.message_bytes,
            quota,
        }
    }

    pub fn key(&self, number: usize) -> Option<SessionKey> {
        self.opened.get(number.checked_sub(1)?).copied()
    }

    pub fn number(&self, key: SessionKey) -> Option<usize> {
        self.opened.iter().position(|k| *k == key).map(|at| at + 1)
    }

    pub fn opened_count(&self) -> usize {
        self.opened.len()
    }

    pub fn report(&self, number: usize) -> Option<&Report> {
        self.sessions.get(&self.key(number)?)?.report.as_ref()
    }

    fn session(&mut self, key: SessionKey) -> &mut Session {
        self.sessions.entry(key).or_default()
    }

    pub fn attached(&mut self, name: &str, key: Option<SessionKey>, transport: Transport) {
        let Some(key) = key else { return };
        let session = self.session(key);
        session.transport.get_or_insert(transport);
        let before = session.attached.replace(name.to_owned());
        assert_eq!(before, None, "invariant 4: one receiver at most");
        session.asked_for_more = session.handed;
        session.confirmed = session.confirmed.max(session.asked_for_more.min(session.written));
    }

    pub fn gone(&mut self, name: &str, key: Option<SessionKey>, finished: bool) {
        if let Some(key) = key
            && !finished
        {
            self.detach(name, key);
        }
    }

    pub fn finished(&mut self, name: &str, key: Option<SessionKey>) {
        if let Some(key) = key {
            self.detach(name, key);
        }
    }

    fn detach(&mut self, name: &str, key: SessionKey) {
        let session = self.session(key);
        if session.attached.as_deref() == Some(name) {
            session.attached = None;
            session.pinged = None;
        }
    }

    pub fn opened(&mut self, key: SessionKey, info: &ConnectionInfo) {
        let raw = info.transport() == Transport::RawWebsocket;
        let session = self.session(key);
        assert!(!session.opened && !session.closed, "invariant 3: opened once");
        assert!(session.open_frame || raw, "opened when `o` is handed");
        session.opened = true;
        self.opened.push(key);
    }

    pub fn told(&mut self, key: SessionKey, what: &str) {
        let session = self.session(key);
        assert!(session.opened && !session.closed, "invariant 3: {what} outside");
    }

    pub fn writable(&mut self, key: SessionKey) {
        self.told(key, "writable");
        self.session(key).full = false;
    }

    pub fn sent(&mut self, key: SessionKey, message: &Message, sent: &Result<(), SendError>) {
        let session = self.session(key);
        match sent {
            Ok(()) => {
                assert!(session.opened && !session.closed, "invariant 3: a send outside");
                session.accepted.push(message.clone());
            }
            Err(error) => {
                assert_eq!(error.clone().into_message(), *message, "given back");
                if matches!(error, SendError::Full(_)) {
                    assert!(!session.closed);
                    session.full = true;
                }
            }
        }
    }

    pub fn received(&mut self, key: SessionKey, batch: Vec<Message>, dropped: u64) {
        if dropped > 0 {
            assert_eq!(dropped, batch.len() as u64, "all or nothing");
            return;
        }
        self.session(key).inbox.extend(batch);
    }

    pub fn took(&mut self, key: SessionKey, message: Option<&Message>) {
        let session = self.session(key);
        if let Some(message) = message {
            assert!(session.opened && !session.closed, "invariant 3: a message outside");
            assert_eq!(session.inbox.pop_front().as_ref(), Some(message), "invariant 1, inbound");
        }
    }

    pub fn handed(
        &mut self,
        name: &str,
        key: Option<SessionKey>,
        transport: Transport,
        transmit: &Transmit,
        bytes: &[u8],
    ) {
        let frame = client::read(transport, &transmit.frame, bytes);
        let Some(key) = key else {
            assert!(transmit.chunk.is_none());
            assert!(matches!(frame, Frame::Close(..) | Frame::WebsocketClose), "{frame:?}");
            return;
        };
        let session = self.session(key);
        match frame {
            Frame::Open => {
                assert!(!session.open_frame && !session.close_frame, "invariant 5: one `o`, first");
                session.open_frame = true;
            }
            Frame::Messages(messages) => {
                assert!(session.opened || session.open_frame, "invariant 5: `o` first");
                assert!(!session.close_frame, "invariant 5: nothing after `c`");
                assert_eq!(session.attached.as_deref(), Some(name), "invariant 4");
                let expected = session.accepted.get(session.handed..).unwrap_or_default();
                assert!(expected.starts_with(&messages), "invariant 1: {messages:?}");
                session.handed += messages.len();
            }
            Frame::Heartbeat => assert!(session.open_frame && !session.close_frame, "invariant 5"),
            Frame::Ping => session.pinged = session.pinged.or(Some(session.handed)),
            Frame::Close(..) | Frame::WebsocketClose => {
                session.close_frame = true;
                session.attached = None;
                session.pinged = None;
            }
        }
        if let Some(chunk) = transmit.chunk {
            assert_eq!(chunk.session, key);
            let last = session.chunks.last_key_value().map(|(seq, _)| *seq);
            assert!(last.is_none_or(|last| last < chunk.seq), "chunks are numbered upwards");
            session.chunks.insert(chunk.seq, session.handed);
        }
    }

    pub fn written(&mut self, chunk: ChunkId) {
        let session = self.session(chunk.session);
        if session.closed {
            return;
        }
        session.unwritten = session.unwritten.max(chunk.seq + 1);
        let handed = session.chunks.get(&chunk.seq).copied().unwrap_or_default();
        session.written = session.written.max(handed);
        session.confirmed = session.confirmed.max(session.asked_for_more.min(session.written));
    }

    /// Whether something was handed and not written.
    pub fn is_in_flight(&self, key: SessionKey) -> bool {
        self.sessions
            .get(&key)
            .is_some_and(|session| session.chunks.range(session.unwritten..).next().is_some())
    }

    pub fn ponged(&mut self, key: SessionKey) {
        let session = self.session(key);
        if let Some(handed) = session.pinged.take()
            && !session.closed
        {
            session.asked_for_more = session.asked_for_more.max(handed);
            session.confirmed = session.confirmed.max(session.asked_for_more.min(session.written));
        }
    }

    pub fn closed(&mut self, key: SessionKey, report: &Report) {
        self.reports += 1;
        let session = self.session(key);
        assert!(session.opened && !session.closed, "invariant 3: closed once, after opened");
        session.closed = true;
        session.attached = None;
        session.full = false;
        let (accepted, unsent) = (&session.accepted, &report.unsent);
        assert_eq!(report.accepted, accepted.len() as u64, "invariant 2");
        assert_eq!(report.written, session.written as u64, "invariant 2");
        assert_eq!(report.confirmed, session.confirmed as u64, "invariant 2");
        assert!(report.confirmed <= report.written, "invariant 2");
        let sum = report.confirmed + report.uncertain() + unsent.len() as u64;
        assert_eq!(report.accepted, sum, "invariant 2");
        assert!(accepted.ends_with(unsent), "invariant 2: unsent are the last ones");
        assert!(report.written as usize + unsent.len() <= accepted.len(), "invariant 2");
        let waiting = accepted.len() - session.handed;
        assert!(unsent.len() >= waiting, "invariant 2: what waited is unsent");
        let inbox = Vec::from(std::mem::take(&mut session.inbox));
        assert_eq!(report.unread, inbox, "no silent gap inbound");
        if report.cause == Cause::Application && session.close_frame {
            assert_eq!(session.handed, accepted.len(), "closing loses nothing");
        }
        session.report = Some(report.clone());
    }

    /// What can be seen from outside after any step (invariants 6, 7, 14).
    pub fn check(&self, stats: &Stats, live: usize) {
        let mut total = 0;
        for session in self.sessions.values().filter(|session| !session.closed) {
            let outbox = session.accepted.get(session.written..).unwrap_or_default();
            let inbox: Vec<_> = session.inbox.iter().cloned().collect();
            let (out, inn) = (cost(outbox), cost(&inbox));
            assert!(out <= self.outbox_bytes || outbox.len() == 1, "invariant 7, outbox");
            let batch = self.message_bytes.saturating_mul(1 + MESSAGE_OVERHEAD_BYTES);
            assert!(inn <= self.inbox_bytes.max(batch), "invariant 7, inbox");
            total += out + inn;
            if session.full {
                let held = out > 0 || stats.queued_bytes > 0;
                assert!(held, "invariant 14: writable when everything is written");
            }
        }
        assert_eq!(stats.queued_bytes, total, "the total is what is held");
        assert_eq!(stats.opened as usize, self.opened.len());
        assert_eq!(stats.closed.iter().sum::<u64>(), self.reports);
        assert!(stats.open() as usize <= live, "open sessions are live");
        assert!(live <= self.quota.sessions, "invariant 7, sessions");
    }
}
