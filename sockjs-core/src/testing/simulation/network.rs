//! Connections: what is handed waits for its flush, travels, and may be cut at any byte.

use bytes::Bytes;

use super::*;
use crate::testing::violation::Violation;
use crate::testing::{Frame, Reader, read, request};
use crate::{ChunkId, FrameKind, Gone, Transport};

/// One request and its response, or one WebSocket.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) browser: usize,
    /// Of the browser, when it connected.
    pub(super) generation: u32,
    pub(super) kind: Kind,
    /// The session that it was let to.
    pub(super) key: Option<SessionKey>,
    /// Handed, and not yet with the socket.
    pending: VecDeque<Piece>,
    pub(super) stalled_until: Timestamp,
    flush_planned: bool,
    /// Chunks that the socket took and of which the endpoint was not told.
    untold: u32,
    /// When the last piece on its way arrives.
    arrives_at: Timestamp,
    /// When the last message on its way to the server arrives.
    pub(super) sends_at: Timestamp,
    /// So many bytes still arrive, then it is cut.
    pub(super) left_bytes: Option<usize>,
    reader: Reader,
    /// Number of the next message that it brings.
    next: Option<u64>,
    /// The browser's end is gone, and the server has yet to learn it.
    is_broken: bool,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The browser's own receiver.
    Receive(Transport),
    /// A receiver that nobody should have sent.
    Stray(Transport),
    /// A send request.
    Send,
    /// A request whose answer does not matter.
    Probe,
}

/// What travels at once.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) chunk: Option<ChunkId>,
    pub(super) kind: FrameKind,
    pub(super) bytes: Bytes,
    pub(super) fin: bool,
}

impl Piece {
    pub(super) fn prelude(bytes: Bytes) -> Self {
        Self { chunk: None, kind: FrameKind::Text, bytes, fin: false }
    }
}

impl Simulation {
    pub(super) fn connect(&mut self, browser: usize, kind: Kind) -> u32 {
        let number = self.next_connection;
        self.next_connection += 1;
        let (Kind::Receive(transport) | Kind::Stray(transport)) = kind else {
            return self.insert(number, browser, kind, Transport::Xhr);
        };
        self.insert(number, browser, kind, transport)
    }

    fn insert(&mut self, number: u32, browser: usize, kind: Kind, transport: Transport) -> u32 {
        let connection = Connection {
            browser,
            generation: self.browsers[browser].generation,
            kind,
            key: None,
            pending: VecDeque::new(),
            stalled_until: self.now,
            flush_planned: false,
            untold: 0,
            arrives_at: self.now,
            sends_at: self.now,
            left_bytes: None,
            reader: Reader::new(transport),
            next: None,
            is_broken: false,
        };
        self.connections.insert(number, connection);
        number
    }

    /// A receive request or handshake reaches the server.
    pub(super) fn arrive(&mut self, number: u32, path: &str) {
        let Some(connection) = self.connections.get(&number) else { return };
        if connection.is_broken {
            self.connections.remove(&number);
            return;
        }
        let mut request = request::for_path(path);
        if let Some(origin) = browser::origin(connection.browser) {
            request = request.header("Origin", origin);
        }
        let name = name(number);
        self.sim.request(&name, request, None);
        let key = self.sim.session_of(&name);
        if let Some(connection) = self.connections.get_mut(&number) {
            connection.key = key;
            // It may take what the browser misses then.
            if let Kind::Stray(_) = connection.kind
                && let Some(app) = key.and_then(|key| self.apps.get_mut(&key))
            {
                app.is_mixed = true;
            }
        }
    }

    /// The server handed something to the connection.
    pub(super) fn handed(&mut self, number: u32, piece: Piece) {
        let soon = !self.random.once_in(8);
        let Some(connection) = self.connections.get_mut(&number) else { return };
        connection.pending.push_back(piece);
        if connection.flush_planned {
            return;
        }
        if soon && connection.stalled_until <= self.now {
            self.flush(number);
        } else {
            connection.flush_planned = true;
            let at = connection.stalled_until.max(self.now);
            let delay = millis(self.random.below(200));
            self.plan_at(at + delay, Act::Flush { connection: number });
        }
    }

