//! Echo and chat without any async runtime: `std::net`, threads and `sockjs-core`.
//!
//! `cargo run --release --example blocking -- --listen 127.0.0.1:8081`; other options are
//! `--heartbeat 25s`, `--disconnect 5s` and `--response-limit 4096`.
//!
//! Each service has one endpoint behind one lock and a thread that keeps its time; each connection
//! is a thread. docs/your-own-event-loop.md walks through all of it.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use std::{error, thread};

use bytes::{Buf, Bytes, BytesMut};
use http::{Response, StatusCode, Version, header, request::Parts};
use sockjs_core::{wire::payload, *};
use tungstenite::protocol::{CloseFrame, Role, WebSocket, WebSocketConfig};
use tungstenite::{Error, Message as Frame};

/// The longest head of a request, and what a client may send ahead while it waits for frames.
const HEAD_BYTES: usize = 16 * 1024;
/// Of a body that nobody wants: so much is read, so that the connection can go on.
const DRAINED_BYTES: usize = 64 * 1024;
/// How long a peer may make no progress.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a thread that waits for frames looks whether the client is still there.
const LOOK: Duration = Duration::from_millis(50);
/// How often a thread that reads a WebSocket looks for frames.
const TICK: Duration = Duration::from_millis(5);

// ANCHOR: application
/// What the application keeps: its open sessions, and of each the message that found no room.
pub(crate) type Room = BTreeMap<SessionKey, Option<Message>>;
/// The application, called when a session has opened, has messages, or has room again.
pub(crate) type App = fn(&mut Endpoint, &mut Room, SessionKey);

/// Sends each message back. One that finds no room is kept, and none is taken until it has gone.
pub(crate) fn echo(endpoint: &mut Endpoint, room: &mut Room, key: SessionKey) {
    let kept = room.entry(key).or_default();
    while let Some(message) = kept.take().or_else(|| endpoint.recv(key)) {
        if let Err(SendError::Full(message)) = endpoint.send(key, message) {
            *kept = Some(message);
            return;
        }
    }
}

/// Sends each message to everyone; who lags misses it.
pub(crate) fn broadcast(endpoint: &mut Endpoint, room: &mut Room, key: SessionKey) {
    while let Some(message) = endpoint.recv(key).map(Message::encode) {
        for member in room.keys() {
            let _ = endpoint.send(*member, message.clone());
        }
    }
}
// ANCHOR_END: application

fn main() -> Result<(), Box<dyn error::Error>> {
    run(&[("/echo", echo, |_| {}), ("/broadcast", broadcast, |_| {})])
}

pub(crate) type Described = (&'static str, App, fn(&mut Settings));

/// Serves until the process is told to end.
pub(crate) fn run(services: &[Described]) -> Result<(), Box<dyn error::Error>> {
    let mut hubs = Vec::new();
    for (prefix, app, adjust) in services {
        let mut settings = Settings::new(*prefix);
        settings.origins = OriginPolicy::Any;
        settings.heartbeat_delay = Some(delay(&option("--heartbeat", "25s"))?);
        settings.disconnect_delay = delay(&option("--disconnect", "5s"))?;
        settings.response_limit = option("--response-limit", "4096").parse()?;
        adjust(&mut settings);
        hubs.push(Hub::start(settings, *app)?);
    }
    let hubs: Arc<[_]> = hubs.into();
    let mut signals = signal_hook::iterator::Signals::new(signal_hook::consts::TERM_SIGNALS)?;
    let listener = TcpListener::bind(option("--listen", "127.0.0.1:8081"))?;
    println!("listening on http://{}", listener.local_addr()?);
    let served = hubs.clone();
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let hubs = served.clone();
            thread::spawn(move || Connection { socket, input: BytesMut::new() }.serve(&hubs));
        }
    });
    signals.forever().next();
    for hub in &*hubs {
        hub.turn(|state| state.endpoint.shutdown(CloseReason::SERVER_GOING_AWAY));
    }
    thread::sleep(10 * LOOK);
    Ok(())
}

fn option(name: &str, default: &str) -> String {
    std::env::args().skip_while(|argument| argument != name).nth(1).unwrap_or(default.into())
}

/// `25s` or `200ms`.
fn delay(text: &str) -> Result<Duration, std::num::ParseIntError> {
    match text.strip_suffix("ms") {
        Some(millis) => millis.parse().map(Duration::from_millis),
        None => text.trim_end_matches('s').parse().map(Duration::from_secs),
    }
}

