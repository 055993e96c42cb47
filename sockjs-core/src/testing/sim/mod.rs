//! One endpoint in virtual time.

mod turn;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Response;

use super::checker::Checker;
use super::output::Output;
use super::violation::{Verdict, Violation};
use super::{reading, request};
use crate::trace::{self, Traced};
use crate::wire::payload;
use crate::{
    Action, ChunkId, CloseReason, Endpoint, Gone, Message, Principal, Quota, Receiver, Refused,
    Route, Seed, SendError, SendReply, Service, SessionKey, Settings, Timestamp, Transport,
};

/// When simulations begin.
pub const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

/// That many seconds.
pub fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// That many milliseconds.
pub fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Settings as tests want them: the prefix `/echo`, any origin, else the defaults.
pub fn settings() -> Settings {
    let mut settings = Settings::new("/echo");
    settings.origins = crate::OriginPolicy::Any;
    settings
}

/// An endpoint with its clients and its application, driven by the drain contract. All invariants
/// that can be seen from outside are checked after every operation; a broken one panics, with the
/// transcript since the last look.
///
/// Clients have names, one for each request; sessions have numbers, from 1, in the order of their
/// opening.
#[derive(Debug)]
pub struct Sim {
    /// The endpoint itself, for what the methods here do not offer.
    pub endpoint: Traced,
    /// What the endpoint has promised so far.
    pub model: Checker,
    /// Whether a chunk is written in the moment in which it is handed. Yes.
    pub writes: bool,
    now: Timestamp,
    /// The latest time that the endpoint was told.
    latest: Timestamp,
    clients: BTreeMap<Arc<str>, Client>,
    /// Send requests that wait for the application.
    waiting: Vec<Waiting>,
    /// Batches of WebSockets that wait for the application, and whose they are.
    unread: BTreeMap<SessionKey, (Arc<str>, Vec<Message>)>,
    /// Clients to transmit for.
    queue: VecDeque<Arc<str>>,
    keeps_transcript: bool,
    prints: bool,
    transcript: Vec<String>,
    outputs: Option<VecDeque<Output>>,
    trace: Option<Vec<u8>>,
}

/// A response or WebSocket at a client.
#[derive(Debug)]
struct Client {
    receiver: Option<Receiver>,
    session: Option<SessionKey>,
    transport: Transport,
    /// Handed to it, neither written nor lost.
    chunks: VecDeque<ChunkId>,
    prelude_due: bool,
    /// The code that it must get, being refused.
    refusal: Option<u16>,
}

/// A send request that is not answered yet.
#[derive(Debug)]
struct Waiting {
    name: Arc<str>,
    session: SessionKey,
    batch: Vec<Message>,
    since: Timestamp,
    reply: SendReply,
}

