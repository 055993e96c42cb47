//! Browsers, as sockjs-client has them behave: a clean end of a response asks for the next one, an
//! abort is the end of the session, one send request is under way at a time.

use super::network::Kind;
use super::*;
use crate::Transport;
use crate::testing::{Frame, request};

/// One browser; after a session it opens another one.
#[derive(Debug, Default)]
pub(super) struct Browser {
    /// Number of its session, for what concerns an earlier one.
    pub(super) generation: u32,
    pub(super) state: State,
    pub(super) id: u32,
    pub(super) transport: Option<Transport>,
    /// Its receiver or WebSocket.
    pub(super) receiver: Option<u32>,
    /// The send request under way.
    sending: Option<u32>,
    /// Messages sent so far, and those that wait.
    sent: u64,
    pub(super) unsent: u64,
    /// Its session has opened on the server.
    pub(super) had_session: bool,
    /// It answers no more pings.
    pub(super) is_deaf: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    #[default]
    Closed,
    Connecting,
    Open,
}

/// Some pages show their origin, others none.
pub(super) fn origin(browser: usize) -> Option<&'static str> {
    (browser % 2 == 1).then_some("http://page.example")
}

pub(super) fn path(id: u32, transport: Transport) -> String {
    match transport {
        Transport::RawWebsocket => "/websocket".to_owned(),
        _ => format!("/000/s{id}/{transport}"),
    }
}

impl Simulation {
    /// Opens a new session.
    pub(super) fn start(&mut self, browser: usize) {
        let transport = self.random.pick(&Transport::ALL);
        self.next_id += 1;
        let before = &self.browsers[browser];
        self.browsers[browser] = Browser {
            generation: before.generation + 1,
            state: State::Connecting,
            id: self.next_id,
            transport: Some(transport),
            ..Browser::default()
        };
        self.poll(browser);
        self.plan_live(browser);
    }

    pub(super) fn plan_live(&mut self, browser: usize) {
        let delay = millis(self.random.below(self.pace * 2_000));
        let generation = self.browsers[browser].generation;
        self.plan(delay, Act::Live { browser, generation });
    }

    /// Asks for frames.
    fn poll(&mut self, browser: usize) {
        let Some(transport) = self.browsers[browser].transport else { return };
        let connection = self.connect(browser, Kind::Receive(transport));
        self.browsers[browser].receiver = Some(connection);
        let path = path(self.browsers[browser].id, transport);
        let delay = self.latency();
        self.plan(delay, Act::Arrive { connection, path });
    }

    /// The browser that still cares for a connection.
    fn owner(&mut self, connection: u32) -> Option<usize> {
        let known = self.connections.get(&connection)?;
        let browser = &self.browsers[known.browser];
        let current = browser.generation == known.generation && browser.state != State::Closed;
        (current && browser.receiver == Some(connection)).then_some(known.browser)
    }

    /// A complete frame came.
    pub(super) fn framed(&mut self, connection: u32, frame: &Frame) {
        let Some(owner) = self.owner(connection) else { return };
        let browser = &mut self.browsers[owner];
        match frame {
            // The server lost the session and opened another one.
            Frame::Open if browser.state == State::Open => self.leave(owner),
            Frame::Open => {
                browser.state = State::Open;
                self.send(owner);
            }
            Frame::Messages(_) | Frame::Heartbeat => {}
            Frame::Ping if browser.is_deaf => {}
            Frame::Ping => {
                let delay = self.latency();
                self.plan(delay, Act::Pong { connection });
            }
            Frame::Close(..) | Frame::WebsocketClose(_) => self.leave(owner),
        }
        // There is no `o` on the raw path: the handshake opens it.
        if self.browsers[owner].transport == Some(Transport::RawWebsocket)
            && self.browsers[owner].state == State::Connecting
        {
            self.browsers[owner].state = State::Open;
        }
    }