/// A service and its sessions.
pub(crate) struct Hub {
    service: Service,
    app: App,
    state: Mutex<State>,
    changed: Condvar,
}

pub(crate) struct State {
    endpoint: Endpoint,
    room: Room,
    now: Timestamp,
    /// Counts what threads may be waiting for.
    changes: u64,
}

impl Hub {
    fn start(settings: Settings, app: App) -> Result<Arc<Self>, Box<dyn error::Error>> {
        let service = Service::new(settings)?;
        let quota = Quota::whole(&service.settings().limits);
        let seed = u128::from(getrandom::u64()?) << 64 | u128::from(getrandom::u64()?);
        let endpoint = Endpoint::new(service.clone(), 0, quota, Seed::new(seed));
        let state = State { endpoint, room: Room::new(), now: now(), changes: 0 };
        let (state, changed) = (Mutex::new(state), Condvar::new());
        let hub = Arc::new(Self { service, app, state, changed });
        let timed = hub.clone();
        thread::spawn(move || timed.keep_time());
        Ok(hub)
    }

    // ANCHOR: turn
    /// Whatever is done to the endpoint is done here: the drain contract, made code.
    fn turn<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let state = &mut *self.lock();
        let before = (state.changes, state.endpoint.poll_timeout());
        state.now = now();
        state.endpoint.handle_timeout(state.now);
        let result = work(state);
        while let Some(event) = state.endpoint.poll_event() {
            match event {
                Event::Opened(key, _) | Event::Readable(key) | Event::Writable(key) => {
                    state.room.entry(key).or_default();
                    let app = || (self.app)(&mut state.endpoint, &mut state.room, key);
                    if catch_unwind(AssertUnwindSafe(app)).is_err() {
                        state.endpoint.handle_panic(key, state.now);
                    }
                }
                Event::Transmit(_) | Event::Resume(_) => state.changes += 1,
                Event::Closed(key, _report) => drop(state.room.remove(&key)),
            }
        }
        if before != (state.changes, state.endpoint.poll_timeout()) {
            state.changes += 1;
            self.changed.notify_all();
        }
        result
    }
    // ANCHOR_END: turn

    // ANCHOR: wait
    /// Waits until something has changed since the count was `seen`.
    fn wait(&self, seen: u64, patience: Duration) {
        let is_same = |state: &mut State| state.changes == seen;
        drop(self.changed.wait_timeout_while(self.lock(), patience, is_same));
    }

    fn keep_time(&self) {
        loop {
            let (seen, due) = self.turn(|state| (state.changes, state.endpoint.poll_timeout()));
            self.wait(seen, due.map_or(Duration::MAX, |due| due.saturating_since(now())));
        }
    }
    // ANCHOR_END: wait

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // ANCHOR: accept
    /// Passes on the messages of a body. While the application lags, the answer waits.
    fn accept(&self, key: SessionKey, body: &[u8], reply: SendReply) -> Response<Bytes> {
        let mut batch = Vec::new();
        if let Err(error) = reply.read(body, &mut batch) {
            return reply.broken(error);
        }
        loop {
            let (taken, seen) = self.turn(|state| {
                (state.endpoint.handle_messages(key, &mut batch, state.now), state.changes)
            });
            match taken {
                Ok(()) => return reply.accepted(),
                Err(Refused::Full) => self.wait(seen, PATIENCE),
                Err(refused) => return reply.refused(refused),
            }
        }
    }
    // ANCHOR_END: accept
}

impl State {
    // ANCHOR: settle
    /// Tells what became of a chunk that was handed out.
    fn settle(&mut self, handed: Option<ChunkId>, is_written: bool) {
        match handed {
            Some(chunk) if is_written => self.endpoint.handle_written(chunk, self.now),
            Some(chunk) => self.endpoint.handle_lost(chunk, self.now),
            None => {}
        }
    }
    // ANCHOR_END: settle
}

fn now() -> Timestamp {
    Timestamp::EPOCH + SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
}

struct Connection {
    socket: TcpStream,
    /// What was read and not used yet.
    input: BytesMut,
}

impl Connection {
    fn serve(mut self, hubs: &[Arc<Hub>]) -> io::Result<()> {
        self.socket.set_nodelay(true)?;
        self.socket.set_write_timeout(Some(PATIENCE))?;
        while self.exchange(hubs)? {}
        self.socket.shutdown(Shutdown::Write)?;
        while self.read(PATIENCE).is_ok() {
            self.input.clear();
        }
        Ok(())
    }