impl Sim {
    /// An endpoint with changed [`settings`].
    ///
    /// # Panics
    /// If the settings are none.
    pub fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings();
        change(&mut settings);
        let quota = Quota::whole(&settings.limits);
        let service = Service::new(settings).expect("settings");
        Self {
            endpoint: Endpoint::new(service.clone(), 0, quota, Seed::new(7)).into(),
            model: Checker::new(service.settings(), quota),
            writes: true,
            now: START,
            latest: START,
            clients: BTreeMap::new(),
            waiting: Vec::new(),
            unread: BTreeMap::new(),
            queue: VecDeque::new(),
            keeps_transcript: true,
            prints: false,
            transcript: Vec::new(),
            outputs: None,
            trace: None,
        }
    }

    /// The service of the endpoint.
    pub fn service(&self) -> Service {
        self.endpoint.service().clone()
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Lets time pass; every deadline on the way is met in its very moment.
    #[track_caller]
    pub fn advance(&mut self, time: Duration) {
        let target = self.now + time;
        let mut turns = 0;
        while let Some(at) = self.endpoint.poll_timeout().filter(|at| *at <= target) {
            self.now = self.now.max(at);
            self.timeout();
            turns += 1;
            self.ensure(turns < 10_000, 8, "deadlines do not move");
        }
        self.now = target;
    }

    /// Lets time pass without a word to the endpoint.
    pub fn sleep(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    /// The clock leaps, forward or back, without a word to the endpoint.
    pub fn leap(&mut self, to: Timestamp) {
        self.now = to;
    }

    /// Time has passed.
    #[track_caller]
    pub fn timeout(&mut self) {
        let now = self.tell();
        self.endpoint.handle_timeout(now);
        self.drain();
        let (next, latest) = (self.endpoint.poll_timeout(), self.latest);
        self.ensure(next.is_none_or(|at| at > latest), 8, "a due deadline is left");
        self.verify(self.model.check_deadlines(latest));
    }

    /// Time has passed, and nothing is due: nothing may happen.
    #[track_caller]
    pub fn spurious_timeout(&mut self) {
        self.timeout();
        let next = self.endpoint.poll_timeout();
        let now = self.tell();
        self.endpoint.handle_timeout(now);
        let event = self.endpoint.poll_event();
        self.ensure(event.is_none(), 8, &format!("a spurious call gave {event:?}"));
        self.ensure(self.endpoint.poll_timeout() == next, 8, "a spurious call moved a deadline");
    }

    /// The time, as the endpoint is told.
    fn tell(&mut self) -> Timestamp {
        self.latest = self.latest.max(self.now);
        self.now
    }

    /// A request as the client named so: a receive request or a WebSocket, by its path.
    #[track_caller]
    pub fn receive(&mut self, name: &str, path: &str) -> Option<Response<Bytes>> {
        self.request(name, request::for_path(path), None)
    }

    /// Any request but a send request. Answers that are no receivers come back.
    ///
    /// # Panics
    /// For send requests, besides violations.
    #[track_caller]
    pub fn request(
        &mut self,
        name: &str,
        request: http::request::Builder,
        who: Option<Principal>,
    ) -> Option<Response<Bytes>> {
        let (now, before) = (self.tell(), self.state());
        let head = request::head(request);
        let id = id_of(head.uri.path()).map(str::to_owned);
        let route = self.service().route(head, &request::peer(), 0, now);
        assert!(!matches!(route, Route::Send(_)), "a send request: use post");
        let action = self.endpoint.handle_route(route, who, now);
        let response = self.act(name.into(), id.as_deref(), action);
        if response.is_some() {
            let unchanged = self.state() == before && self.endpoint.poll_event().is_none();
            self.ensure(unchanged, 11, "a refused request changed something");
        }
        self.drain();
        response
    }

    #[track_caller]
    fn act(&mut self, name: Arc<str>, id: Option<&str>, action: Action) -> Option<Response<Bytes>> {
        let (head, receiver) = match action {
            Action::Respond(response) => {
                self.note(Output::Answered { client: name, status: response.status().as_u16() });
                return Some(response);
            }
            Action::Poll { head, receiver } if receiver.transport().is_one_frame() => {
                (head, receiver)
            }
            Action::Upgrade { head, receiver } if receiver.transport().is_websocket() => {
                (head, receiver)
            }
            Action::Stream { head, receiver } => (head, receiver),
            other => panic!("not for a receive request: {other:?}"),
        };
        let (transport, session) = (receiver.transport(), receiver.session());
        let right = request::check_head(&head, transport);
        self.verify(right.map_err(|what| Violation::new(5, what)));
        let id = id.filter(|_| !transport.is_websocket());
        let refusal = match session {
            Some(key) => {
                let attached = self.model.attached(&name, id, key, transport, self.latest);
                self.verify(attached);
                None
            }
            None => match self.model.refused(id) {
                Ok(code) => code,
                Err(violation) => self.fail(&violation),
            },
        };
        let client = Client {
            receiver: Some(receiver),
            session,
            transport,
            chunks: VecDeque::new(),
            prelude_due: !(transport.is_one_frame() || transport.is_websocket()),
            refusal,
        };
        let before = self.clients.insert(name.clone(), client);
        assert!(before.is_none(), "the name {name} is taken");
        self.queue.push_back(name);
        None
    }

    /// A send request with its body; `None` if the answer is delayed.
    #[track_caller]
    pub fn post(&mut self, name: &str, path: &str, body: &str) -> Option<Response<Bytes>> {
        self.post_as(name, request::post(path), None, body)
    }

    /// A send request as the application's `authorize` knows it; `None` if the answer is delayed.
    ///
    /// # Panics
    /// For other requests, besides violations.
    #[track_caller]
    pub fn post_as(
        &mut self,
        name: &str,
        request: http::request::Builder,
        who: Option<Principal>,
        body: &str,
    ) -> Option<Response<Bytes>> {
        let (now, before) = (self.tell(), self.state());
        let route = self.service().route(request::head(request), &request::peer(), 0, now);
        let Route::Send(permit) = route else { panic!("no send request: {route:?}") };
        let mut delivered = false;
        let response = match self.endpoint.handle_send(permit, who, now) {
            Action::Respond(response) => Some(response),
            Action::Collect { session, reply, .. } => {
                let mut batch = Vec::new();
                match reply.read(body.as_bytes(), &mut batch) {
                    Ok(()) => {
                        delivered = true;
                        self.offer(Waiting { name: name.into(), session, batch, since: now, reply })
                    }
                    Err(error) => {
                        self.ensure(batch.is_empty(), 11, "a broken payload left messages");
                        Some(reply.broken(error))
                    }
                }
            }
            other => panic!("not for a send request: {other:?}"),
        };
        if let Some(response) = &response {
            let status = response.status().as_u16();
            self.ensure(!(delivered && status == 404), 11, "404 after the body was read");
            let unchanged =
                delivered || (self.state() == before && self.endpoint.poll_event().is_none());
            self.ensure(unchanged, 11, "a refused request changed something");
            self.note(Output::Answered { client: name.into(), status });
        }
        self.drain();
        response
    }

    /// What no refusal may change.
    fn state(&mut self) -> (usize, u64, u64, usize, Option<Timestamp>) {
        let stats = self.endpoint.counts();
        let counts = (stats.messages_in, stats.opened.total(), stats.queued_bytes);
        (self.endpoint.live(), counts.0, counts.1, counts.2, self.endpoint.poll_timeout())
    }

    #[track_caller]
    fn offer(&mut self, mut waiting: Waiting) -> Option<Response<Bytes>> {
        match self.deliver(waiting.session, &mut waiting.batch, Some(waiting.since)) {
            Ok(()) => Some(waiting.reply.accepted()),
            Err(Refused::Full) => {
                self.waiting.push(waiting);
                None
            }
            Err(refused) => Some(waiting.reply.refused(refused)),
        }
    }

    #[track_caller]
    fn deliver(
        &mut self,
        key: SessionKey,
        batch: &mut Vec<Message>,
        since: Option<Timestamp>,
    ) -> Result<(), Refused> {
        let (now, before) = (self.tell(), batch.clone());
        let dropped = self.endpoint.counts().dropped;
        let taken = match since {
            Some(since) => self.endpoint.handle_messages_since(key, batch, since, now),
            None => self.endpoint.handle_messages(key, batch, now),
        };
        if taken.is_ok() {
            self.ensure(batch.is_empty(), 11, "some of a batch were left");
            let stats = self.endpoint.counts();
            let dropped = stats.dropped - dropped;
            let received = self.model.received(key, before, dropped, stats.queued_bytes);
            self.verify(received);
        } else {
            self.ensure(*batch == before, 11, "some of a refused batch were taken");
            if taken == Err(Refused::Overdue) {
                self.model.closing(key, CloseReason::INTERRUPTED.code(), self.latest);
            }
        }
        taken
    }

    /// A message of a WebSocket client. Others have no such thing.
    #[track_caller]
    pub fn message(&mut self, name: &str, message: impl Into<Message>) {
        let Some(client) = self.clients.get(name) else { return };
        let (Some(key), transport) = (client.session, client.transport) else { return };
        if !transport.is_websocket() {
            return;
        }
        let (mut batch, message) = (Vec::new(), message.into());
        let limit = self.endpoint.service().settings().limits.payload_bytes();
        let read = match message.as_text() {
            Some(text) => payload::read_websocket_text(transport, text, limit, &mut batch),
            None => payload::read_websocket_binary(transport, message.as_bytes(), &mut batch),
        };
        match read {
            Ok(()) => self.read(name, key, batch),
            Err(reason) => self.gone(name, Gone::Violation(reason)),
        }
        self.drain();
    }

    #[track_caller]
    fn read(&mut self, name: &str, key: SessionKey, batch: Vec<Message>) {
        let (_, mut all) = self.unread.remove(&key).unwrap_or_default();
        all.extend(batch);
        if self.deliver(key, &mut all, None) == Err(Refused::Full) {
            self.unread.insert(key, (name.into(), all));
        }
    }

    /// The client answers a ping.
    #[track_caller]
    pub fn pong(&mut self, name: &str) {
        if let Some(key) = self.clients.get(name).and_then(|client| client.session) {
            let now = self.tell();
            self.endpoint.handle_pong(key, now);
            self.model.ponged(key);
            self.drain();
        }
    }

    /// The client's connection ends.
    #[track_caller]
    pub fn gone(&mut self, name: &str, why: Gone) {
        let Some(mut client) = self.clients.remove(name) else { return };
        let now = self.tell();
        if let Some(receiver) = client.receiver.take() {
            self.model.detached(name, client.session, self.latest);
            self.endpoint.handle_gone(receiver, why, now);
        }
        self.drain();
    }

    /// The client's connection breaks.
    #[track_caller]
    pub fn disconnect(&mut self, name: &str) {
        self.gone(name, Gone::Disconnected);
    }

    /// The first chunk that was handed to the client and not yet written is written. Says whether
    /// there was one.
    #[track_caller]
    pub fn written(&mut self, name: &str) -> bool {
        let Some(client) = self.clients.get_mut(name) else { return false };
        let chunk = client.chunks.pop_front();
        if client.receiver.is_none() && client.chunks.is_empty() {
            self.clients.remove(name);
        }
        if let Some(chunk) = chunk {
            let now = self.tell();
            self.model.written(chunk, self.latest);
            self.endpoint.handle_written(chunk, now);
            self.drain();
        }
        chunk.is_some()
    }

    /// All that was handed to the client is written.
    #[track_caller]
    pub fn all_written(&mut self, name: &str) {
        while self.written(name) {}
    }

    /// What was handed to the client and not yet written is lost: all of it, or certainly only the
    /// last of it, as a driver knows that flushes several chunks at once.
    #[track_caller]
    pub fn lost(&mut self, name: &str, all: bool) {
        let chunks = self.clients.get_mut(name).map(|client| std::mem::take(&mut client.chunks));
        let chunks = chunks.unwrap_or_default();
        let certain = if all { chunks.front() } else { chunks.back() };
        if let Some(chunk) = certain {
            let now = self.tell();
            self.model.lost(*chunk);
            self.endpoint.handle_lost(*chunk, now);
            self.drain();
        }
    }
}

/// The session's id in a path below `/echo`.
fn id_of(path: &str) -> Option<&str> {
    path.strip_prefix("/echo/")?.split('/').nth(1)
}