    /// The response or WebSocket ended as it should.
    pub(super) fn ended(&mut self, connection: u32) {
        let Some(owner) = self.owner(connection) else { return };
        let browser = &mut self.browsers[owner];
        browser.receiver = None;
        let polls = browser.transport.is_some_and(|transport| !transport.is_websocket());
        if polls && browser.state == State::Open { self.poll(owner) } else { self.leave(owner) }
    }

    /// The connection was aborted: the client gives up.
    pub(super) fn lost_connection(&mut self, connection: u32) {
        if let Some(owner) = self.owner(connection) {
            self.leave(owner);
        }
    }

    /// Gives the session up, and opens another one some time.
    pub(super) fn leave(&mut self, owner: usize) {
        let browser = &mut self.browsers[owner];
        if browser.state == State::Closed {
            return;
        }
        browser.state = State::Closed;
        let connections = [browser.receiver.take(), browser.sending.take()];
        for connection in connections.into_iter().flatten() {
            self.break_off(connection);
        }
        if self.random.once_in(8) {
            self.come_back(owner);
        }
        let delay = millis(100 + self.random.below(20_000));
        self.plan(delay, Act::Start { browser: owner });
    }

    /// Sends what waits: all of it on a WebSocket, else in one request at a time.
    pub(super) fn send(&mut self, owner: usize) {
        let browser = &self.browsers[owner];
        let Some(transport) = browser.transport.filter(|_| browser.state == State::Open) else {
            return;
        };
        if browser.unsent == 0 || (!transport.is_websocket() && browser.sending.is_some()) {
            return;
        }
        let texts: Vec<String> = (browser.sent..).take(browser.unsent as usize).map(text).collect();
        let (id, receiver) = (browser.id, browser.receiver);
        let browser = &mut self.browsers[owner];
        browser.sent += std::mem::take(&mut browser.unsent);
        let body = serde_json::to_string(&texts).unwrap_or_default();
        if !transport.is_websocket() {
            let connection = self.connect(owner, Kind::Send);
            self.browsers[owner].sending = Some(connection);
            let by = if transport == Transport::Jsonp { "jsonp_send" } else { "xhr_send" };
            let (delay, path) = (self.latency(), format!("/000/s{id}/{by}"));
            self.plan(delay, Act::Post { connection, path, body });
            return;
        }
        let Some(number) = receiver else { return };
        let all = if transport == Transport::RawWebsocket { texts } else { vec![body] };
        for text in all {
            let latency = self.latency();
            let Some(connection) = self.connections.get_mut(&number) else { return };
            let at = connection.sends_at.max(self.now + latency);
            connection.sends_at = at;
            self.plan_at(at, Act::Message { connection: number, text });
        }
    }

    /// A send request reaches the server.
    pub(super) fn post(&mut self, connection: u32, path: &str, body: &str) {
        let Some(known) = self.connections.get(&connection) else { return };
        let mut request = request::post(path);
        if let Some(origin) = origin(known.browser) {
            request = request.header("Origin", origin);
        }
        self.sim.post_as(&name(connection), request, None, body);
    }

    /// A WebSocket message reaches the server.
    pub(super) fn message(&mut self, connection: u32, text: &str) {
        if self.connections.contains_key(&connection) {
            self.sim.message(&name(connection), text);
        }
    }

    /// A request was answered without a receiver: anything but success is the end for the client.
    pub(super) fn answered(&mut self, connection: u32, status: u16) {
        let Some(known) = self.connections.remove(&connection) else { return };
        let owner = known.browser;
        let browser = &mut self.browsers[owner];
        if browser.generation != known.generation || browser.state == State::Closed {
            return;
        }
        match known.kind {
            Kind::Send if browser.sending == Some(connection) => {
                browser.sending = None;
                if status < 300 { self.send(owner) } else { self.leave(owner) }
            }
            Kind::Receive(_) if browser.receiver == Some(connection) => {
                browser.receiver = None;
                self.leave(owner);
            }
            _ => {}
        }
    }
}