    fn read(&mut self, patience: Duration) -> io::Result<()> {
        self.socket.set_read_timeout(Some(patience))?;
        let mut piece = [0; HEAD_BYTES];
        let count = self.socket.read(&mut piece)?;
        self.input.extend_from_slice(&piece[..count]);
        if count > 0 { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }

    /// Reads a request's head, and finds the length of its body; an error says why it cannot.
    fn read_head(&mut self) -> io::Result<Result<(Parts, usize), StatusCode>> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut parsed = httparse::Request::new(&mut headers);
            match parsed.parse(&self.input) {
                Ok(httparse::Status::Complete(bytes)) if bytes <= HEAD_BYTES => {
                    let head = head_of(&parsed).ok_or(StatusCode::BAD_REQUEST);
                    self.input.advance(bytes);
                    return Ok(head);
                }
                Ok(httparse::Status::Partial) if self.input.len() <= HEAD_BYTES => {
                    self.read(3 * PATIENCE)?;
                }
                Ok(_) | Err(httparse::Error::TooManyHeaders) => {
                    return Ok(Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
                }
                Err(_) => return Ok(Err(StatusCode::BAD_REQUEST)),
            }
        }
    }

    fn read_body(&mut self, bytes: usize, max_bytes: usize) -> Result<BytesMut, BodyError> {
        if bytes > max_bytes {
            return Err(BodyError::TooLarge);
        }
        while self.input.len() < bytes {
            self.read(PATIENCE).or(Err(BodyError::Broken))?;
        }
        Ok(self.input.split_to(bytes))
    }

    /// Answers one request. Says whether the connection goes on.
    fn exchange(&mut self, hubs: &[Arc<Hub>]) -> io::Result<bool> {
        let (head, length) = match self.read_head()? {
            Ok(request) => request,
            Err(status) => {
                let refusal = Response::builder().status(status).header("Content-Length", 0);
                return self.respond(refusal.body(Bytes::new()).unwrap_or_default(), false);
            }
        };
        let is_old = head.version == Version::HTTP_10;
        let is_last = is_old || head.headers.get("Connection").is_some_and(|it| it == "close");
        let hub = hubs.iter().find(|hub| hub.service.owns(head.uri.path())).unwrap_or(&hubs[0]);
        let peer = Peer::new(self.socket.peer_addr().ok(), Grade::Socket);
        let entropy = getrandom::u32().unwrap_or_default();
        // ANCHOR: route
        let action = match hub.service.route(head, &peer, entropy, now()) {
            Route::Respond(response) => Action::Respond(response),
            Route::Receive(permit) => {
                // Has the receiver that is attached just left? Its thread may look first.
                if hub.turn(|state| state.endpoint.is_occupied(&permit)) {
                    thread::sleep(2 * LOOK);
                }
                hub.turn(|it| it.endpoint.handle_receive(*permit, None, it.now))
            }
            Route::Send(permit) => hub.turn(|it| it.endpoint.handle_send(*permit, None, it.now)),
            Route::Websocket(permit) => {
                hub.turn(|it| it.endpoint.handle_websocket(*permit, None, it.now))
            }
        };
        let is_unwanted = !matches!(action, Action::Collect { .. });
        let stays = !(is_last || is_unwanted && self.read_body(length, DRAINED_BYTES).is_err());
        match action {
            Action::Respond(response) => self.respond(response, stays),
            Action::Collect { session, max_bytes, reply } => {
                match self.read_body(length, max_bytes) {
                    Ok(body) => self.respond(hub.accept(session, &body, reply), stays),
                    Err(error) => self.respond(reply.unread(error), false),
                }
            }
            Action::Poll { head, receiver } => self.carry(hub, receiver, head, stays),
            Action::Stream { mut head, receiver } => {
                if !is_old {
                    let chunked = header::HeaderValue::from_static("chunked");
                    head.headers_mut().insert("Transfer-Encoding", chunked);
                }
                self.carry(hub, receiver, head, stays)
            }
            Action::Upgrade { head, receiver } => self.pump(hub, receiver, &head),
        }
        // ANCHOR_END: route
    }

