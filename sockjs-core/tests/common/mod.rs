//! A simulation of one endpoint: virtual time, clients and an application, driven by the drain
//! contract, with the invariants of DESIGN §3 asserted after every step and a transcript of all
//! outputs with their times.
#![allow(dead_code, unreachable_pub)] // Each test binary uses its own part.

pub mod client;
pub mod model;
pub mod request;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Response;
use sockjs_core::wire::payload;
use sockjs_core::{
    Action, ChunkId, CloseReason, Endpoint, Event, FrameKind, Gone, Grade, Message, Principal,
    Quota, Receiver, Refused, Route, Seed, SendError, SendReply, Service, SessionKey, Settings,
    Timestamp, Transport,
};

use self::model::Model;

pub const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

pub fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Settings as the tests want them: any origin, else the defaults.
pub fn settings() -> Settings {
    let mut settings = Settings::new("/echo");
    settings.origins = sockjs_core::OriginPolicy::Any;
    settings
}

/// An endpoint, its clients and its application.
pub struct Sim {
    pub endpoint: Endpoint,
    pub model: Model,
    /// Whether a chunk is written in the moment in which it is handed.
    pub writes: bool,
    now: Timestamp,
    clients: BTreeMap<String, Client>,
    /// Send requests that wait for the application.
    waiting: Vec<(String, SessionKey, Vec<Message>, SendReply)>,
    /// Batches of WebSockets that wait for the application.
    unread: BTreeMap<SessionKey, Vec<Message>>,
    queue: VecDeque<String>,
    transcript: Vec<String>,
}

/// A response or WebSocket at a client.
pub struct Client {
    pub receiver: Option<Receiver>,
    pub session: Option<SessionKey>,
    pub transport: Transport,
    /// Handed to it, neither written nor lost.
    pub chunks: VecDeque<ChunkId>,
    prelude_due: bool,
    /// When something was last handed to it.
    active: Timestamp,
}

