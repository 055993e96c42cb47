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
use std::time::{Duration, Instant, SystemTime};
use std::{error, thread};

use bytes::{Buf, Bytes, BytesMut};
use http::{Method, Response, StatusCode, Version, header, request::Parts};
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

fn main() -> Result<(), Box<dyn error::Error>> {
    serve([start("/echo", echo, |_| {})?, start("/broadcast", broadcast, |_| {})?].into())
}

/// Starts a service with the settings of the command line, adjusted.
pub(crate) fn start(
    prefix: &str,
    app: App,
    adjust: fn(&mut Settings),
) -> Result<Arc<Hub>, Box<dyn error::Error>> {
    let mut settings = Settings::new(prefix);
    settings.origins = OriginPolicy::Any;
    settings.heartbeat_delay = Some(delay("--heartbeat", "25s"));
    settings.disconnect_delay = delay("--disconnect", "5s");
    settings.client_url = option("--client-url", "/sockjs.min.js");
    settings.response_limit = option("--response-limit", "4096").parse()?;
    adjust(&mut settings);
    let service = Service::new(settings)?;
    let quota = Quota::whole(&service.settings().limits);
    let seed = u128::from(getrandom::u64()?) << 64 | u128::from(getrandom::u64()?);
    let endpoint = Endpoint::new(service.clone(), 0, quota, Seed::new(seed));
    let state = State { endpoint, room: Room::new(), now: now(), changes: 0 };
    let (state, changed) = (Mutex::new(state), Condvar::new());
    let hub = Arc::new(Hub { service, app, state, changed });
    let timed = hub.clone();
    thread::spawn(move || timed.keep_time());
    Ok(hub)
}

/// Serves until the process is told to end.
pub(crate) fn serve(hubs: Arc<[Arc<Hub>]>) -> Result<(), Box<dyn error::Error>> {
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

/// The value of an option of the command line.
fn option(name: &str, default: &str) -> String {
    std::env::args().skip_while(|argument| argument != name).nth(1).unwrap_or(default.into())
}

/// An option such as `25s` or `200ms`.
fn delay(name: &str, default: &str) -> Duration {
    let text = option(name, default);
    let (number, unit) = text.split_at(text.trim_end_matches(char::is_alphabetic).len());
    let scale = if unit == "ms" { 1 } else { 1000 };
    Duration::from_millis(scale * number.parse::<u64>().expect("a delay is a number and s or ms"))
}

/// A service and its sessions.
pub(crate) struct Hub {
    service: Service,
    app: App,
    state: Mutex<State>,
    changed: Condvar,
}

pub(crate) struct State {
    pub(crate) endpoint: Endpoint,
    pub(crate) room: Room,
    now: Timestamp,
    /// Counts what threads may be waiting for.
    changes: u64,
}

impl Hub {
    /// Whatever is done to the endpoint is done here: the drain contract, made code.
    pub(crate) fn turn<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
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

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes on the messages of a body. While the application lags, the answer waits.
    fn accept(&self, key: SessionKey, body: &[u8], reply: SendReply) -> Response<Bytes> {
        let mut batch = Vec::new();
        if let Err(error) = reply.read(body, &mut batch) {
            return reply.broken(error);
        }
        let since = now();
        loop {
            let (taken, seen) = self.turn(|state| {
                let endpoint = &mut state.endpoint;
                let taken = endpoint.handle_messages_since(key, &mut batch, since, state.now);
                (taken, state.changes)
            });
            match taken {
                Ok(()) => return reply.accepted(),
                Err(Refused::Full) => self.wait(seen, PATIENCE),
                Err(refused) => return reply.refused(refused),
            }
        }
    }
}

impl State {
    /// Tells what became of a chunk that was handed out.
    fn settle(&mut self, handed: Option<ChunkId>, is_written: bool) {
        match handed {
            Some(chunk) if is_written => self.endpoint.handle_written(chunk, self.now),
            Some(chunk) => self.endpoint.handle_lost(chunk, self.now),
            None => {}
        }
    }
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
        let deadline = Instant::now() + PATIENCE;
        while self.read(deadline).is_ok() {
            self.input.clear();
        }
        Ok(())
    }

    fn read(&mut self, deadline: Instant) -> io::Result<()> {
        let patience = deadline.saturating_duration_since(Instant::now());
        self.socket.set_read_timeout(Some(patience.max(Duration::from_millis(1))))?;
        let mut piece = [0; HEAD_BYTES];
        let count = self.socket.read(&mut piece)?;
        self.input.extend_from_slice(&piece[..count]);
        if count > 0 { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }

    /// Reads a request's head, and finds the length of its body; an error says why it cannot.
    fn read_head(&mut self) -> io::Result<Result<(Parts, usize), StatusCode>> {
        let deadline = Instant::now() + delay("--head-timeout", "30s");
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
                    match self.read(deadline) {
                        Err(error) if is_timeout(&error) && !self.input.is_empty() => {
                            return Ok(Err(StatusCode::REQUEST_TIMEOUT));
                        }
                        read => read?,
                    }
                }
                Ok(_) | Err(httparse::Error::TooManyHeaders) => {
                    return Ok(Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
                }
                Err(_) => return Ok(Err(StatusCode::BAD_REQUEST)),
            }
        }
    }

    fn read_body(&mut self, bytes: usize, max_bytes: usize) -> Result<BytesMut, BodyError> {
        let deadline = Instant::now() + delay("--body-timeout", "15s");
        if bytes > max_bytes {
            return Err(BodyError::TooLarge);
        }
        while self.input.len() < bytes {
            self.read(deadline).map_err(|error| match is_timeout(&error) {
                true => BodyError::TimedOut,
                false => BodyError::Broken,
            })?;
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
        let is_last = is_old
            || head
                .headers
                .get("Connection")
                .is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"close"));
        let hub = hubs.iter().find(|hub| hub.service.owns(head.uri.path())).unwrap_or(&hubs[0]);
        let has_body = head.method != Method::HEAD;
        let peer = Peer::new(self.socket.peer_addr().ok(), Grade::Socket);
        let entropy = getrandom::u32().unwrap_or_default();
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
            Action::Respond(response) if has_body => self.respond(response, stays),
            Action::Respond(response) => self.respond(response.map(|_| Bytes::new()), stays),
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
    }

    fn respond(&mut self, response: Response<Bytes>, stays: bool) -> io::Result<bool> {
        let mut out = head_bytes(&response, stays);
        out.extend_from_slice(response.body());
        self.socket.write_all(&out)?;
        Ok(stays)
    }

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
                let read = self.read(Instant::now());
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

    /// Carries frames and messages over a WebSocket until either end closes it.
    fn pump(&mut self, hub: &Hub, mut receiver: Receiver, head: &Response<()>) -> io::Result<bool> {
        let is_open = self.socket.set_read_timeout(Some(TICK)).is_ok()
            && self.socket.write_all(&head_bytes(head, true)).is_ok();
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
                    FrameKind::Text => {
                        wire.write(Frame::Text(bytes.try_into().unwrap_or_default()))
                    }
                    FrameKind::Binary => wire.write(Frame::Binary(bytes)),
                    FrameKind::Ping => wire.write(Frame::Ping(bytes)),
                    FrameKind::Close(reason) => wire.close(Some(close_frame(&reason))),
                };
            }
            let is_written = is_open && wire.flush().is_ok();
            hub.turn(|state| state.settle(handed, is_written));
            let Some(key) = session.filter(|_| is_written && !receiver.is_finished()) else {
                break Gone::Disconnected;
            };
            // While the application lags, nothing is read: so the client is made to wait.
            if batch.is_empty() {
                let read = wire.read();
                if let Ok(Frame::Pong(_)) = read {
                    hub.turn(|state| state.endpoint.handle_pong(key, state.now));
                }
                if let Err(gone) = take(read, transport, &mut batch) {
                    break gone;
                }
            }
            let taken = hub.turn(|it| it.endpoint.handle_messages(key, &mut batch, it.now));
            match taken {
                Err(Refused::Full) => thread::sleep(TICK),
                _ => batch.clear(),
            }
        };
        if let Gone::Violation(reason) = &why {
            let _ = wire.close(Some(close_frame(reason)));
        }
        let _ = wire.flush();
        hub.turn(|state| state.endpoint.handle_gone(receiver, why, state.now));
        Ok(false)
    }
}

