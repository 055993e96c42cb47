//! Making the calls of a trace again, on a new endpoint.

use std::collections::BTreeMap;
use std::fmt;

use bytes::BytesMut;
use http::{Method, Version, request};

use super::check::Checks;
use super::entry::{Chunk, Entry, Input, Output, Request, Text, Why, entries};
use super::traced::Setup;
use crate::{
    Action, ChunkId, CloseReason, ConnectProtocol, Endpoint, Gone, Message, OriginPolicy, Peer,
    Principal, Receiver, Route, Seed, Service, SessionKey, Settings, SettingsError, SlowConsumers,
    Timestamp,
};

/// A trace that came out as it was recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replayed {
    /// Calls that were made again.
    pub inputs: u64,
    /// Endpoints that were told so.
    pub endpoints: usize,
    /// Sessions that opened on them.
    pub sessions: u64,
}

/// Why a trace could not be replayed, or what came out differently.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// It does not begin as traces of this version do.
    #[error("not a trace, or one of another version: record it anew")]
    NotATrace,
    /// What stands there is no entry.
    #[error("the trace is damaged at byte {at}")]
    Broken {
        /// Where the entry begins.
        at: usize,
    },
    /// A step of an endpoint that did not begin, or settings that cannot be read.
    #[error("the beginning of endpoint {endpoint} is missing, or is none of this version")]
    NoBeginning {
        /// Its number.
        endpoint: u32,
    },
    /// The settings contradict themselves.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A call came out differently.
    #[error("{0}")]
    Difference(Box<Difference>),
}

/// The first call that came out differently.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The call's number in the trace, from 1.
    pub number: u64,
    /// The endpoint's number.
    pub endpoint: u32,
    /// The time of the call.
    pub at: Timestamp,
    /// What the endpoint was told.
    pub input: Input,
    /// What came of it then.
    pub recorded: Output,
    /// What came of it now.
    pub replayed: Output,
    /// The bytes that were transmitted now.
    pub bytes: Vec<u8>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.as_micros();
        writeln!(f, "input {} differs, of endpoint {} at {at} µs:", self.number, self.endpoint)?;
        writeln!(f, "  {:?}", self.input)?;
        writeln!(f, "recorded: {:?}", self.recorded)?;
        write!(f, "replayed: {:?}", self.replayed)?;
        if !self.bytes.is_empty() {
            write!(f, "\n  {}", self.bytes.escape_ascii())?;
        }
        Ok(())
    }
}

/// Makes the calls of a trace again and compares what comes of them.
///
/// # Errors
/// The first difference, or what is wrong with the trace.
pub fn replay(trace: &[u8]) -> Result<Replayed, ReplayError> {
    replay_with(trace, |_| ())
}

/// As [`replay`], with changed settings: the difference is what the change means. Only those
/// settings count by which an endpoint decides, not those of routing.
///
/// # Errors
/// As there.
pub fn replay_with(trace: &[u8], change: impl Fn(&mut Settings)) -> Result<Replayed, ReplayError> {
    let mut players: BTreeMap<u32, Player> = BTreeMap::new();
    let mut inputs = 0;
    for entry in entries(trace) {
        match entry? {
            Entry::Begin { endpoint, redacted, setup } => {
                let setup = serde_json::from_str(&setup);
                let setup = setup.map_err(|_| ReplayError::NoBeginning { endpoint })?;
                players.insert(endpoint, Player::new(setup, redacted, &change)?);
            }
            Entry::Step { endpoint, after, input, output } => {
                let player = players.get_mut(&endpoint);
                let player = player.ok_or(ReplayError::NoBeginning { endpoint })?;
                inputs += 1;
                let replayed = player.step(after, &input);
                if replayed != output {
                    return Err(ReplayError::Difference(Box::new(Difference {
                        number: inputs,
                        endpoint,
                        at: player.now,
                        input,
                        recorded: output,
                        replayed,
                        bytes: player.buf.to_vec(),
                    })));
                }
            }
        }
    }
    let sessions = players.values_mut().map(|player| player.endpoint.stats().opened.total()).sum();
    Ok(Replayed { inputs, endpoints: players.len(), sessions })
}

