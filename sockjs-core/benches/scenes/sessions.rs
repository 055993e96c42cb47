//! Sessions of an endpoint.

use std::time::Duration;

use bytes::BytesMut;
use sockjs_core::testing::request::{self, peer};
use sockjs_core::wire::payload;
use sockjs_core::{
    Action, Endpoint, Gone, Message, Quota, Receiver, Route, Seed, Service, SessionKey, Settings,
    Timestamp, Transport,
};

use super::Scene;

/// Between two runs, so that rates and deadlines move as they do in a server.
const STEP: Duration = Duration::from_micros(10);
const TEXT: &str = "what a client and a server say to each other, in sixty-four byte";

pub(super) fn all(many: usize) -> Vec<Scene> {
    vec![
        Scene::new("frame/websocket", || transmitting("/000/a/websocket")),
        Scene::new("frame/raw websocket", || transmitting("/websocket")),
        Scene::new("frame/xhr_streaming", || transmitting("/000/a/xhr_streaming")),
        Scene::new("frame/eventsource", || transmitting("/000/a/eventsource")),
        Scene::new("frame/htmlfile", || transmitting("/000/a/htmlfile")),
        Scene::new("round/xhr", || polling("/000/a/xhr")),
        Scene::new("round/jsonp", || polling("/000/a/jsonp")),
        Scene::new("echo/websocket", || echoing(1)),
        Scene::new("echo/16 over websocket", || echoing(16)).of(16),
        Scene::new("open and close/websocket", || churning("/000/a/websocket")),
        Scene::new("broadcast/1,000 websockets", || broadcasting(1_000)).of(1_000),
        Scene::new("broadcast/many websockets", move || broadcasting(many)).of(many as u64),
        Scene::new("tick/nothing due, many sessions", move || ticking(many)),
        Scene::new("expiry/many polling sessions", move || expiring(many)).of(many as u64).spent(),
    ]
}

/// A server in a single value, whose application is the scene.
struct Server {
    service: Service,
    endpoint: Endpoint,
    now: Timestamp,
    buffer: BytesMut,
}

impl Server {
    fn new(sessions: usize) -> Self {
        let mut settings = Settings::new("/echo");
        settings.limits.sessions = settings.limits.sessions.max(sessions);
        settings.limits.unconfirmed_sessions = sessions.max(1);
        // Scenes of one stream run without an end.
        settings.response_limit = usize::MAX;
        let service = Service::new(settings).unwrap();
        let quota = Quota::whole(&service.settings().limits);
        let endpoint = Endpoint::new(service.clone(), 0, quota, Seed::new(1));
        let now = Timestamp::from_micros(1_000_000_000);
        Self { service, endpoint, now, buffer: BytesMut::new() }
    }

    /// What a receive request or a handshake leads to.
    fn receive(&mut self, path: &str) -> Receiver {
        let head = request::head(request::for_path(path));
        let action = match self.service.route(head, &peer(), 0, self.now) {
            Route::Receive(permit) => self.endpoint.handle_receive(permit, None, self.now),
            Route::Websocket(permit) => self.endpoint.handle_websocket(permit, None, self.now),
            other => panic!("{path}: {other:?}"),
        };
        match action {
            Action::Poll { receiver, .. }
            | Action::Stream { receiver, .. }
            | Action::Upgrade { receiver, .. } => receiver,
            other => panic!("{path}: {other:?}"),
        }
    }

    /// A session that has said `o`.
    fn open(&mut self, path: &str) -> (SessionKey, Receiver) {
        let mut receiver = self.receive(path);
        let key = receiver.session().unwrap();
        self.transmit(&mut receiver);
        (key, receiver)
    }

    /// Hands frames out until there are none, and writes them.
    fn transmit(&mut self, receiver: &mut Receiver) {
        self.buffer.clear();
        let mut last = None;
        while let Some(transmit) = self.endpoint.poll_transmit(receiver, &mut self.buffer) {
            last = transmit.chunk.or(last);
        }
        if let Some(chunk) = last {
            self.endpoint.handle_written(chunk, self.now);
        }
        self.drain();
    }

    fn drain(&mut self) {
        while self.endpoint.poll_event().is_some() {}
    }

    fn step(&mut self) {
        self.now = self.now + STEP;
    }
}

/// One message to a receiver that stays.
fn transmitting(path: &'static str) -> impl FnMut() {
    let mut server = Server::new(1);
    let (key, mut receiver) = server.open(path);
    move || {
        server.step();
        server.endpoint.send(key, Message::text(TEXT)).unwrap();
        server.transmit(&mut receiver);
    }
}

/// One message, and a receive request that takes it.
fn polling(path: &'static str) -> impl FnMut() {
    let mut server = Server::new(1);
    let (key, _) = server.open(path);
    move || {
        server.step();
        let mut receiver = server.receive(path);
        server.endpoint.send(key, Message::text(TEXT)).unwrap();
        server.transmit(&mut receiver);
    }
}

/// Messages of a burst, back to where they came from.
fn echoing(count: usize) -> impl FnMut() {
    let mut server = Server::new(1);
    let (key, mut receiver) = server.open("/000/a/websocket");
    let text = format!("[\"{TEXT}\"]");
    let mut batch = Vec::new();
    move || {
        server.step();
        for _ in 0..count {
            payload::read_websocket_text(Transport::Websocket, &text, usize::MAX, &mut batch)
                .unwrap();
        }
        server.endpoint.handle_messages(key, &mut batch, server.now).unwrap();
        while let Some(message) = server.endpoint.recv(key) {
            server.endpoint.send(key, message.encode()).unwrap();
        }
        server.transmit(&mut receiver);
    }
}

fn churning(path: &'static str) -> impl FnMut() {
    let mut server = Server::new(1);
    move || {
        server.step();
        let (_, receiver) = server.open(path);
        server.endpoint.handle_gone(receiver, Gone::Disconnected, server.now);
        server.drain();
    }
}

/// One message to all.
fn broadcasting(count: usize) -> impl FnMut() {
    let mut server = Server::new(count);
    let mut members: Vec<_> = (0..count).map(|_| server.open("/000/a/websocket")).collect();
    move || {
        server.step();
        let message = Message::text(TEXT).encode();
        for (key, _) in &members {
            server.endpoint.send(*key, message.clone()).unwrap();
        }
        server.drain();
        for (_, receiver) in &mut members {
            server.transmit(receiver);
        }
    }
}

/// Polling sessions without a receiver.
fn detached(count: usize) -> Server {
    let mut server = Server::new(count);
    for index in 0..count {
        let (_, receiver) = server.open(&format!("/000/{index}/xhr"));
        assert!(receiver.is_finished());
    }
    server
}

fn ticking(count: usize) -> impl FnMut() {
    let mut server = detached(count);
    move || {
        // Time stands still: whatever comes, nothing is due.
        server.endpoint.handle_timeout(server.now);
        server.drain();
    }
}

fn expiring(count: usize) -> impl FnMut() {
    let mut server = detached(count);
    move || {
        while let Some(deadline) = server.endpoint.poll_timeout() {
            server.endpoint.handle_timeout(deadline);
            server.drain();
        }
        assert!(server.endpoint.is_empty());
    }
}
