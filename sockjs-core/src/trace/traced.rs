//! An endpoint whose calls are recorded on request.

use std::ops::Deref;

use bytes::BytesMut;
use serde::{Deserialize, Serialize};

use super::check::{Checks, chunk, number};
use super::entry::{Entry, Input, Output, Request, Text, Why};
use super::redact::{self, Redaction};
use super::*;
use crate::binding::{self, Principal};
use crate::wire::callback::Callback;
use crate::{
    Action, BindingSetting, ChunkId, CloseReason, Event, Gone, Limits, Message, Quota,
    ReceivePermit, Receiver, Refused, Route, Seed, SendError, SendPermit, SessionKey, Settings,
    SlowConsumers, Stats, Timestamp, Transmit, WebsocketPermit, permit,
};

/// An endpoint, and the recording of its calls if there is one. Without one, a call costs a look
/// more than the endpoint's own.
///
/// It has the methods of [`Endpoint`], which say what they do; but
/// [`handle_frame`](Endpoint::handle_frame), for which messages, pongs and the end are told one by one.
#[derive(Debug)]
pub struct Traced {
    endpoint: Endpoint,
    recorder: Option<Box<Recorder>>,
}

/// What an endpoint's decisions depend on besides its inputs.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Setup {
    pub(super) shard: u16,
    pub(super) prefix: String,
    #[serde(default)]
    pub(super) is_nested: bool,
    pub(super) heartbeat_delay: Option<std::time::Duration>,
    pub(super) disconnect_delay: std::time::Duration,
    pub(super) response_limit: usize,
    pub(super) tombstones: Option<std::time::Duration>,
    /// Code and text of the close, if they are closed.
    pub(super) slow_consumers: Option<(u16, String)>,
    pub(super) binding: BindingSetting,
    pub(super) limits: Limits,
    pub(super) quota: Quota,
}

#[derive(Debug)]
struct Recorder {
    endpoint: u32,
    redaction: Option<Redaction>,
    checks: Checks,
    binding: BindingSetting,
    latest: Timestamp,
    /// The call that is made now: microseconds since the one before, and what it was told.
    call: Option<(u64, Input)>,
    deadline: Option<Timestamp>,
    bytes: Vec<u8>,
}

impl From<Endpoint> for Traced {
    fn from(endpoint: Endpoint) -> Self {
        Self { endpoint, recorder: None }
    }
}

/// What is read only. Calls that change the endpoint go through the recording.
impl Deref for Traced {
    type Target = Endpoint;

    fn deref(&self) -> &Endpoint {
        &self.endpoint
    }
}

impl Traced {
    /// Records from now on. The endpoint must be new: sessions that it has already are not in the
    /// trace. `number` tells it from the other endpoints whose entries go to the same place.
    ///
    /// With a seed, which must be unpredictable, the trace is redacted: text is replaced by text of
    /// the same length and the same escapes; session ids, origins, principals and addresses by
    /// others, equal ones by equal ones; bytes by zeros; of headers and queries only what the
    /// protocol looks at is kept. A replay then compares frames by their lengths and escapes, and
    /// heads by their status.
    pub fn record(&mut self, number: u32, redaction: Option<Seed>) {
        let service = self.endpoint.service().clone();
        let settings = service.settings();
        let mut binding = settings.binding;
        if redaction.is_some() && binding.address_prefix.is_some() {
            // Networks are replaced by whole addresses.
            binding.address_prefix = Some((32, 128));
        }
        let setup = Setup::new(settings, binding, self.endpoint.quota(), self.endpoint.shard());
        let setup = serde_json::to_string(&setup).unwrap_or_default();
        let mut recorder = Recorder {
            endpoint: number,
            redaction: redaction.map(Redaction),
            checks: Checks { redacted: redaction.is_some() },
            binding: settings.binding,
            latest: Timestamp::EPOCH,
            call: None,
            deadline: None,
            bytes: Vec::new(),
        };
        let begin = Entry::Begin { endpoint: number, redacted: redaction.is_some(), setup };
        begin.write(&mut recorder.bytes);
        self.recorder = Some(Box::new(recorder));
    }

