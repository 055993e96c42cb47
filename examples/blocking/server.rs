//! The event loop: everything between `std::net` and `sockjs-core`.
//!
//! A connection is two threads: one reads the socket, the other does all else, and sleeps where it
//! has nothing to do. Each service has one endpoint behind one lock, and one more thread for time.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread, ThreadId};
use std::time::{Duration, Instant, SystemTime};

use bytes::{Buf, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Version, request};
use httparse::Status;
use sockjs_core::wire::payload;
use sockjs_core::*;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};

const HEAD_BYTES: usize = 16 * 1024;
/// Of a body that nobody wants: so much is read, so that the connection can go on.
const DRAINED_BYTES: usize = 64 * 1024;
/// What a client may send ahead while its session's frames are carried.
const AHEAD_BYTES: usize = 16 * 1024;
/// Output that stops further transmitting until it is written.
const OUTPUT_BYTES: usize = 64 * 1024;
/// How long a write may make no progress, and how long the client may take to close its end.
const STALL: Duration = Duration::from_secs(10);
const LINGER: Duration = Duration::from_secs(2);

/// What the application keeps: its open sessions, and of each the message that found no room.
pub(crate) type Room = BTreeMap<SessionKey, Option<Message>>;

/// The application, called when a session has opened, has messages, or has room again.
pub(crate) type App = fn(&mut Endpoint, &mut Room, SessionKey);

/// A service, its sessions and its application.
pub(crate) struct Hub {
    service: Service,
    app: App,
    state: Mutex<State>,
}

/// What is behind the lock.
pub(crate) struct State {
    pub(crate) endpoint: Endpoint,
    pub(crate) room: Room,
    now: Timestamp,
    /// Threads that sleep until their session has something for them.
    waiting: HashMap<SessionKey, HashMap<ThreadId, Thread>>,
    timer: Option<Thread>,
}

impl Hub {
    pub(crate) fn start(settings: Settings, app: App) -> Result<Arc<Self>, SettingsError> {
        let service = Service::new(settings)?;
        let seed = std::array::from_fn(|_| getrandom::u32().unwrap_or_default() as u8);
        let quota = Quota::whole(&service.settings().limits);
        let state = State {
            endpoint: Endpoint::new(service.clone(), 0, quota, Seed::new(u128::from_ne_bytes(seed))),
            room: Room::new(),
            now: Timestamp::EPOCH,
            waiting: HashMap::new(),
            timer: None,
        };
        let hub = Arc::new(Self { service, app, state: Mutex::new(state) });
        let timed = hub.clone();
        thread::spawn(move || timed.keep_time());
        Ok(hub)
    }

    // ANCHOR: turn
    /// The drain contract, made code: whatever is done to the endpoint is done in a turn.
    pub(crate) fn turn<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let mut guard = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *guard;
        let before = state.endpoint.poll_timeout();
        state.now = now();
        state.endpoint.handle_timeout(state.now);
        let result = work(state);
        while let Some(event) = state.endpoint.poll_event() {
            match event {
                Event::Opened(key, _) => {
                    state.room.insert(key, None);
                    state.run(self.app, key);
                }
                Event::Readable(key) | Event::Writable(key) => state.run(self.app, key),
                Event::Transmit(key) | Event::Resume(key) => state.wake(key),
                Event::Closed(key, _) => drop(state.room.remove(&key)),
            }
        }
        if state.endpoint.poll_timeout() != before {
            state.timer.iter().for_each(Thread::unpark);
        }
        result
    }
    // ANCHOR_END: turn

    fn keep_time(&self) {
        loop {
            let due = self.turn(|state| {
                state.timer = Some(thread::current());
                state.endpoint.poll_timeout().map(|at| at.saturating_since(state.now))
            });
            thread::park_timeout(due.unwrap_or(Duration::MAX));
        }
    }
}

impl State {
    /// Runs the application. If it panics, that is the end of this session and of nothing else.
    fn run(&mut self, app: App, key: SessionKey) {
        let call = AssertUnwindSafe(|| app(&mut self.endpoint, &mut self.room, key));
        if catch_unwind(call).is_err() {
            self.endpoint.handle_panic(key, self.now);
        }
    }