/// An endpoint that is told what another one was.
struct Player {
    endpoint: Endpoint,
    shard: u16,
    checks: Checks,
    /// Those that have not finished; the others transmit nothing, and may go unnoticed.
    receivers: BTreeMap<u64, Receiver>,
    now: Timestamp,
    /// What the last call transmitted.
    buf: BytesMut,
}

impl Player {
    fn new(
        setup: Setup,
        redacted: bool,
        change: impl Fn(&mut Settings),
    ) -> Result<Self, SettingsError> {
        let mut settings = Settings::new(setup.prefix);
        settings.is_nested = setup.is_nested;
        settings.heartbeat_delay = setup.heartbeat_delay;
        settings.disconnect_delay = setup.disconnect_delay;
        settings.response_limit = setup.response_limit;
        settings.tombstones = setup.tombstones;
        settings.slow_consumers = match setup.slow_consumers {
            Some((code, text)) => SlowConsumers::Close(CloseReason::new(code, text)),
            None => SlowConsumers::Refuse,
        };
        settings.binding = setup.binding;
        settings.limits = setup.limits;
        // Whoever is in the trace was let in.
        settings.origins = OriginPolicy::Any;
        change(&mut settings);
        let service = Service::new(settings)?;
        // The seed decides where ids are kept, and nothing that can be seen.
        let endpoint = Endpoint::new(service, setup.shard, setup.quota, Seed::new(0));
        Ok(Self {
            endpoint,
            shard: setup.shard,
            checks: Checks { redacted },
            receivers: BTreeMap::new(),
            now: Timestamp::EPOCH,
            buf: BytesMut::new(),
        })
    }

    fn step(&mut self, after: u64, input: &Input) -> Output {
        self.now = Timestamp::from_micros(self.now.as_micros().saturating_add(after));
        self.buf.clear();
        let now = self.now;
        match input {
            Input::Receive(request) | Input::Send(request) | Input::Websocket(request) => {
                return self.request(input, request);
            }
            Input::Messages { session, batch, waited } => {
                let (key, mut batch) = (self.key(*session), messages(batch));
                let since = Timestamp::from_micros(now.as_micros().saturating_sub(*waited));
                let taken = self.endpoint.handle_messages_since(key, &mut batch, since, now);
                return Output::Delivered(taken);
            }
            Input::LastMessages { session, batch } => {
                let (key, mut batch) = (self.key(*session), messages(batch));
                self.endpoint.handle_last_messages(key, &mut batch, now);
            }
            Input::Written(chunk) => self.endpoint.handle_written(self.chunk(*chunk), now),
            Input::Lost(chunk) => self.endpoint.handle_lost(self.chunk(*chunk), now),
            Input::Gone { receiver, why } => {
                if let Some(receiver) = self.receivers.remove(receiver) {
                    self.endpoint.handle_gone(receiver, gone(why), now);
                }
            }
            Input::Pong { session } => self.endpoint.handle_pong(self.key(*session), now),
            Input::Alive { session } => self.endpoint.handle_alive(self.key(*session), now),
            Input::Panic { session } => self.endpoint.handle_panic(self.key(*session), now),
            Input::Timeout => self.endpoint.handle_timeout(now),
            Input::AppSend { session, message } => {
                let key = self.key(*session);
                return Checks::sent(&self.endpoint.send(key, self::message(message)));
            }
            Input::AppRecv { session } => {
                let key = self.key(*session);
                return self.checks.received(self.endpoint.recv(key).as_ref());
            }
            Input::AppPeek { session } => {
                let key = self.key(*session);
                return self.checks.received(self.endpoint.peek(key).as_ref());
            }
            Input::AppClose { session, code, text } => {
                self.endpoint.close(self.key(*session), CloseReason::new(*code, text.clone()));
            }
            Input::Shutdown { code, text } => {
                self.endpoint.shutdown(CloseReason::new(*code, text.clone()));
            }
            Input::CutOff => self.endpoint.cut_off(),
            Input::PollEvent => return self.checks.event(self.endpoint.poll_event().as_ref()),
            Input::PollTransmit { receiver } => return self.transmit(*receiver),
            Input::PollTimeout => {
                let deadline = self.endpoint.poll_timeout();
                return Output::Deadline(deadline.map(Timestamp::as_micros));
            }
        }
        Output::Nothing
    }

