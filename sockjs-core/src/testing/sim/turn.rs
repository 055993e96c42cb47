//! The application's side of a simulation, its transcript, and the drain contract.

use super::*;
use crate::testing::Frame;
use crate::{Event, Grade};

/// The lines that a failure shows of a transcript, the last ones.
const SHOWN_LINES: usize = 60;

/// The lines of a transcript that nobody looks at.
const KEPT_LINES: usize = 100_000;

impl Sim {
    /// The application's calls have no time of their own, so the turn brings it.
    #[track_caller]
    fn turn(&mut self) {
        let now = self.tell();
        self.endpoint.handle_timeout(now);
        self.drain();
    }

    /// The application sends.
    ///
    /// # Errors
    /// As [`Endpoint::send`].
    #[track_caller]
    pub fn send(&mut self, session: usize, message: impl Into<Message>) -> Result<(), SendError> {
        self.turn();
        let (key, message) = (self.key(session), message.into());
        let sent = self.endpoint.send(key, message.clone());
        let queued_bytes = self.endpoint.counts().queued_bytes;
        let verdict = self.model.sent(key, &message, &sent, queued_bytes);
        self.verify(verdict);
        self.drain();
        sent
    }

    /// The application takes a message.
    #[track_caller]
    pub fn recv(&mut self, session: usize) -> Option<Message> {
        self.turn();
        let key = self.key(session);
        let message = self.endpoint.recv(key);
        let verdict = self.model.took(key, message.as_ref());
        self.verify(verdict);
        self.drain();
        message
    }

    /// The application takes messages, at most so many.
    #[track_caller]
    pub fn recv_many(&mut self, session: usize, most: usize) -> Vec<Message> {
        self.turn();
        let key = self.key(session);
        let (mut messages, mut count) = (Vec::new(), 0);
        let wants = |_: &Message| {
            count += 1;
            count <= most
        };
        let is_empty = self.endpoint.recv_while(key, wants, |message| messages.push(message));
        self.ensure(is_empty || messages.len() == most, 10, "it stopped too soon");
        for message in &messages {
            let verdict = self.model.took(key, Some(message));
            self.verify(verdict);
        }
        self.drain();
        messages
    }

    /// The application takes a message of text.
    ///
    /// # Panics
    /// If it is no text, besides violations.
    #[track_caller]
    pub fn recv_text(&mut self, session: usize) -> Option<String> {
        self.recv(session).map(|message| message.into_text().expect("text"))
    }

    /// The application closes.
    #[track_caller]
    pub fn close(&mut self, session: usize, reason: CloseReason) {
        self.turn();
        let key = self.key(session);
        self.model.closing(key, reason.code(), self.latest);
        self.endpoint.close(key, reason);
        self.drain();
    }

    /// The application's handler panics.
    #[track_caller]
    pub fn panic(&mut self, session: usize) {
        let (key, now) = (self.key(session), self.tell());
        self.model.closing(key, CloseReason::INTERNAL_ERROR.code(), self.latest);
        self.endpoint.handle_panic(key, now);
        self.drain();
    }

    /// The server shuts down.
    #[track_caller]
    pub fn shutdown(&mut self) {
        self.turn();
        for number in 1..=self.model.opened_count() {
            let code = CloseReason::SERVER_GOING_AWAY.code();
            self.model.closing(self.key(number), code, self.latest);
        }
        self.endpoint.shutdown(CloseReason::SERVER_GOING_AWAY);
        self.drain();
    }

    /// The key of a session.
    ///
    /// # Panics
    /// If no session of that number has opened.
    #[track_caller]
    pub fn key(&self, session: usize) -> SessionKey {
        self.model.key(session).expect("an opened session")
    }

    /// Whether the client still waits for frames, or for what was handed to be written.
    pub fn waits(&self, name: &str) -> bool {
        self.clients.contains_key(name)
    }

    /// Whether the client's receiver was let to a session.
    pub fn has_session(&self, name: &str) -> bool {
        self.clients.get(name).is_some_and(|client| client.session.is_some())
    }

    /// The session of a client's receiver.
    pub fn session_of(&self, name: &str) -> Option<SessionKey> {
        self.clients.get(name)?.session
    }

    /// Whether the endpoint has a session of that id that is open.
    pub(in crate::testing) fn knows(&self, id: &str) -> bool {
        self.model.is_open(id)
    }

    /// The client of a send request leaves before its answer.
    pub fn give_up(&mut self, name: &str) {
        for left in self.waiting.extract_if(.., |waiting| *waiting.name == *name) {
            self.model.gave_up(left.session);
        }
    }