    fn wait(&mut self, key: SessionKey) {
        let thread = thread::current();
        self.waiting.entry(key).or_default().insert(thread.id(), thread);
    }

    fn wake(&mut self, key: SessionKey) {
        self.waiting.remove(&key).into_iter().flatten().for_each(|(_, thread)| thread.unpark());
    }

    /// Passes on a client's messages; while the application lags, wakes this thread to try again.
    fn deliver(&mut self, key: SessionKey, batch: &mut Vec<Message>) -> Result<(), Refused> {
        let delivered = self.endpoint.handle_messages(key, batch, self.now);
        if delivered == Err(Refused::Full) {
            self.wait(key);
        }
        delivered
    }

    /// The receiver's next frame; if there is none, wakes this thread when there is.
    fn transmit(&mut self, receiver: &mut Receiver, frame: &mut BytesMut) -> Option<Transmit> {
        let transmit = self.endpoint.poll_transmit(receiver, frame);
        if let (None, Some(key)) = (&transmit, receiver.session()) {
            self.wait(key);
        }
        transmit
    }
}

fn now() -> Timestamp {
    let elapsed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::EPOCH + elapsed
}

/// What is served, and how patiently.
pub(crate) struct Server {
    pub(crate) hubs: Vec<Arc<Hub>>,
    pub(crate) head_timeout: Duration,
}

