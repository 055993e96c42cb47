//! Lists of operations: what property tests and fuzzers make up, and what a failing case is saved as.

use serde::{Deserialize, Serialize};

use super::sim::{millis, secs};
use super::violation::Violation;
use super::{Sim, request};
use crate::trace;
use crate::{CloseReason, Gone, Message, Transport};

/// What may happen to an endpoint. Numbers of clients and sessions wrap around what there is; where
/// there is none, nothing happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // The fields say what they are.
pub enum Op {
    /// A receive request for the session with that id, by a transport of [`Op::RECEIVING`].
    Receive { id: u8, transport: usize },
    /// A WebSocket.
    Websocket { raw: bool },
    /// A send request.
    Post { id: u8, jsonp: bool, texts: Vec<String> },
    /// A send request whose payload has a fault after its first message.
    Broken { id: u8 },
    /// A receive request from a page of one of two origins; others show none.
    Foreign { id: u8, other: bool },
    /// A WebSocket client sends text.
    Message { client: usize, text: String },
    /// A WebSocket client sends a byte.
    Binary { client: usize },
    /// A WebSocket client answers a ping.
    Pong { client: usize },
    /// The oldest frame handed to the client is written.
    Written { client: usize },
    /// What was handed to the client is lost, and then its connection.
    Lost { client: usize, all: bool },
    /// The client's connection ends.
    Gone { client: usize, closed: bool },
    /// The application sends text.
    Send { session: usize, text: String },
    /// The application takes a message.
    Recv { session: usize },
    /// The application takes messages, one and some more.
    RecvMany { session: usize, more: usize },
    /// The application closes.
    Close { session: usize },
    /// The application's handler panics.
    Panic { session: usize },
    /// Time passes; deadlines are met in their moment.
    Advance { millis: u64 },
    /// Time passes; deadlines are missed.
    Sleep { millis: u64 },
    /// A deadline is looked at, once more than needed.
    Timeout,
    /// The server shuts down.
    Shutdown,
}

/// The settings of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct World {
    /// Whether a chunk is written in the moment in which it is handed.
    pub writes: bool,
    /// Whether ended sessions are remembered for longer.
    pub tombstones: bool,
    /// The limit of all queues together.
    pub total_bytes: usize,
}

impl Op {
    /// The transports of receive requests.
    pub const RECEIVING: [Transport; 5] = [
        Transport::Xhr,
        Transport::XhrStreaming,
        Transport::EventSource,
        Transport::HtmlFile,
        Transport::Jsonp,
    ];
}

fn wrapped<T: Clone>(list: &[T], index: usize) -> Option<T> {
    list.get(index.checked_rem(list.len())?).cloned()
}

impl Sim {
    /// A simulation with limits so tight that random operations meet them.
    pub fn tight(world: World) -> Self {
        let mut sim = Self::new(|settings| {
            settings.response_limit = 300;
            settings.tombstones = world.tombstones.then_some(secs(20));
            settings.limits.outbox_bytes = 400;
            settings.limits.inbox_bytes = 150;
            settings.limits.message_bytes = 1000;
            settings.limits.total_bytes = world.total_bytes;
            settings.limits.window_bytes = 200;
            settings.limits.sessions = 5;
            settings.limits.unconfirmed_sessions = 2;
            settings.limits.tombstones = 3;
        });
        sim.writes = world.writes;
        sim
    }

    /// Does one operation; a new client gets the name `c` and `number`.
    ///
    /// # Panics
    /// If an invariant is broken.
    #[track_caller]
    pub fn apply(&mut self, number: usize, op: &Op) {
        let name = format!("c{number}");
        match op {
            Op::Receive { id, transport } => {
                if let Some(transport) = wrapped(&Op::RECEIVING, *transport) {
                    self.receive(&name, &format!("/000/s{id}/{transport}"));
                }
            }
            Op::Websocket { raw: true } => drop(self.receive(&name, "/websocket")),
            Op::Websocket { raw: false } => drop(self.receive(&name, "/000/s0/websocket")),
            Op::Post { id, jsonp, texts } => {
                let path = if *jsonp { "jsonp_send" } else { "xhr_send" };
                let body = serde_json::to_string(texts).expect("strings");
                self.post(&name, &format!("/000/s{id}/{path}"), &body);
            }
            Op::Broken { id } => {
                self.post(&name, &format!("/000/s{id}/xhr_send"), "[\"a\",1]");
            }
            Op::Foreign { id, other } => {
                let origin = if *other { "http://a.example" } else { "http://b.example" };
                let request = request::post(&format!("/000/s{id}/xhr"));
                self.request(&name, request.header("Origin", origin), None);
            }
            Op::Timeout => self.spurious_timeout(),
            Op::Advance { millis: time } => self.advance(millis(*time)),
            Op::Sleep { millis: time } => self.sleep(millis(*time)),
            Op::Shutdown => self.shutdown(),
            Op::Message { client, .. }
            | Op::Binary { client }
            | Op::Pong { client }
            | Op::Written { client }
            | Op::Lost { client, .. }
            | Op::Gone { client, .. } => {
                if let Some(name) = wrapped(&self.clients(), *client) {
                    self.apply_to_client(&name, op);
                }
            }
            Op::Send { session, .. }
            | Op::Recv { session }
            | Op::RecvMany { session, .. }
            | Op::Close { session }
            | Op::Panic { session } => {
                if let Some(at) = session.checked_rem(self.model.opened_count()) {
                    self.apply_to_session(at + 1, op);
                }
            }
        }
    }