    fn respond(&mut self, response: Response<Bytes>, stays: bool) -> io::Result<bool> {
        let mut out = head_bytes(&response, stays);
        out.extend_from_slice(response.body());
        self.socket.write_all(&out)?;
        Ok(stays)
    }

    // ANCHOR: carry
    /// Writes each frame of a response as soon as there is one, until the client leaves.
    fn carry(
        &mut self,
        hub: &Hub,
        mut receiver: Receiver,
        mut head: Response<()>,
        stays: bool,
    ) -> io::Result<bool> {
        let is_whole = receiver.transport().is_one_frame();
        let is_chunked = head.headers().contains_key("Transfer-Encoding");
        let mut out = if is_whole { Vec::new() } else { head_bytes(&head, stays) };
        let mut frame = BytesMut::new();
        let is_written = loop {
            let (transmit, seen) = hub.turn(|state| {
                (state.endpoint.poll_transmit(&mut receiver, &mut frame), state.changes)
            });
            let Some(transmit) = transmit else {
                let read = self.read(Duration::from_millis(1));
                if read.is_err_and(|error| !is_timeout(&error)) || self.input.len() > HEAD_BYTES {
                    break false;
                }
                hub.wait(seen, LOOK);
                continue;
            };
            if is_whole {
                head.headers_mut().insert("Content-Length", frame.len().into());
                out = head_bytes(&head, stays);
            }
            if is_chunked {
                write!(out, "{:x}\r\n", frame.len())?;
                frame.extend_from_slice(if transmit.fin { b"\r\n0\r\n\r\n" } else { b"\r\n" });
            }
            out.extend_from_slice(&frame.split());
            let is_written = self.socket.write_all(&out).is_ok();
            out.clear();
            hub.turn(|state| state.settle(transmit.chunk, is_written));
            if transmit.fin || !is_written {
                break is_written;
            }
        };
        hub.turn(|state| state.endpoint.handle_gone(receiver, Gone::Disconnected, state.now));
        Ok(is_written && stays)
    }
    // ANCHOR_END: carry

    // ANCHOR: pump
    /// Carries frames and messages over a WebSocket until either end closes it.
    fn pump(&mut self, hub: &Hub, mut receiver: Receiver, head: &Response<()>) -> io::Result<bool> {
        self.socket.write_all(&head_bytes(head, true))?;
        self.socket.set_read_timeout(Some(TICK))?;
        let (input, max) = (self.input.split().into(), hub.service.settings().limits.message_bytes);
        let config = WebSocketConfig::default().max_message_size(Some(max));
        let config = config.max_frame_size(Some(max)).read_buffer_size(HEAD_BYTES);
        let role = Role::Server;
        let mut wire = WebSocket::from_partially_read(&self.socket, input, role, Some(config));
        let (session, transport) = (receiver.session(), receiver.transport());
        let (mut batch, mut bytes) = (Vec::new(), BytesMut::new());
        let why = loop {
            let mut handed = None;
            while let Some(transmit) =
                hub.turn(|state| state.endpoint.poll_transmit(&mut receiver, &mut bytes))
            {
                handed = transmit.chunk.or(handed);
                let bytes = bytes.split().freeze();
                let _ = match transmit.frame {
                    FrameKind::Text => wire.write(Frame::Text(bytes.try_into().unwrap_or_default())),
                    FrameKind::Binary => wire.write(Frame::Binary(bytes)),
                    FrameKind::Ping => wire.write(Frame::Ping(bytes)),
                    FrameKind::Close(reason) => wire.close(Some(close_frame(&reason))),
                };
            }
            let is_written = wire.flush().is_ok();
            hub.turn(|state| state.settle(handed, is_written));
            let Some(key) = session.filter(|_| is_written && !receiver.is_finished()) else {
                break Gone::Disconnected;
            };
            // While the application lags, nothing is read: so the client is made to wait.
            let read = match wire.get_config() {
                _ if !batch.is_empty() => Ok(()),
                _ => take(wire.read(), transport, &mut batch),
            };
            if let Err(gone) = read {
                break gone;
            }
            let taken = hub.turn(|it| it.endpoint.handle_messages(key, &mut batch, it.now));
            match taken {
                Err(Refused::Full) => thread::sleep(TICK),
                _ => batch.clear(),
            }
        };
        hub.turn(|state| state.endpoint.handle_gone(receiver, why, state.now));
        Ok(false)
    }
    // ANCHOR_END: pump
}