/// The head of a request and the length of its body, if both are beyond doubt.
fn head_of(parsed: &httparse::Request<'_, '_>) -> Option<(Parts, usize)> {
    let is_old = parsed.version == Some(0);
    let mut request = http::Request::builder().method(parsed.method?).uri(parsed.path?);
    for header in parsed.headers.iter() {
        request = request.header(header.name, header.value);
    }
    let version = if is_old { Version::HTTP_10 } else { Version::HTTP_11 };
    let (head, ()) = request.version(version).body(()).ok()?.into_parts();
    let count = |name| head.headers.get_all(name).iter().count();
    let counts = ["Host", "Content-Length", "Transfer-Encoding"].map(count);
    let is_clear = matches!(counts, [1, 0 | 1, 0]) || is_old && matches!(counts, [0, 0 | 1, 0]);
    let length = head.headers.get("Content-Length").map_or("0", |it| it.to_str().unwrap_or("?"));
    let is_number = length.bytes().all(|byte| byte.is_ascii_digit());
    let length = length.parse().ok().filter(|_| is_clear && is_number)?;
    Some((head, length))
}

fn head_bytes<T>(response: &Response<T>, stays: bool) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {}\r\n", response.status()).into_bytes();
    for (name, value) in response.headers() {
        out.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    out.extend_from_slice(if stays { b"\r\n" } else { b"Connection: close\r\n\r\n" });
    out
}

/// Takes in what was read from a WebSocket. An error is its end.
fn take(
    read: Result<Frame, Error>,
    transport: Transport,
    batch: &mut Vec<Message>,
) -> Result<(), Gone> {
    let taken = match read {
        Ok(Frame::Text(text)) => payload::read_websocket_text(transport, &text, usize::MAX, batch),
        Ok(Frame::Binary(bytes)) => payload::read_websocket_binary(transport, &bytes, batch),
        Ok(Frame::Close(close)) => {
            let reason = |it: CloseFrame| CloseReason::new(it.code.into(), it.reason.to_string());
            return Err(Gone::Closed(close.map(reason)));
        }
        Ok(_) => Ok(()),
        Err(Error::Io(error)) if is_timeout(&error) => Ok(()),
        Err(Error::Io(_)) => return Err(Gone::Disconnected),
        Err(Error::Utf8(_)) => Err(CloseReason::BAD_TEXT),
        Err(Error::Capacity(_)) => Err(CloseReason::new(1009, "Message too big")),
        Err(_) => Err(CloseReason::new(1002, "Protocol error")),
    };
    taken.map_err(Gone::Violation)
}

fn close_frame(reason: &CloseReason) -> CloseFrame {
    CloseFrame { code: reason.websocket_code().into(), reason: reason.text().into() }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