impl Sim {
    pub fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings();
        change(&mut settings);
        let quota = Quota::whole(&settings.limits);
        let service = Service::new(settings).unwrap();
        Self {
            endpoint: Endpoint::new(service.clone(), 0, quota, Seed::new(7)),
            model: Model::new(service.settings(), quota),
            writes: true,
            now: START,
            clients: BTreeMap::new(),
            waiting: Vec::new(),
            unread: BTreeMap::new(),
            queue: VecDeque::new(),
            transcript: Vec::new(),
        }
    }

    pub fn service(&self) -> Service {
        self.endpoint.service().clone()
    }

    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Lets time pass; every deadline on the way is met in its very moment.
    pub fn advance(&mut self, time: Duration) {
        let target = self.now + time;
        let mut turns = 0;
        while let Some(at) = self.endpoint.poll_timeout().filter(|at| *at <= target) {
            self.now = self.now.max(at);
            self.timeout();
            turns += 1;
            assert!(turns < 10_000, "deadlines do not move");
        }
        self.now = target;
    }

    /// Lets time pass without a word to the endpoint.
    pub fn sleep(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    pub fn timeout(&mut self) {
        self.endpoint.handle_timeout(self.now);
        self.drain();
        let next = self.endpoint.poll_timeout();
        assert!(next.is_none_or(|at| at > self.now), "invariant 8: {next:?} after {:?}", self.now);
        let heartbeat_delay = self.endpoint.service().settings().heartbeat_delay;
        let idle = self.clients.values().filter(|client| {
            let in_flight = client.session.is_none_or(|key| self.model.is_in_flight(key));
            client.receiver.is_some() && !in_flight
        });
        for client in idle {
            let gap = self.now.saturating_since(client.active);
            assert!(heartbeat_delay.is_none_or(|delay| gap < delay), "invariant 12: {gap:?}");
        }
    }

    /// A request as the client named so: a receive request or a WebSocket, by its path.
    pub fn receive(&mut self, name: &str, path: &str) -> Option<Response<Bytes>> {
        self.request(name, request::for_path(path), None)
    }

    /// Any request but a send request. Answers that are no receivers come back.
    pub fn request(
        &mut self,
        name: &str,
        request: http::request::Builder,
        who: Option<Principal>,
    ) -> Option<Response<Bytes>> {
        let action =
            match self.service().route(request::head(request), &request::peer(), 0, self.now) {
                Route::Respond(response) => Action::Respond(response),
                Route::Receive(permit) => self.endpoint.handle_receive(*permit, who, self.now),
                Route::Websocket(permit) => self.endpoint.handle_websocket(*permit, who, self.now),
                Route::Send(_) => panic!("use post"),
            };
        let response = self.act(name, action);
        self.drain();
        response
    }

    fn act(&mut self, name: &str, action: Action) -> Option<Response<Bytes>> {
        let (head, receiver) = match action {
            Action::Respond(response) => {
                self.log(name, response.status().as_str());
                return Some(response);
            }
            Action::Poll { head, receiver } => {
                assert!(receiver.transport().is_one_frame());
                (head, receiver)
            }
            Action::Stream { head, receiver } => {
                assert!(!receiver.transport().is_one_frame());
                (head, receiver)
            }
            Action::Upgrade { head, receiver } => {
                assert!(receiver.transport().is_websocket());
                (head, receiver)
            }
            Action::Collect { .. } => unreachable!("no send request"),
        };
        let transport = receiver.transport();
        request::check_head(&head, transport);
        let session = receiver.session();
        self.model.attached(name, session, transport);
        let client = Client {
            receiver: Some(receiver),
            session,
            transport,
            chunks: VecDeque::new(),
            prelude_due: client::prelude(transport).is_some(),
            active: self.now,
        };
        assert!(self.clients.insert(name.to_owned(), client).is_none(), "{name} is taken");
        self.queue.push_back(name.to_owned());
        None
    }

    /// A send request with its body.
    pub fn post(&mut self, name: &str, path: &str, body: &str) -> Option<Response<Bytes>> {
        self.post_as(name, request::post(path), None, body)
    }

    /// `None` if the answer is delayed.
    pub fn post_as(
        &mut self,
        name: &str,
        request: http::request::Builder,
        who: Option<Principal>,
        body: &str,
    ) -> Option<Response<Bytes>> {
        let route = self.service().route(request::head(request), &request::peer(), 0, self.now);
        let Route::Send(permit) = route else { panic!("no send request: {route:?}") };
        let action = self.endpoint.handle_send(*permit, who, self.now);
        let response = match action {
            Action::Respond(response) => Some(response),
            Action::Collect { session, reply, max_bytes } => {
                assert_eq!(max_bytes, self.service().settings().limits.message_bytes);
                let mut batch = Vec::new();
                match reply.read(body.as_bytes(), &mut batch) {
                    Ok(()) => {
                        let answer = self.offer(name, session, batch, reply);
                        let unknown = answer.as_ref().is_some_and(|answer| answer.status() == 404);
                        assert!(!unknown, "404 is known before the body is read");
                        answer
                    }
                    Err(error) => {
                        assert!(batch.is_empty(), "invariant 11");
                        Some(reply.broken(error))
                    }
                }
            }
            other => panic!("not for a send request: {other:?}"),
        };
        if let Some(response) = &response {
            self.log(name, response.status().as_str());
        }
        self.drain();
        response
    }

    fn offer(
        &mut self,
        name: &str,
        session: SessionKey,
        mut batch: Vec<Message>,
        reply: SendReply,
    ) -> Option<Response<Bytes>> {
        match self.deliver(session, &mut batch) {
            Ok(()) => Some(reply.accepted()),
            Err(Refused::Full) => {
                self.waiting.push((name.to_owned(), session, batch, reply));
                None
            }
            Err(refused) => Some(reply.refused(refused)),
        }
    }

    fn deliver(&mut self, key: SessionKey, batch: &mut Vec<Message>) -> Result<(), Refused> {
        let before = batch.clone();
        let dropped = self.endpoint.stats().dropped;
        let taken = self.endpoint.handle_messages(key, batch, self.now);
        if taken.is_ok() {
            assert!(batch.is_empty(), "all are taken");
            let dropped = self.endpoint.stats().dropped - dropped;
            self.model.received(key, before, dropped);
        } else {
            assert_eq!(*batch, before, "none is taken");
        }
        taken
    }

    /// A message of a WebSocket client.
    pub fn message(&mut self, name: &str, message: impl Into<Message>) {
        let Some(client) = self.clients.get(name) else { return };
        let (Some(key), transport) = (client.session, client.transport) else { return };
        let (mut batch, message) = (Vec::new(), message.into());
        let read = match message.as_text() {
            Some(text) => payload::read_websocket_text(transport, text, &mut batch),
            None => payload::read_websocket_binary(transport, message.as_bytes(), &mut batch),
        };
        match read {
            Ok(()) => self.read(key, batch),
            Err(reason) => self.gone(name, Gone::Violation(reason)),
        }
        self.drain();
    }

    fn read(&mut self, key: SessionKey, batch: Vec<Message>) {
        let mut all = self.unread.remove(&key).unwrap_or_default();
        all.extend(batch);
        if self.deliver(key, &mut all) == Err(Refused::Full) {
            self.unread.insert(key, all);
        }
    }

    /// The client answers a ping.
    pub fn pong(&mut self, name: &str) {
        let key = self.clients.get(name).and_then(|client| client.session);
        self.endpoint.handle_pong(key.expect("a session"), self.now);
        self.model.ponged(key.expect("a session"));
        self.drain();
    }

    /// The client's connection ends.
    pub fn gone(&mut self, name: &str, why: Gone) {
        let Some(mut client) = self.clients.remove(name) else { return };
        if let Some(receiver) = client.receiver.take() {
            self.model.gone(name, client.session, receiver.is_finished());
            self.endpoint.handle_gone(receiver, why, self.now);
        }
        self.drain();
    }

    pub fn disconnect(&mut self, name: &str) {
        self.gone(name, Gone::Disconnected);
    }

    /// The first chunk that was handed to the client and not yet written is written.
    pub fn written(&mut self, name: &str) -> bool {
        let chunk = self.clients.get_mut(name).and_then(|client| client.chunks.pop_front());
        if let Some(chunk) = chunk {
            self.model.written(chunk);
            self.endpoint.handle_written(chunk, self.now);
            self.drain();
        }
        chunk.is_some()
    }

    pub fn all_written(&mut self, name: &str) {
        while self.written(name) {}
    }

    /// What was handed to the client and not yet written is lost: all of it, or certainly only the
    /// last of it, as a driver knows that flushes several chunks at once.
    pub fn lost(&mut self, name: &str, all: bool) {
        let chunks = self.clients.get_mut(name).map(|client| std::mem::take(&mut client.chunks));
        let chunks = chunks.unwrap_or_default();
        let certain = if all { chunks.front() } else { chunks.back() };
        if let Some(chunk) = certain {
            self.endpoint.handle_lost(*chunk, self.now);
            self.drain();
        }
    }

    /// The application's calls have no time of their own, so the turn brings it.
    fn turn(&mut self) {
        self.endpoint.handle_timeout(self.now);
        self.drain();
    }

    /// The application sends. Sessions are numbered from 1, in the order of their opening.
    pub fn send(&mut self, session: usize, message: impl Into<Message>) -> Result<(), SendError> {
        self.turn();
        let (key, message) = (self.key(session), message.into());
        let sent = self.endpoint.send(key, message.clone());
        self.model.sent(key, &message, &sent);
        self.drain();
        sent
    }

    /// The application takes a message.
    pub fn recv(&mut self, session: usize) -> Option<Message> {
        self.turn();
        let key = self.key(session);
        let message = self.endpoint.recv(key);
        self.model.took(key, message.as_ref());
        self.drain();
        message
    }

    pub fn recv_text(&mut self, session: usize) -> Option<String> {
        self.recv(session).map(|message| message.into_text().expect("text"))
    }

    pub fn close(&mut self, session: usize, reason: CloseReason) {
        self.turn();
        self.endpoint.close(self.key(session), reason);
        self.drain();
    }

    pub fn panic(&mut self, session: usize) {
        self.endpoint.handle_panic(self.key(session), self.now);
        self.drain();
    }

    pub fn shutdown(&mut self) {
        self.turn();
        self.endpoint.shutdown(CloseReason::SERVER_GOING_AWAY);
        self.drain();
    }

    pub fn key(&self, session: usize) -> SessionKey {
        self.model.key(session).expect("an opened session")
    }

    /// Whether the client still waits for frames.
    pub fn waits(&self, name: &str) -> bool {
        self.clients.contains_key(name)
    }

    pub fn has_session(&self, name: &str) -> bool {
        self.clients.get(name).is_some_and(|client| client.session.is_some())
    }

    /// The client of a send request leaves before its answer.
    pub fn give_up(&mut self, name: &str) {
        self.waiting.retain(|(waiting, ..)| waiting != name);
    }

    /// Send requests that are not answered yet.
    pub fn unanswered(&self) -> usize {
        self.waiting.len()
    }

    pub fn clients(&self) -> Vec<String> {
        self.clients.keys().cloned().collect()
    }

    /// What happened since the last look, line by line.
    #[track_caller]
    pub fn expect(&mut self, lines: &[&str]) {
        assert_eq!(std::mem::take(&mut self.transcript), lines);
    }

    /// Forgets what happened since the last look.
    pub fn skip(&mut self) {
        self.transcript.clear();
    }

    pub fn take_transcript(&mut self) -> Vec<String> {
        std::mem::take(&mut self.transcript)
    }

    fn log(&mut self, who: &str, what: &str) {
        let passed = self.now.saturating_since(START);
        self.transcript.push(format!("+{:.3}s {who}: {what}", passed.as_secs_f64()));
    }

    /// The drain contract.
    pub fn drain(&mut self) {
        loop {
            if let Some(event) = self.endpoint.poll_event() {
                self.handle(event);
            } else if let Some(name) = self.queue.pop_front() {
                self.transmit(&name);
            } else {
                break;
            }
        }
        let stats = self.endpoint.stats();
        self.model.check(&stats, self.endpoint.live());
    }

    fn handle(&mut self, event: Event) {
        let number = |sim: &Self, key| format!("#{}", sim.model.number(key).unwrap_or_default());
        match event {
            Event::Opened(key, info) => {
                self.model.opened(key, &info);
                let line = format!("opened by {}", info.transport());
                self.log(&number(self, key), &line);
            }
            Event::Readable(key) => {
                self.model.told(key, "readable");
                self.log(&number(self, key), "readable");
            }
            Event::Writable(key) => {
                self.model.writable(key);
                self.log(&number(self, key), "writable");
            }
            Event::Transmit(key) => {
                let named = self.clients.iter().filter(|(_, client)| client.session == Some(key));
                self.queue.extend(named.map(|(name, _)| name.clone()));
            }
            Event::Resume(key) => self.resume(key),
            Event::Closed(key, report) => {
                self.model.closed(key, &report);
                let mut line = format!("closed {:?} {}", report.cause, report.reason);
                let uncertain = report.uncertain();
                for (name, count) in [
                    ("written", report.written),
                    ("confirmed", report.confirmed),
                    ("uncertain", uncertain),
                    ("unsent", report.unsent.len() as u64),
                    ("unread", report.unread.len() as u64),
                ] {
                    if count > 0 {
                        line += &format!(", {name} {count}");
                    }
                }
                assert_eq!(report.grade, Grade::Socket);
                self.log(&number(self, key), &line);
            }
        }
    }

    fn resume(&mut self, key: SessionKey) {
        if let Some(batch) = self.unread.remove(&key) {
            self.read(key, batch);
        }
        for (name, session, batch, reply) in std::mem::take(&mut self.waiting) {
            if session != key {
                self.waiting.push((name, session, batch, reply));
            } else if let Some(response) = self.offer(&name, session, batch, reply) {
                self.log(&name, response.status().as_str());
            }
        }
    }

    fn transmit(&mut self, name: &str) {
        let Some(client) = self.clients.get_mut(name) else { return };
        let Some(receiver) = &mut client.receiver else { return };
        let mut buf = BytesMut::new();
        let Some(transmit) = self.endpoint.poll_transmit(receiver, &mut buf) else {
            assert!(buf.is_empty());
            return;
        };
        assert_eq!(receiver.is_finished(), transmit.fin);
        let (session, transport) = (client.session, client.transport);
        let prelude = std::mem::take(&mut client.prelude_due);
        client.chunks.extend(transmit.chunk);
        client.active = self.now;
        let line = match &transmit.frame {
            _ if prelude => {
                assert_eq!(buf, client::prelude(transport).unwrap_or_default());
                "prelude".to_owned()
            }
            FrameKind::Ping => "ping".to_owned(),
            FrameKind::Close(reason) => {
                format!("close {} {}", reason.websocket_code(), reason.text())
            }
            FrameKind::Binary => format!("binary {}", buf.escape_ascii()),
            FrameKind::Text => buf.escape_ascii().to_string(),
        };
        let fin = if transmit.fin { " end" } else { "" };
        self.log(name, &format!("{line}{fin}"));
        if !prelude {
            self.model.handed(name, session, transport, &transmit, &buf);
        }
        if transmit.fin {
            self.model.finished(name, session);
            let client = self.clients.get_mut(name).expect("just seen");
            client.receiver = None;
            if client.chunks.is_empty() {
                self.clients.remove(name);
            }
        }
        self.queue.push_back(name.to_owned());
        if self.writes
            && let Some(chunk) = transmit.chunk
        {
            if let Some(client) = self.clients.get_mut(name) {
                client.chunks.clear();
                if client.receiver.is_none() {
                    self.clients.remove(name);
                }
            }
            self.model.written(chunk);
            self.endpoint.handle_written(chunk, self.now);
        }
    }
}