    /// Send requests that are not answered yet.
    pub fn unanswered(&self) -> usize {
        self.waiting.len()
    }

    /// The names of all clients that still wait.
    pub fn clients(&self) -> Vec<String> {
        self.clients.keys().map(|name| name.to_string()).collect()
    }

    /// What happened since the last look, line by line.
    ///
    /// # Panics
    /// If it is something else.
    #[track_caller]
    pub fn expect(&mut self, lines: &[&str]) {
        assert_eq!(std::mem::take(&mut self.transcript), lines);
    }

    /// Forgets what happened since the last look.
    pub fn skip(&mut self) {
        self.transcript.clear();
    }

    /// What happened since the last look, line by line.
    pub fn take_transcript(&mut self) -> Vec<String> {
        std::mem::take(&mut self.transcript)
    }

    /// Whether a transcript is kept. Yes; long runs do without.
    pub fn keep_transcript(&mut self, keep: bool) {
        self.keeps_transcript = keep;
    }

    /// From now on outputs are also kept for [`take_output`](Self::take_output).
    pub fn keep_outputs(&mut self) {
        self.outputs = Some(VecDeque::new());
    }

    /// The next output, if they are kept.
    pub fn take_output(&mut self) -> Option<Output> {
        self.outputs.as_mut()?.pop_front()
    }

    /// From now on all that the endpoint is told is recorded; for new simulations.
    pub fn record(&mut self, redaction: Option<Seed>) {
        self.endpoint.record(0, redaction);
        self.trace = Some(trace::MAGIC.to_vec());
    }

    /// What was recorded, for [`trace::replay`].
    pub fn take_trace(&mut self) -> Vec<u8> {
        self.trace.take().unwrap_or_default()
    }

    /// Adds a line to the transcript.
    pub fn remark(&mut self, line: impl FnOnce() -> String) {
        if self.keeps_transcript {
            let line = self.stamped(&line());
            self.line(line);
        }
    }

    pub(super) fn note(&mut self, output: Output) {
        if self.keeps_transcript {
            let line = self.stamped(&output);
            self.line(line);
        }
        if let Some(outputs) = &mut self.outputs {
            outputs.push_back(output);
        }
    }

    /// Prints lines as they come, besides keeping the last ones.
    pub(in crate::testing) fn print_transcript(&mut self) {
        self.prints = true;
    }

    fn line(&mut self, line: String) {
        if self.prints {
            println!("{line}");
        }
        // Long runs keep only what a failure shows; scripted ones never come that far.
        if self.transcript.len() >= KEPT_LINES {
            self.transcript.drain(..KEPT_LINES / 2);
        }
        self.transcript.push(line);
    }

    fn stamped(&self, what: &dyn std::fmt::Display) -> String {
        let passed = self.now.saturating_since(START);
        format!("+{:.3}s {what}", passed.as_secs_f64())
    }

    /// Panics with a violation and the transcript.
    ///
    /// # Panics
    /// Always.
    #[track_caller]
    pub fn fail(&self, violation: &Violation) -> ! {
        let skipped = self.transcript.len().saturating_sub(SHOWN_LINES);
        let lines = self.transcript[skipped..].join("\n  ");
        panic!("{violation}\nat {}\ntranscript:\n  {lines}", self.stamped(&"now"))
    }

    /// Fails if there is a violation.
    #[track_caller]
    pub fn verify(&self, verdict: Verdict) {
        if let Err(violation) = verdict {
            self.fail(&violation);
        }
    }

    #[track_caller]
    pub(in crate::testing) fn ensure(&self, holds: bool, invariant: u8, what: &str) {
        if !holds {
            self.fail(&Violation::new(invariant, what));
        }
    }

    /// The drain contract.
    #[track_caller]
    pub fn drain(&mut self) {
        let mut turns = 0;
        loop {
            let has_events = self.endpoint.has_events();
            if let Some(event) = self.endpoint.poll_event() {
                self.ensure(has_events, 9, "an event that was denied");
                self.handle(event);
            } else if let Some(name) = self.queue.pop_front() {
                self.transmit(&name);
            } else {
                break;
            }
            turns += 1;
            self.ensure(turns < 100_000, 10, "a turn does not end");
        }
        if let Some(trace) = &mut self.trace {
            self.endpoint.take_trace(trace);
        }
        let stats = self.endpoint.counts();
        self.verify(self.model.check(stats, self.endpoint.live()));
    }