    /// The socket takes what is pending, or a part of it.
    pub(super) fn flush(&mut self, number: u32) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        connection.flush_planned = false;
        if connection.stalled_until > self.now {
            connection.flush_planned = true;
            let at = connection.stalled_until;
            return self.plan_at(at, Act::Flush { connection: number });
        }
        loop {
            let part = self.random.once_in(16);
            let latency = self.latency();
            let Some(connection) = self.connections.get_mut(&number) else { return };
            let Some(piece) = connection.pending.pop_front() else {
                return self.tell_written(number);
            };
            let at = connection.arrives_at.max(self.now + latency);
            connection.arrives_at = at;
            let rest = part && !connection.pending.is_empty();
            connection.flush_planned = rest;
            let chunk = piece.chunk;
            self.plan_at(at, Act::Deliver { connection: number, piece });
            if rest {
                self.plan(millis(50), Act::Flush { connection: number });
            }
            if chunk.is_some() {
                self.took(number);
            }
            if rest {
                return;
            }
        }
    }

    /// The socket took a chunk; the endpoint is told, mostly at once.
    fn took(&mut self, number: u32) {
        let late = self.random.once_in(16);
        let Some(connection) = self.connections.get_mut(&number) else { return };
        connection.untold += 1;
        if !late {
            self.tell_written(number);
        } else if !std::mem::replace(&mut connection.flush_planned, true) {
            self.plan(millis(500), Act::Flush { connection: number });
        }
    }

    fn tell_written(&mut self, number: u32) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        for _ in 0..std::mem::take(&mut connection.untold) {
            self.sim.written(&name(number));
        }
    }

    /// Bytes reach the browser.
    pub(super) fn deliver(&mut self, number: u32, piece: Piece) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        if connection.is_broken {
            return;
        }
        let (Kind::Receive(transport) | Kind::Stray(transport)) = connection.kind else { return };
        let len = piece.bytes.len();
        let arriving = connection.left_bytes.map_or(len, |left| left.min(len));
        let cut = connection.left_bytes.is_some_and(|left| left < len.max(1));
        if let Some(left) = &mut connection.left_bytes {
            *left -= arriving;
        }
        let frames = if !transport.is_websocket() {
            let arriving = &piece.bytes[..arriving];
            let mut frames = connection.reader.feed(arriving);
            if piece.fin && !cut {
                frames = frames.and_then(|mut frames| {
                    frames.extend(connection.reader.finish()?);
                    Ok(frames)
                });
            }
            frames
        } else if cut {
            Ok(Vec::new())
        } else {
            read(transport, &piece.kind, &piece.bytes).map(|frame| vec![frame])
        };
        let frames = match frames {
            Ok(frames) => frames,
            Err(what) => self.sim.fail(&Violation::new(1, what)),
        };
        for frame in frames {
            if let Frame::Messages(messages) = &frame {
                self.outcome.messages += messages.len() as u64;
                for message in messages {
                    self.arrived(number, message.as_text().unwrap_or_default());
                }
            }
            self.framed(number, &frame);
        }
        if cut {
            self.break_off(number);
            self.lost_connection(number);
        } else if piece.fin {
            self.ended(number);
            self.connections.remove(&number);
        }
    }

    /// A message reached a browser.
    fn arrived(&mut self, number: u32, arrived: &str) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        let whole = counted(arrived);
        let Some(count) = whole.filter(|count| connection.next.is_none_or(|next| next == *count))
        else {
            let what = format!("c{number} got {arrived:?}, not number {:?}", connection.next);
            self.sim.fail(&Violation::new(1, what));
        };
        connection.next = Some(count + 1);
        if let Some(key) = connection.key {
            self.arrived_of(key, count);
        }
    }

    /// The browser's end is gone; the server will learn it.
    pub(super) fn break_off(&mut self, number: u32) {
        let delay = self.latency();
        if let Some(connection) = self.connections.get_mut(&number)
            && !std::mem::replace(&mut connection.is_broken, true)
        {
            if connection.kind == Kind::Send {
                self.sim.give_up(&name(number));
            }
            self.plan(delay, Act::Broken { connection: number });
        }
    }

    /// The server learns that the connection is broken, and what of it was never flushed.
    pub(super) fn broken(&mut self, number: u32) {
        let Some(connection) = self.connections.remove(&number) else { return };
        let name = name(number);
        let way = self.random.below(4);
        // What the socket took may arrive, told or not: only of the rest is it certain.
        let is_certain = connection.pending.iter().any(|piece| piece.chunk.is_some());
        if way > 0 && (is_certain || connection.untold == 0) {
            self.sim.lost(&name, way > 1 && connection.untold == 0);
        }
        let closes =
            matches!(connection.kind, Kind::Receive(transport) if transport.is_websocket());
        if closes && self.random.once_in(2) {
            self.sim.gone(&name, Gone::Closed(None));
        } else {
            self.sim.disconnect(&name);
        }
    }
}