    fn apply_to_client(&mut self, name: &str, op: &Op) {
        match op {
            Op::Message { text, .. } => {
                let json = serde_json::to_string(&[text]).expect("strings");
                self.message(name, json);
            }
            Op::Binary { .. } => self.message(name, Message::binary(vec![0])),
            Op::Pong { .. } => self.pong(name),
            Op::Written { .. } => drop(self.written(name)),
            Op::Lost { all, .. } => {
                self.lost(name, *all);
                self.disconnect(name);
            }
            Op::Gone { closed: true, .. } => self.gone(name, Gone::Closed(None)),
            _ => self.disconnect(name),
        }
    }

    fn apply_to_session(&mut self, number: usize, op: &Op) {
        match op {
            Op::Send { text, .. } => drop(self.send(number, text.as_str())),
            Op::Recv { .. } => drop(self.recv(number)),
            Op::RecvMany { more, .. } => drop(self.recv_many(number, more.saturating_add(1))),
            Op::Close { .. } => self.close(number, CloseReason::GO_AWAY),
            _ => self.panic(number),
        }
    }

    /// All clients leave: soon nothing may be left (invariant 6).
    ///
    /// # Panics
    /// If something is.
    #[track_caller]
    pub fn leave(&mut self) {
        for name in self.clients() {
            self.lost(&name, true);
            self.disconnect(&name);
        }
        let settings = self.service().settings().clone();
        let longest = settings.disconnect_delay + settings.limits.write_stall;
        self.advance(secs(60) + longest + settings.tombstones.unwrap_or_default());
        let left = self.endpoint.live();
        self.ensure(self.endpoint.is_empty() && left == 0, 6, "sessions are left");
        self.ensure(self.endpoint.poll_timeout().is_none(), 6, "a deadline is left");
        let queued = self.endpoint.stats().queued_bytes;
        self.ensure(queued == 0, 6, "messages are left");
        self.ensure(self.unanswered() == 0, 10, "a send request is not answered");
        for number in 1..=self.model.opened_count() {
            self.ensure(self.model.report(number).is_some(), 3, "a session never closed");
        }
    }
}

/// Does all operations in a world of its own, then lets all clients leave. Returns the transcript.
///
/// # Panics
/// If an invariant is broken, with the transcript so far.
pub fn run(world: World, ops: &[Op]) -> Vec<String> {
    run_in(&mut Sim::tight(world), ops)
}

fn run_in(sim: &mut Sim, ops: &[Op]) -> Vec<String> {
    for (number, op) in ops.iter().enumerate() {
        sim.remark(|| format!("{op:?}"));
        sim.apply(number, op);
    }
    sim.leave();
    sim.take_transcript()
}

/// Does all operations twice, and a third time from a trace of the second: the same must come out
/// (invariant 9).
///
/// # Errors
/// The first difference.
///
/// # Panics
/// If another invariant is broken.
pub fn run_twice(world: World, ops: &[Op]) -> Result<Vec<String>, Violation> {
    let mut recorded = Sim::tight(world);
    recorded.record(None);
    let (first, second) = (run(world, ops), run_in(&mut recorded, ops));
    let differs = first.iter().zip(&second).find(|(first, second)| first != second);
    match differs {
        Some((first, second)) => Err(Violation::new(9, format!("first: {first}\nthen: {second}"))),
        None if first.len() != second.len() => Err(Violation::new(9, "one is longer")),
        None => match trace::replay(&recorded.take_trace()) {
            Ok(_) => Ok(first),
            Err(error) => Err(Violation::new(9, error.to_string())),
        },
    }
}
