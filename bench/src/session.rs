//! One client: its connections, requests and frames.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::Result;
use crate::dialect::{Dialect, Incoming};
use crate::http::{self, Decoder};
use crate::net::{Conn, Net};
use crate::text::Text;
use crate::websocket::{self, Opcode};

/// How a client is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Websocket,
    XhrStreaming,
    Xhr,
    /// A request whose answer is its own body.
    Post,
}

impl Transport {
    pub(crate) fn parse(name: &str) -> Result<Self> {
        match name {
            "websocket" => Ok(Self::Websocket),
            "xhr_streaming" => Ok(Self::XhrStreaming),
            "xhr" => Ok(Self::Xhr),
            "post" => Ok(Self::Post),
            _ => {
                let known = "websocket, xhr_streaming, xhr, post";
                Err(format!("no such transport: {name}; known: {known}").into())
            }
        }
    }
}

/// Where the server is and how to speak to it.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Host and port.
    pub(crate) host: String,
    /// Prefix of the service.
    pub(crate) path: String,
    pub(crate) dialect: Dialect,
    pub(crate) transport: Transport,
    /// Ask for more once a poll was answered.
    pub(crate) keeps_polling: bool,
}

/// A client's two connections, of which a WebSocket needs the first only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Receiver,
    Sender,
}

/// One client.
#[derive(Debug)]
pub(crate) struct Session {
    index: usize,
    /// What comes before the transport's name in paths.
    path: String,
    receiver: Link,
    sender: Link,
    /// The part of a response that was not read yet.
    body: Vec<u8>,
    /// Messages that wait for the last send request to end.
    pending: Vec<u8>,
}

#[derive(Debug, Default)]
struct Link {
    conn: Option<Conn>,
    decoder: Decoder,
    is_busy: bool,
    is_upgraded: bool,
}

impl Session {
    /// The client with this number.
    pub(crate) fn new(index: usize) -> Self {
        Self {
            index,
            path: String::new(),
            receiver: Link::default(),
            sender: Link::default(),
            body: Vec::new(),
            pending: Vec::new(),
        }
    }

    /// The number of the client whose connection this is.
    pub(crate) fn index_of(owner: usize) -> usize {
        owner / 2
    }

    /// Opens a session; a new one, if there was one before. Connections are used again.
    pub(crate) fn open(&mut self, net: &mut Net, target: &Target) -> Result<()> {
        self.path = match target.dialect {
            Dialect::SockJs => format!("{}/000/{:016x}", target.path, fresh()),
            Dialect::EngineIo => {
                let name =
                    if target.transport == Transport::Websocket { "websocket" } else { "polling" };
                format!("{}/?EIO=4&transport={name}", target.path)
            }
            Dialect::Plain => target.path.clone(),
        };
        match (target.transport, target.dialect) {
            (Transport::Websocket, dialect) => {
                let conn = net.connect(self.owner(Role::Receiver))?;
                self.receiver = Link { conn: Some(conn), ..Link::default() };
                let name = if dialect == Dialect::SockJs { "/websocket" } else { "" };
                websocket::handshake(
                    &target.host,
                    &format!("{}{name}", self.path),
                    net.output(conn),
                );
                Ok(())
            }
            (Transport::Post, _) => self.post(net, target, ""),
            _ => self.receive(net, target),
        }
    }

    /// Sends a message, or puts it to those that go when the last send request has ended.
    pub(crate) fn send(
        &mut self,
        net: &mut Net,
        target: &Target,
        text: &Text,
        stamp: u64,
    ) -> Result<()> {
        target.dialect.append(text, stamp, &mut self.pending);
        match (target.transport, self.receiver.conn) {
            (Transport::Websocket, Some(conn)) => {
                self.pending.extend_from_slice(target.dialect.end());
                websocket::frame(Opcode::TEXT, &self.pending, net.output(conn));
                self.pending.clear();
                Ok(())
            }
            (Transport::Websocket, None) => Err("the session has no connection".into()),
            _ if self.sender.is_busy => Ok(()),
            _ => self.send_pending(net, target),
        }
    }