    /// Moves what was recorded since the last time to the end of `out`, and has the trace say when
    /// the next deadline is.
    pub fn take_trace(&mut self, out: &mut Vec<u8>) {
        let deadline = self.endpoint.poll_timeout();
        let Some(recorder) = &mut self.recorder else { return };
        if deadline != recorder.deadline {
            recorder.deadline = deadline;
            recorder.call(None, Input::PollTimeout);
            recorder.returned(Output::Deadline(deadline.map(Timestamp::as_micros)));
        }
        out.append(&mut recorder.bytes);
    }

    /// Notes a call before it is made.
    fn call(&mut self, now: Option<Timestamp>, input: impl FnOnce(&Recorder) -> Input) {
        if let Some(recorder) = &mut self.recorder {
            let input = input(recorder);
            recorder.call(now, input);
        }
    }

    /// Notes what came of it.
    fn returned(&mut self, output: impl FnOnce(Checks) -> Output) {
        if let Some(recorder) = &mut self.recorder {
            let output = output(recorder.checks);
            recorder.returned(output);
        }
    }

    /// A call that returns nothing.
    fn tell(
        &mut self,
        now: Option<Timestamp>,
        input: impl FnOnce(&Recorder) -> Input,
        call: impl FnOnce(&mut Endpoint),
    ) {
        self.call(now, input);
        call(&mut self.endpoint);
        self.returned(|_| Output::Nothing);
    }
}

/// As [`Endpoint`]'s.
#[allow(missing_docs, clippy::missing_errors_doc)]
impl Traced {
    pub fn handle_route(&mut self, route: Route, who: Option<Principal>, now: Timestamp) -> Action {
        match route {
            Route::Respond(response) => Action::Respond(*response),
            Route::Receive(permit) => self.handle_receive(permit, who, now),
            Route::Send(permit) => self.handle_send(permit, who, now),
            Route::Websocket(permit) => self.handle_websocket(permit, who, now),
        }
    }

    pub fn handle_receive(
        &mut self,
        permit: Box<ReceivePermit>,
        who: Option<Principal>,
        now: Timestamp,
    ) -> Action {
        self.call(Some(now), |recorder| {
            let callback = permit.callback.as_ref();
            let request = recorder.request(&permit.request, callback, who.as_ref());
            Input::Receive(Request { grade: permit.grade, ..request })
        });
        let action = self.endpoint.handle_receive(permit, who, now);
        self.returned(|checks| checks.action(&action));
        action
    }

    pub fn handle_send(
        &mut self,
        permit: Box<SendPermit>,
        who: Option<Principal>,
        now: Timestamp,
    ) -> Action {
        self.call(Some(now), |recorder| {
            Input::Send(recorder.request(&permit.request, None, who.as_ref()))
        });
        let action = self.endpoint.handle_send(permit, who, now);
        self.returned(|checks| checks.action(&action));
        action
    }

    pub fn handle_websocket(
        &mut self,
        permit: Box<WebsocketPermit>,
        who: Option<Principal>,
        now: Timestamp,
    ) -> Action {
        self.call(Some(now), |recorder| {
            Input::Websocket(recorder.request(&permit.request, None, who.as_ref()))
        });
        let action = self.endpoint.handle_websocket(permit, who, now);
        self.returned(|checks| checks.action(&action));
        action
    }

    pub fn handle_messages(
        &mut self,
        key: SessionKey,
        batch: &mut Vec<Message>,
        now: Timestamp,
    ) -> Result<(), Refused> {
        self.handle_messages_since(key, batch, now, now)
    }