    fn request(&mut self, input: &Input, request: &Request) -> Output {
        let Some(head) = head(request) else { return Output::Misrouted };
        let client = request.client.map(|client| (client, 0).into());
        let peer = Peer::new(client, request.grade);
        let who = request.who.as_deref().map(Principal::new);
        let (now, endpoint) = (self.now, &mut self.endpoint);
        let route = endpoint.service().route(head, &peer, 0, now);
        let action = match (input, route) {
            (Input::Receive(_), Route::Receive(permit)) => {
                endpoint.handle_receive(permit, who, now)
            }
            (Input::Send(_), Route::Send(permit)) => endpoint.handle_send(permit, who, now),
            (Input::Websocket(_), Route::Websocket(permit)) => {
                endpoint.handle_websocket(permit, who, now)
            }
            _ => return Output::Misrouted,
        };
        let output = self.checks.action(&action);
        if let Action::Poll { receiver, .. }
        | Action::Stream { receiver, .. }
        | Action::Upgrade { receiver, .. } = action
        {
            self.receivers.insert(receiver.number(), receiver);
        }
        output
    }

    fn transmit(&mut self, number: u64) -> Output {
        let Some(receiver) = self.receivers.get_mut(&number) else { return Output::Transmit(None) };
        let transmit = self.endpoint.poll_transmit(receiver, &mut self.buf);
        if transmit.as_ref().is_some_and(|transmit| transmit.fin) {
            self.receivers.remove(&number);
        }
        self.checks.transmit(transmit.as_ref(), &self.buf)
    }

    fn key(&self, number: u64) -> SessionKey {
        SessionKey { shard: self.shard, slot: slotmap::KeyData::from_ffi(number).into() }
    }

    fn chunk(&self, chunk: Chunk) -> ChunkId {
        ChunkId { session: self.key(chunk.session), seq: chunk.seq }
    }
}

fn head(request: &Request) -> Option<request::Parts> {
    let builder = http::Request::builder().method(&*request.method).uri(&*request.target);
    let headers = request.headers.iter();
    let builder = headers.fold(builder, |builder, (name, value)| builder.header(name, &**value));
    let mut head = builder.body(()).ok()?.into_parts().0;
    if head.method == Method::CONNECT {
        // Routing found no other in order.
        head.version = Version::HTTP_2;
        head.extensions.insert(ConnectProtocol("websocket".into()));
    }
    Some(head)
}

fn messages(batch: &[Text]) -> Vec<Message> {
    batch.iter().map(message).collect()
}

fn message(text: &Text) -> Message {
    match text {
        Text::Plain(text) => Message::text(text.clone()),
        Text::Encoded(text) => Message::text(text.clone()).encode(),
        Text::Binary(bytes) => Message::binary(bytes.clone()),
    }
}

fn gone(why: &Why) -> Gone {
    match why {
        Why::Disconnected => Gone::Disconnected,
        Why::Closed(reason) => {
            Gone::Closed(reason.as_ref().map(|(code, text)| CloseReason::new(*code, text.clone())))
        }
        Why::Stalled => Gone::Stalled,
        Why::Violation(code, text) => Gone::Violation(CloseReason::new(*code, text.clone())),
    }
}