    /// Sends a request without messages: the session is in use.
    pub(crate) fn confirm(&mut self, net: &mut Net, target: &Target) -> Result<()> {
        self.pending.extend_from_slice(b"[");
        self.send_pending(net, target)
    }

    /// Answers a ping that came with a poll.
    fn pong(&mut self, net: &mut Net, target: &Target) -> Result<()> {
        target.dialect.append_pong(&mut self.pending);
        if self.sender.is_busy { Ok(()) } else { self.send_pending(net, target) }
    }

    /// Starts the closing handshake of a WebSocket.
    pub(crate) fn close(&mut self, net: &mut Net) {
        if let Some(conn) = self.receiver.conn {
            websocket::frame(Opcode::CLOSE, &1000_u16.to_be_bytes(), net.output(conn));
        }
    }

    /// Takes bytes of one of the client's connections, and says what they mean.
    pub(crate) fn received(
        &mut self,
        net: &mut Net,
        target: &Target,
        owner: usize,
        bytes: &[u8],
        mut sink: impl FnMut(Incoming<'_>) -> Result<()>,
    ) -> Result<usize> {
        match (target.transport, owner % 2) {
            (Transport::Websocket, _) => self.read_websocket(net, target, bytes, &mut sink),
            (_, 0) => self.read_receiver(net, target, bytes, &mut sink),
            _ => self.read_sender(net, target, bytes, &mut sink),
        }
    }

    /// One of the client's connections has ended. An idle one is opened again when needed.
    pub(crate) fn ended(&mut self, target: &Target, owner: usize) -> Result<()> {
        let link = if owner.is_multiple_of(2) { &mut self.receiver } else { &mut self.sender };
        let was_busy = link.is_busy;
        *link = Link::default();
        match was_busy || target.transport == Transport::Websocket {
            true => Err("the server ended a connection that was in use".into()),
            false => Ok(()),
        }
    }

    fn read_websocket(
        &mut self,
        net: &mut Net,
        target: &Target,
        bytes: &[u8],
        sink: &mut impl FnMut(Incoming<'_>) -> Result<()>,
    ) -> Result<usize> {
        let mut at = 0;
        if !self.receiver.is_upgraded {
            let Some(length) = websocket::read_handshake(bytes)? else { return Ok(0) };
            at = length;
            self.receiver.is_upgraded = true;
            if target.dialect == Dialect::Plain {
                sink(Incoming::Opened)?;
            }
        }
        while let Some((opcode, payload, length)) = websocket::read_frame(&bytes[at..])? {
            at += length;
            let mut answer = |opcode, payload: &[u8]| {
                if let Some(conn) = self.receiver.conn {
                    websocket::frame(opcode, payload, net.output(conn));
                }
            };
            match opcode {
                Opcode::TEXT => match target.dialect.read(payload)? {
                    Incoming::Ping => answer(Opcode::TEXT, b"3"),
                    incoming => sink(incoming)?,
                },
                Opcode::PING => answer(Opcode::PONG, payload),
                Opcode::CLOSE => sink(Incoming::Closed)?,
                other => return Err(format!("a frame of type {other:?}").into()),
            }
        }
        Ok(at)
    }

    fn read_receiver(
        &mut self,
        net: &mut Net,
        target: &Target,
        bytes: &[u8],
        sink: &mut impl FnMut(Incoming<'_>) -> Result<()>,
    ) -> Result<usize> {
        let (taken, has_ended) = self.receiver.decoder.decode(bytes, &mut self.body)?;
        let complete = match target.transport {
            _ if has_ended => self.body.len(),
            Transport::XhrStreaming => memchr::memrchr(b'\n', &self.body).map_or(0, |end| end + 1),
            _ => 0,
        };
        let mut is_over = false;
        let body = std::mem::take(&mut self.body);
        for frame in target.dialect.split(&body[..complete]) {
            let incoming = target.dialect.read(frame)?;
            is_over |= incoming == Incoming::Closed;
            match incoming {
                Incoming::Opened if target.dialect == Dialect::EngineIo => {
                    self.path = format!("{}&sid={}", self.path, session_of(frame)?);
                }
                Incoming::Ping => self.pong(net, target)?,
                _ => {}
            }
            sink(incoming)?;
        }
        self.body = body;
        self.body.drain(..complete);
        if has_ended {
            self.receiver.is_busy = false;
            if target.keeps_polling && !is_over {
                self.receive(net, target)?;
            }
        }
        Ok(taken)
    }

    fn read_sender(
        &mut self,
        net: &mut Net,
        target: &Target,
        bytes: &[u8],
        sink: &mut impl FnMut(Incoming<'_>) -> Result<()>,
    ) -> Result<usize> {
        let is_post = target.transport == Transport::Post;
        let mut answer = if is_post { std::mem::take(&mut self.body) } else { Vec::new() };
        let (taken, has_ended) = self.sender.decoder.decode(bytes, &mut answer)?;
        if has_ended {
            self.sender.is_busy = false;
            match (is_post, answer.is_empty()) {
                (true, true) => sink(Incoming::Opened)?,
                (true, false) => sink(Incoming::Messages(&answer))?,
                _ => sink(Incoming::Sent)?,
            }
            answer.clear();
            if !self.pending.is_empty() {
                self.send_pending(net, target)?;
            }
        }
        if is_post {
            self.body = answer;
        }
        Ok(taken)
    }

    /// Asks for frames.
    fn receive(&mut self, net: &mut Net, target: &Target) -> Result<()> {
        let conn = self.connection(net, Role::Receiver)?;
        self.receiver.is_busy = true;
        let out = net.output(conn);
        match (target.dialect, target.transport) {
            (Dialect::EngineIo, _) => http::request("GET", &target.host, &self.path, &[], out),
            (_, Transport::XhrStreaming) => {
                let path = format!("{}/xhr_streaming", self.path);
                http::request("POST", &target.host, &path, &[], out);
            }
            _ => http::request("POST", &target.host, &format!("{}/xhr", self.path), &[], out),
        }
        Ok(())
    }

    fn send_pending(&mut self, net: &mut Net, target: &Target) -> Result<()> {
        let name = if target.dialect == Dialect::SockJs { "/xhr_send" } else { "" };
        self.post(net, target, name)
    }

    /// Posts the messages that wait.
    fn post(&mut self, net: &mut Net, target: &Target, name: &str) -> Result<()> {
        let conn = self.connection(net, Role::Sender)?;
        self.sender.is_busy = true;
        let body = [&self.pending[..], target.dialect.end()];
        let path = format!("{}{name}", self.path);
        http::request("POST", &target.host, &path, &body, net.output(conn));
        self.pending.clear();
        Ok(())
    }

    fn connection(&mut self, net: &mut Net, role: Role) -> Result<Conn> {
        let owner = self.owner(role);
        let link = match role {
            Role::Receiver => &mut self.receiver,
            Role::Sender => &mut self.sender,
        };
        match link.conn {
            Some(conn) => Ok(conn),
            None => Ok(*link.conn.insert(net.connect(owner)?)),
        }
    }

    fn owner(&self, role: Role) -> usize {
        self.index * 2 + usize::from(role == Role::Sender)
    }
}

/// A session id that no run before has used.
fn fresh() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let count = NEXT.fetch_add(1, Ordering::Relaxed);
    if count == 0 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        NEXT.store(since.as_nanos() as u64, Ordering::Relaxed);
        return fresh();
    }
    count
}

/// The session id that an engine.io server has chosen.
fn session_of(packet: &[u8]) -> Result<String> {
    let opened: serde_json::Value = serde_json::from_slice(&packet[1..])?;
    Ok(opened["sid"].as_str().ok_or("an opening without an id")?.to_owned())
}