    pub fn handle_messages_since(
        &mut self,
        key: SessionKey,
        batch: &mut Vec<Message>,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<(), Refused> {
        self.call(Some(now), |recorder| Input::Messages {
            session: number(key),
            batch: recorder.texts(batch),
            waited: recorder.latest.max(now).as_micros().saturating_sub(since.as_micros()),
        });
        let taken = self.endpoint.handle_messages_since(key, batch, since, now);
        self.returned(|_| Output::Delivered(taken));
        taken
    }

    pub fn handle_last_messages(
        &mut self,
        key: SessionKey,
        batch: &mut Vec<Message>,
        now: Timestamp,
    ) {
        self.call(Some(now), |recorder| Input::LastMessages {
            session: number(key),
            batch: recorder.texts(batch),
        });
        self.endpoint.handle_last_messages(key, batch, now);
        self.returned(|_| Output::Nothing);
    }

    pub fn handle_written(&mut self, id: ChunkId, now: Timestamp) {
        let input = |_: &Recorder| Input::Written(chunk(id));
        self.tell(Some(now), input, |endpoint| endpoint.handle_written(id, now));
    }

    pub fn handle_lost(&mut self, id: ChunkId, now: Timestamp) {
        let input = |_: &Recorder| Input::Lost(chunk(id));
        self.tell(Some(now), input, |endpoint| endpoint.handle_lost(id, now));
    }

    pub fn handle_gone(&mut self, receiver: Receiver, why: Gone, now: Timestamp) {
        self.call(Some(now), |recorder| Input::Gone {
            receiver: receiver.number(),
            why: recorder.why(&why),
        });
        self.endpoint.handle_gone(receiver, why, now);
        self.returned(|_| Output::Nothing);
    }

    pub fn handle_pong(&mut self, key: SessionKey, now: Timestamp) {
        let input = |_: &Recorder| Input::Pong { session: number(key) };
        self.tell(Some(now), input, |endpoint| endpoint.handle_pong(key, now));
    }

    pub fn handle_alive(&mut self, key: SessionKey, now: Timestamp) {
        let input = |_: &Recorder| Input::Alive { session: number(key) };
        self.tell(Some(now), input, |endpoint| endpoint.handle_alive(key, now));
    }

    pub fn handle_panic(&mut self, key: SessionKey, now: Timestamp) {
        let input = |_: &Recorder| Input::Panic { session: number(key) };
        self.tell(Some(now), input, |endpoint| endpoint.handle_panic(key, now));
    }

    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.tell(Some(now), |_| Input::Timeout, |endpoint| endpoint.handle_timeout(now));
    }

    pub fn send(&mut self, key: SessionKey, message: Message) -> Result<(), SendError> {
        self.call(None, |recorder| Input::AppSend {
            session: number(key),
            message: recorder.text(&message),
        });
        let sent = self.endpoint.send(key, message);
        self.returned(|_| Checks::sent(&sent));
        sent
    }

    pub fn recv(&mut self, key: SessionKey) -> Option<Message> {
        self.call(None, |_| Input::AppRecv { session: number(key) });
        let message = self.endpoint.recv(key);
        self.returned(|checks| checks.received(message.as_ref()));
        message
    }

    /// Recorded as so many calls of [`recv`](Self::recv).
    pub fn recv_while(
        &mut self,
        key: SessionKey,
        mut wants: impl FnMut(&Message) -> bool,
        mut take: impl FnMut(Message),
    ) -> bool {
        if self.recorder.is_none() {
            return self.endpoint.recv_while(key, wants, take);
        }
        // A call that finds nothing is one too.
        while self.endpoint.peek(key).is_none_or(|next| wants(&next)) {
            match self.recv(key) {
                Some(message) => take(message),
                None => return true,
            }
        }
        false
    }

    pub fn peek(&mut self, key: SessionKey) -> Option<Message> {
        self.call(None, |_| Input::AppPeek { session: number(key) });
        let message = self.endpoint.peek(key);
        self.returned(|checks| checks.received(message.as_ref()));
        message
    }

    pub fn close(&mut self, key: SessionKey, reason: CloseReason) {
        self.call(None, |recorder| {
            let (code, text) = recorder.reason(&reason);
            Input::AppClose { session: number(key), code, text }
        });
        self.endpoint.close(key, reason);
        self.returned(|_| Output::Nothing);
    }

    pub fn shutdown(&mut self, reason: CloseReason) {
        self.call(None, |recorder| {
            let (code, text) = recorder.reason(&reason);
            Input::Shutdown { code, text }
        });
        self.endpoint.shutdown(reason);
        self.returned(|_| Output::Nothing);
    }

    pub fn cut_off(&mut self) {
        self.tell(None, |_| Input::CutOff, Endpoint::cut_off);
    }

    /// Not recorded: it changes nothing.
    #[inline]
    pub fn has_events(&self) -> bool {
        self.endpoint.has_events()
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.call(None, |_| Input::PollEvent);
        let event = self.endpoint.poll_event();
        self.returned(|checks| checks.event(event.as_ref()));
        event
    }