    #[track_caller]
    fn handle(&mut self, event: Event) {
        let number = |sim: &Self, key| sim.model.number(key).unwrap_or_default();
        match event {
            Event::Opened(key, info) => {
                let verdict = self.model.opened(key, &info);
                self.verify(verdict);
                let transport = info.transport();
                self.note(Output::Opened { session: number(self, key), key, transport });
            }
            Event::Readable(key) => {
                let verdict = self.model.told(key, "readable");
                self.verify(verdict);
                self.note(Output::Readable { session: number(self, key), key });
            }
            Event::Writable(key) => {
                let verdict = self.model.writable(key);
                self.verify(verdict);
                self.note(Output::Writable { session: number(self, key), key });
            }
            Event::Transmit(key) => {
                let named = self.clients.iter().filter(|(_, client)| client.session == Some(key));
                self.queue.extend(named.map(|(name, _)| name.clone()));
            }
            Event::Resume(key) => self.resume(key),
            Event::Closed(key, report) => {
                let verdict = self.model.closed(key, &report, self.latest);
                self.verify(verdict);
                self.ensure(report.grade == Grade::Socket, 2, "all receivers were sockets");
                let (session, report) = (number(self, key), Box::new(report));
                self.note(Output::Closed { session, key, report });
            }
        }
    }

    #[track_caller]
    fn resume(&mut self, key: SessionKey) {
        if let Some((name, batch)) = self.unread.remove(&key) {
            self.read(&name, key, batch);
        }
        for waiting in std::mem::take(&mut self.waiting) {
            let client = waiting.name.clone();
            if waiting.session != key {
                self.waiting.push(waiting);
            } else if let Some(response) = self.offer(waiting) {
                self.note(Output::Answered { client, status: response.status().as_u16() });
            }
        }
    }

    #[track_caller]
    fn transmit(&mut self, name: &Arc<str>) {
        let Some(client) = self.clients.get_mut(name) else { return };
        let Some(receiver) = &mut client.receiver else { return };
        let mut buf = BytesMut::new();
        let Some(transmit) = self.endpoint.poll_transmit(receiver, &mut buf) else {
            self.ensure(buf.is_empty(), 5, "bytes without a frame");
            return;
        };
        let finished = receiver.is_finished();
        if !transmit.more {
            let another = self.endpoint.poll_transmit(receiver, &mut buf);
            self.ensure(another.is_none(), 5, "a frame that was denied");
        }
        self.ensure(finished == transmit.fin, 5, "an end that is not told, or none");
        self.ensure(!(transmit.fin && transmit.more), 5, "more is to come after the end");
        if transmit.fin {
            let client = self.clients.get_mut(name);
            client.into_iter().for_each(|client| client.receiver = None);
        }
        let Some(client) = self.clients.get_mut(name) else { return };
        let (session, transport, refusal) = (client.session, client.transport, client.refusal);
        let prelude = std::mem::take(&mut client.prelude_due);
        client.chunks.extend(transmit.chunk);
        let bytes = buf.freeze();
        if prelude {
            let right = Some(&bytes[..]) == reading::prelude(transport).as_deref();
            self.ensure(right && !transmit.fin, 5, "no prelude");
            self.note(Output::Prelude { client: name.clone(), bytes });
        } else {
            let kind = transmit.frame.clone();
            let frame = Output::Frame {
                client: name.clone(),
                chunk: transmit.chunk,
                kind,
                bytes: bytes.clone(),
                fin: transmit.fin,
            };
            self.note(frame);
            let latest = self.latest;
            match self.model.handed(name, session, transport, &transmit, &bytes, latest) {
                Ok(Frame::Close(code, _)) => {
                    let right = refusal.is_none_or(|expected| expected == code);
                    self.ensure(right, 4, "a refused receiver got another code");
                }
                Ok(_) => {}
                Err(violation) => self.fail(&violation),
            }
        }
        if transmit.fin {
            self.model.detached(name, session, self.latest);
        }
        self.queue.push_back(name.clone());
        let written = transmit.chunk.filter(|_| self.writes);
        if let Some(client) = self.clients.get_mut(name) {
            if written.is_some() {
                client.chunks.clear();
            }
            if client.receiver.is_none() && client.chunks.is_empty() {
                self.clients.remove(name);
            }
        }
        if let Some(chunk) = written {
            let now = self.tell();
            self.model.written(chunk, self.latest);
            self.endpoint.handle_written(chunk, now);
        }
    }
}