impl Server {
    pub(crate) fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for socket in listener.incoming().flatten() {
            let server = self.clone();
            // Where there is no room for another thread the connection is dropped.
            let _ = thread::Builder::new().spawn(move || server.serve(socket));
        }
    }

    fn serve(&self, socket: TcpStream) -> io::Result<()> {
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(STALL))?;
        let (mut reading, worker) = (socket.try_clone()?, thread::current());
        let (sender, arrived) = mpsc::sync_channel(1);
        thread::Builder::new().spawn(move || {
            let mut piece = [0; 16 * 1024];
            while let Ok(count @ 1..) = reading.read(&mut piece)
                && sender.send(piece[..count].to_vec()).is_ok()
            {
                worker.unpark();
            }
            drop(sender);
            worker.unpark();
        })?;
        let mut connection = Connection { socket, arrived, input: BytesMut::new() };
        while matches!(connection.exchange(self), Ok(true)) {}
        connection.socket.shutdown(Shutdown::Write)?;
        let deadline = Instant::now() + LINGER;
        while connection.more(deadline).is_ok() {
            connection.input.clear();
        }
        connection.socket.shutdown(Shutdown::Both)
    }

    /// Tells all sessions that the server ends, and gives them a moment to hear it.
    pub(crate) fn shut_down(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        for hub in &self.hubs {
            hub.turn(|state| state.endpoint.shutdown(CloseReason::SERVER_GOING_AWAY));
            while hub.turn(|state| state.endpoint.live()) > 0 && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

struct Connection {
    socket: TcpStream,
    arrived: mpsc::Receiver<Vec<u8>>,
    /// What has arrived and was not used yet.
    input: BytesMut,
}

impl Connection {
    /// Takes what has arrived, without waiting. Says whether the client is still there.
    fn take_in(&mut self) -> bool {
        while self.input.len() < AHEAD_BYTES {
            match self.arrived.try_recv() {
                Ok(piece) => self.input.extend_from_slice(&piece),
                Err(error) => return error == TryRecvError::Empty,
            }
        }
        true
    }

    /// Waits for more to arrive.
    fn more(&mut self, deadline: Instant) -> Result<(), BodyError> {
        match self.arrived.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(piece) => self.input.extend_from_slice(&piece),
            Err(RecvTimeoutError::Timeout) => return Err(BodyError::TimedOut),
            Err(RecvTimeoutError::Disconnected) => return Err(BodyError::Broken),
        }
        Ok(())
    }

    fn read_head(&mut self, deadline: Instant) -> Result<(request::Parts, Option<usize>), StatusCode> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut parsed = httparse::Request::new(&mut headers);
            match parsed.parse(&self.input) {
                Ok(Status::Complete(bytes)) if bytes <= HEAD_BYTES => {
                    let head = head_of(&parsed).ok_or(StatusCode::BAD_REQUEST)?;
                    let length = body_length(&head).ok_or(StatusCode::BAD_REQUEST)?;
                    self.input.advance(bytes);
                    return Ok((head, length));
                }
                Ok(Status::Partial) if self.input.len() <= HEAD_BYTES => {
                    self.more(deadline).map_err(|_| StatusCode::REQUEST_TIMEOUT)?;
                }
                Ok(_) | Err(httparse::Error::TooManyHeaders) => {
                    return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
                }
                Err(_) => return Err(StatusCode::BAD_REQUEST),
            }
        }
    }

    /// Reads a body of that length, or in chunks.
    fn read_body(
        &mut self,
        length: Option<usize>,
        max_bytes: usize,
        deadline: Instant,
    ) -> Result<BytesMut, BodyError> {
        if let Some(length) = length {
            return if length > max_bytes { Err(BodyError::TooLarge) } else { self.exactly(length, deadline) };
        }
        let mut body = BytesMut::new();
        loop {
            let size = match httparse::parse_chunk_size(&self.input) {
                Ok(Status::Complete((line, size))) => {
                    self.input.advance(line);
                    size as usize
                }
                Ok(Status::Partial) if self.input.len() < HEAD_BYTES => {
                    self.more(deadline)?;
                    continue;
                }
                _ => return Err(BodyError::Broken),
            };
            if size == 0 {
                break;
            }
            if size > max_bytes - body.len() {
                return Err(BodyError::TooLarge);
            }
            let chunk = self.exactly(size + 2, deadline)?;
            let data = chunk.strip_suffix(b"\r\n").ok_or(BodyError::Broken)?;
            body.extend_from_slice(data);
        }
        loop {
            match httparse::parse_headers(&self.input, &mut [httparse::EMPTY_HEADER; 64]) {
                Ok(Status::Complete((bytes, _))) => {
                    self.input.advance(bytes);
                    return Ok(body);
                }
                Ok(Status::Partial) if self.input.len() < HEAD_BYTES => self.more(deadline)?,
                _ => return Err(BodyError::Broken),
            }
        }
    }

    fn exactly(&mut self, bytes: usize, deadline: Instant) -> Result<BytesMut, BodyError> {
        while self.input.len() < bytes {
            self.more(deadline)?;
        }
        Ok(self.input.split_to(bytes))
    }

    /// Reads a request and answers it. Says whether the connection goes on.
    fn exchange(&mut self, server: &Server) -> io::Result<bool> {
        let (head, length) = match self.read_head(Instant::now() + server.head_timeout) {
            Ok(request) => request,
            Err(_) if self.input.is_empty() => return Ok(false),
            Err(status) => {
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                self.socket.write_all(answer.as_bytes())?;
                return Ok(false);
            }
        };
        let hub = server.hubs.iter().find(|hub| hub.service.owns(head.uri.path()));
        let hub = hub.unwrap_or(&server.hubs[0]);
        let is_old = head.version == Version::HTTP_10;
        let expects = head.headers.contains_key(EXPECT);
        let mut stays = !is_old && !closes(&head);
        let peer = Peer::new(self.socket.peer_addr().ok(), Grade::Socket);
        let entropy = getrandom::u32().unwrap_or_default();
        let action = match hub.service.route(head, &peer, entropy, now()) {
            Route::Respond(response) => Action::Respond(response),
            Route::Receive(permit) => {
                for _ in 0..5 {
                    if !hub.turn(|state| state.endpoint.is_occupied(&permit)) {
                        break;
                    }
                    thread::sleep(Duration::from_millis(10));
                }
                hub.turn(|state| state.endpoint.handle_receive(*permit, None, state.now))
            }
            Route::Send(permit) => hub.turn(|state| state.endpoint.handle_send(*permit, None, state.now)),
            Route::Websocket(permit) => {
                hub.turn(|state| state.endpoint.handle_websocket(*permit, None, state.now))
            }
        };
        let deadline = Instant::now() + hub.service.settings().limits.body_timeout;
        if !matches!(action, Action::Collect { .. }) {
            stays &= length == Some(0)
                || !expects && self.read_body(length, DRAINED_BYTES, deadline).is_ok();
        }
        let end = |stays| if stays { "\r\n" } else { "connection: close\r\n\r\n" };
        match action {
            Action::Respond(response) => self.respond(response, end(stays))?,
            Action::Collect { session, max_bytes, reply } => {
                if expects && self.input.is_empty() && length.is_none_or(|bytes| bytes <= max_bytes) {
                    self.socket.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
                }
                let body = self.read_body(length, max_bytes, deadline);
                stays &= body.is_ok();
                let response = accept(hub, session, reply, body);
                self.respond(response, end(stays))?;
            }
            Action::Poll { head, receiver } => {
                stays &= self.carry(hub, receiver, Coding::Whole(head, end(stays)), Vec::new());
            }
            Action::Stream { head, receiver } if is_old => {
                self.carry(hub, receiver, Coding::Plain, head_bytes(&head, end(false)));
            }
            Action::Stream { mut head, receiver } => {
                head.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
                let head = head_bytes(&head, end(stays));
                stays &= self.carry(hub, receiver, Coding::Chunked, head);
            }
            Action::Upgrade { head, receiver } => {
                let max_bytes = hub.service.settings().limits.message_bytes;
                let config = WebSocketConfig::default()
                    .read_buffer_size(4096)
                    .write_buffer_size(0)
                    .max_message_size(Some(max_bytes))
                    .max_frame_size(Some(max_bytes));
                let machine = WebSocketContext::new(Role::Server, Some(config));
                self.carry(hub, receiver, Coding::Websocket(Box::new(machine)), head_bytes(&head, "\r\n"));
                stays = false;
            }
        }
        Ok(stays)
    }

    fn respond(&mut self, response: Response<Bytes>, end: &str) -> io::Result<()> {
        let mut out = head_bytes(&response, end);
        out.extend_from_slice(response.body());
        self.socket.write_all(&out)
    }

    /// Carries frames to the client, until the last one or until either end breaks off; and from
    /// a WebSocket also messages. Says whether the last frame was written.
    fn carry(&mut self, hub: &Hub, mut receiver: Receiver, mut coding: Coding, mut output: Vec<u8>) -> bool {
        let (key, transport) = (receiver.session(), receiver.transport());
        let (mut batch, mut handed, mut ponged) = (Vec::new(), None, false);
        let mut why = Gone::Disconnected;
        let mut is_written = true;
        loop {
            hub.turn(|state| {
                if let Some(chunk) = handed.take() {
                    state.endpoint.handle_written(chunk, state.now);
                }
                if let Some(key) = key {
                    if std::mem::take(&mut ponged) {
                        state.endpoint.handle_pong(key, state.now);
                    }
                    if !batch.is_empty() && state.deliver(key, &mut batch) != Err(Refused::Full) {
                        batch.clear();
                    }
                }
                let mut frame = BytesMut::new();
                while output.len() < OUTPUT_BYTES
                    && let Some(transmit) = state.transmit(&mut receiver, &mut frame)
                {
                    handed = transmit.chunk.or(handed);
                    coding.encode(transmit, frame.split().freeze(), &mut output);
                }
            });
            let mut is_busy = !output.is_empty();
            is_written = self.socket.write_all(&output).is_ok();
            output.clear();
            if !is_written || receiver.is_finished() {
                break;
            }
            let is_there = self.take_in();
            if let Coding::Websocket(machine) = &mut coding
                && batch.is_empty()
            {
                match decode(machine, transport, &mut self.input, &mut output, &mut batch) {
                    Ok(pong) => ponged = pong,
                    Err(gone) => {
                        why = gone;
                        break;
                    }
                }
                is_busy |= ponged || !output.is_empty() || !batch.is_empty();
            }
            if !is_busy && !is_there {
                break;
            }
            if !is_busy {
                thread::park();
            }
        }
        let has_finished = is_written && receiver.is_finished();
        hub.turn(|state| {
            match handed {
                Some(chunk) if is_written => state.endpoint.handle_written(chunk, state.now),
                Some(chunk) => state.endpoint.handle_lost(chunk, state.now),
                None => {}
            }
            if let Some(key) = key {
                let _ = state.deliver(key, &mut batch);
            }
            state.endpoint.handle_gone(receiver, why, state.now);
        });
        let _ = self.socket.write_all(&output);
        has_finished
    }
}