    pub fn poll_transmit(
        &mut self,
        receiver: &mut Receiver,
        buf: &mut BytesMut,
    ) -> Option<Transmit> {
        self.call(None, |_| Input::PollTransmit { receiver: receiver.number() });
        let start = buf.len();
        let transmit = self.endpoint.poll_transmit(receiver, buf);
        self.returned(|checks| {
            checks.transmit(transmit.as_ref(), buf.get(start..).unwrap_or_default())
        });
        transmit
    }

    /// Not recorded: it changes nothing.
    pub fn stats(&self) -> Stats {
        self.endpoint.stats()
    }

    /// Not recorded: it changes nothing.
    pub fn counts(&self) -> &Stats {
        self.endpoint.counts()
    }
}

impl Setup {
    fn new(settings: &Settings, binding: BindingSetting, quota: Quota, shard: u16) -> Self {
        Self {
            shard,
            prefix: settings.prefix.clone(),
            is_nested: settings.is_nested,
            heartbeat_delay: settings.heartbeat_delay,
            disconnect_delay: settings.disconnect_delay,
            response_limit: settings.response_limit,
            tombstones: settings.tombstones,
            slow_consumers: match &settings.slow_consumers {
                SlowConsumers::Close(reason) => Some((reason.code(), reason.text().to_owned())),
                SlowConsumers::Refuse => None,
            },
            binding,
            limits: settings.limits.clone(),
            quota,
        }
    }
}

impl Recorder {
    fn call(&mut self, now: Option<Timestamp>, input: Input) {
        let now = now.unwrap_or_default().max(self.latest);
        let after = now.as_micros() - self.latest.as_micros();
        self.latest = now;
        self.call = Some((after, input));
    }

    fn returned(&mut self, output: Output) {
        let Some((after, input)) = self.call.take() else { return };
        let step = Entry::Step { endpoint: self.endpoint, after, input, output };
        step.write(&mut self.bytes);
    }

    fn request(
        &self,
        request: &permit::Request,
        callback: Option<&Callback>,
        who: Option<&Principal>,
    ) -> Request {
        let head = &request.head;
        let method = head.method.to_string();
        let grade = crate::Grade::default();
        let Some(redaction) = self.redaction else {
            let target = head.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
            let headers = head.headers.iter();
            let headers = headers.map(|(k, v)| (k.to_string(), v.as_bytes().to_vec())).collect();
            let who = who.map(|who| who.name().to_owned());
            return Request { method, target, headers, client: request.client, grade, who };
        };
        let path = head.uri.path();
        let mut target = path.to_owned();
        if !request.id.is_empty() {
            target.replace_range(request.id.clone(), &redaction.name(request.id()));
        }
        if let Some(callback) = callback {
            target.push_str("?c=");
            target.extend(callback.as_bytes().iter().map(|_| 'x'));
        }
        let network = binding::network(request.client, self.binding);
        Request {
            method,
            target,
            headers: redaction.headers(&head.headers),
            client: network.map(|network| redaction.address(network)),
            grade,
            who: who.map(|who| redaction.name(who.name())),
        }
    }

    fn texts(&self, batch: &[Message]) -> Vec<Text> {
        batch.iter().map(|message| self.text(message)).collect()
    }

    fn text(&self, message: &Message) -> Text {
        match message.as_text() {
            None if self.redaction.is_some() => Text::Binary(vec![0; message.len()]),
            None => Text::Binary(message.as_bytes().to_vec()),
            Some(text) if message.is_encoded() => Text::Encoded(self.string(text)),
            Some(text) => Text::Plain(self.string(text)),
        }
    }

    fn reason(&self, reason: &CloseReason) -> (u16, String) {
        (reason.code(), self.string(reason.text()))
    }

    fn why(&self, why: &Gone) -> Why {
        match why {
            Gone::Disconnected => Why::Disconnected,
            Gone::Closed(reason) => Why::Closed(reason.as_ref().map(|reason| self.reason(reason))),
            Gone::Stalled => Why::Stalled,
            Gone::Violation(reason) => {
                let (code, text) = self.reason(reason);
                Why::Violation(code, text)
            }
        }
    }

    fn string(&self, text: &str) -> String {
        if self.redaction.is_some() { redact::text(text) } else { text.to_owned() }
    }
}
