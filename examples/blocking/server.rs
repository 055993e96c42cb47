//! Everything between `std::net` and `sockjs-core`: one endpoint behind a lock for each service, a
//! thread for each connection, and one for each service's time.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use bytes::{Buf, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, TRANSFER_ENCODING};
use http::{Response, StatusCode, Version, request::Parts};
use httparse::Status;
use sockjs_core::wire::payload::{read_websocket_binary, read_websocket_text};
use sockjs_core::*;
use tungstenite::protocol::{CloseFrame, Role, WebSocket, WebSocketConfig};
use tungstenite::{Error, Message as Frame};

/// The longest head; also how much a client may send ahead while it waits for frames.
const HEAD_BYTES: usize = 16 * 1024;
/// Of a body that nobody wants: so much is read, so that the connection can go on.
const DRAINED_BYTES: usize = 64 * 1024;
/// How often a thread that waits for two things at once looks after the other one.
const TICK: Duration = Duration::from_millis(10);
/// How long a write may make no progress.
const STALL: Duration = Duration::from_secs(10);

/// What the application keeps: its open sessions, and of each the message that found no room.
pub(crate) type Room = BTreeMap<SessionKey, Option<Message>>;
/// The application: called when a session has opened, has messages, or has room again.
pub(crate) type App = fn(&mut Endpoint, &mut Room, SessionKey);

/// A service with its sessions.
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
    pub(crate) fn start(settings: Settings, app: App) -> Result<Arc<Self>, SettingsError> {
        let service = Service::new(settings)?;
        let quota = Quota::whole(&service.settings().limits);
        let seed = Seed::new(u128::from(random()) << 64 | u128::from(random()));
        let endpoint = Endpoint::new(service.clone(), 0, quota, seed);
        let state = State { endpoint, room: Room::new(), now: now(), changes: 0 };
        let (state, changed) = (Mutex::new(state), Condvar::new());
        let hub = Arc::new(Self { service, app, state, changed });
        let timed = hub.clone();
        thread::spawn(move || timed.keep_time());
        Ok(hub)
    }

    // ANCHOR: turn
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
                    state.run(self.app, key);
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
        let unchanged = |state: &mut State| state.changes == seen;
        drop(self.changed.wait_timeout_while(self.lock(), patience, unchanged));
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
}

impl State {
    /// An application that panics loses this session and nothing else.
    fn run(&mut self, app: App, key: SessionKey) {
        self.room.entry(key).or_default();
        let call = AssertUnwindSafe(|| app(&mut self.endpoint, &mut self.room, key));
        if catch_unwind(call).is_err() {
            self.endpoint.handle_panic(key, self.now);
        }
    }

    // ANCHOR: settle
    /// Tells what became of the last chunk that was handed out.
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

fn random() -> u64 {
    getrandom::u64().unwrap_or_default()
}

/// What is served, and how long a request's head may take.
pub(crate) struct Server {
    pub(crate) hubs: Vec<Arc<Hub>>,
    pub(crate) head_timeout: Duration,
}

impl Server {
    pub(crate) fn accept(self: Arc<Self>, listener: &TcpListener) {
        for socket in listener.incoming().flatten() {
            let server = self.clone();
            thread::spawn(move || Connection { socket, input: BytesMut::new() }.serve(&server));
        }
    }

    /// Closes all sessions and gives them a moment to hear it.
    pub(crate) fn shut_down(&self) {
        let reason = CloseReason::SERVER_GOING_AWAY;
        self.hubs.iter().for_each(|hub| hub.turn(|state| state.endpoint.shutdown(reason.clone())));
        let is_empty = |hub: &Arc<Hub>| hub.turn(|state| state.endpoint.live() == 0);
        (0..100).find(|_| {
            self.hubs.iter().all(is_empty) || {
                thread::sleep(TICK);
                false
            }
        });
    }
}

struct Connection {
    socket: TcpStream,
    /// What was read and not used yet.
    input: BytesMut,
}

impl Connection {
    fn serve(mut self, server: &Server) -> io::Result<()> {
        self.socket.set_nodelay(true)?;
        self.socket.set_write_timeout(Some(STALL))?;
        while self.exchange(server)? {}
        self.socket.shutdown(Shutdown::Write)?;
        let deadline = Instant::now() + Duration::from_secs(2);
        while self.read(deadline).is_ok() {
            self.input.clear();
        }
        Ok(())
    }

    /// Reads what is there, or waits for it.
    fn read(&mut self, deadline: Instant) -> Result<(), BodyError> {
        let patience = deadline.saturating_duration_since(Instant::now());
        let _ = self.socket.set_read_timeout(Some(patience.max(Duration::from_millis(1))));
        let mut piece = [0; HEAD_BYTES];
        match self.socket.read(&mut piece) {
            Ok(count @ 1..) => self.input.extend_from_slice(&piece[..count]),
            Err(error) if is_timeout(&error) => return Err(BodyError::TimedOut),
            _ => return Err(BodyError::Broken),
        }
        Ok(())
    }

    fn read_head(&mut self, deadline: Instant) -> Result<(Parts, usize), StatusCode> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut parsed = httparse::Request::new(&mut headers);
            match parsed.parse(&self.input) {
                Ok(Status::Complete(bytes)) if bytes <= HEAD_BYTES => {
                    let head = head_of(&parsed).ok_or(StatusCode::BAD_REQUEST);
                    self.input.advance(bytes);
                    return head;
                }
                Ok(Status::Partial) if self.input.len() <= HEAD_BYTES => {
                    self.read(deadline).or(Err(StatusCode::REQUEST_TIMEOUT))?;
                }
                Ok(_) | Err(httparse::Error::TooManyHeaders) => {
                    return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
                }
                Err(_) => return Err(StatusCode::BAD_REQUEST),
            }
        }
    }

    fn read_body(
        &mut self,
        bytes: usize,
        max: usize,
        patience: Duration,
    ) -> Result<BytesMut, BodyError> {
        let deadline = Instant::now() + patience;
        if bytes > max {
            return Err(BodyError::TooLarge);
        }
        while self.input.len() < bytes {
            self.read(deadline)?;
        }
        Ok(self.input.split_to(bytes))
    }

    /// Answers one request. Says whether the connection goes on.
    fn exchange(&mut self, server: &Server) -> io::Result<bool> {
        let (head, length) = match self.read_head(Instant::now() + server.head_timeout) {
            Ok(request) => request,
            Err(_) if self.input.is_empty() => return Ok(false),
            Err(status) => {
                let mut refusal = Response::new(Bytes::new());
                *refusal.status_mut() = status;
                return self.respond(refusal, false);
            }
        };
        let owner = server.hubs.iter().find(|hub| hub.service.owns(head.uri.path()));
        let hub = owner.unwrap_or(&server.hubs[0]);
        let patience = hub.service.settings().limits.body_timeout;
        let is_old = head.version == Version::HTTP_10;
        let expects = head.headers.contains_key(EXPECT);
        let closes = head.headers.get(CONNECTION).is_some_and(|options| options == "close");
        let peer = Peer::new(self.socket.peer_addr().ok(), Grade::Socket);
        // ANCHOR: route
        let action = match hub.service.route(head, &peer, random() as u32, now()) {
            Route::Respond(response) => Action::Respond(response),
            Route::Receive(permit) => hub.receive(*permit),
            Route::Send(permit) => {
                hub.turn(|state| state.endpoint.handle_send(*permit, None, state.now))
            }
            Route::Websocket(permit) => {
                hub.turn(|state| state.endpoint.handle_websocket(*permit, None, state.now))
            }
        };
        // ANCHOR_END: route
        let is_wanted = matches!(action, Action::Collect { .. });
        let is_read = is_wanted
            || length == 0
            || !expects && self.read_body(length, DRAINED_BYTES, patience).is_ok();
        let stays = is_read && !is_old && !closes;
        match action {
            Action::Respond(response) => self.respond(response, stays),
            Action::Collect { session, max_bytes, reply } => {
                if expects && self.input.is_empty() && length <= max_bytes {
                    self.socket.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
                }
                match self.read_body(length, max_bytes, patience) {
                    Ok(body) => self.respond(hub.accept(session, &body, reply), stays),
                    Err(error) => self.respond(reply.unread(error), false),
                }
            }
            Action::Poll { head, receiver } => {
                self.carry(hub, receiver, head, Coding::Whole, stays)
            }
            Action::Stream { head, receiver } if is_old => {
                self.carry(hub, receiver, head, Coding::Plain, stays)
            }
            Action::Stream { mut head, receiver } => {
                head.headers_mut().insert(TRANSFER_ENCODING, "chunked".parse().expect("a value"));
                self.carry(hub, receiver, head, Coding::Chunked, stays)
            }
            Action::Upgrade { head, receiver } => self.websocket(hub, receiver, &head),
        }
    }

    fn respond(&mut self, response: Response<Bytes>, stays: bool) -> io::Result<bool> {
        let mut out = head_bytes(&response, stays);
        out.extend_from_slice(response.body());
        self.socket.write_all(&out)?;
        Ok(stays)
    }

    // ANCHOR: carry
    /// Writes each frame as soon as there is one, until the last, or until the client leaves.
    fn carry(
        &mut self,
        hub: &Hub,
        mut receiver: Receiver,
        mut head: Response<()>,
        coding: Coding,
        stays: bool,
    ) -> io::Result<bool> {
        let mut frame = BytesMut::new();
        let mut out = Vec::new();
        if coding != Coding::Whole {
            out = head_bytes(&head, stays);
        }
        let is_written = loop {
            let (transmit, seen) = hub.turn(|state| {
                (state.endpoint.poll_transmit(&mut receiver, &mut frame), state.changes)
            });
            let Some(transmit) = transmit else {
                if self.read(Instant::now()) == Err(BodyError::Broken)
                    || self.input.len() > HEAD_BYTES
                {
                    break false;
                }
                hub.wait(seen, 20 * TICK);
                continue;
            };
            let end = if transmit.fin { "\r\n0\r\n\r\n" } else { "\r\n" };
            match coding {
                Coding::Whole => {
                    head.headers_mut().insert(CONTENT_LENGTH, frame.len().into());
                    out = [head_bytes(&head, stays), frame.to_vec()].concat();
                }
                Coding::Chunked => {
                    let size = format!("{:x}\r\n", frame.len());
                    out.extend([size.as_bytes(), &frame, end.as_bytes()].concat());
                }
                Coding::Plain => out.extend_from_slice(&frame),
            }
            frame.clear();
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

    // ANCHOR: websocket
    fn websocket(
        &mut self,
        hub: &Hub,
        mut receiver: Receiver,
        head: &Response<()>,
    ) -> io::Result<bool> {
        let (Some(key), transport) = (receiver.session(), receiver.transport()) else {
            return Ok(false);
        };
        let max = Some(hub.service.settings().limits.message_bytes);
        let config = WebSocketConfig::default()
            .read_buffer_size(HEAD_BYTES)
            .max_message_size(max)
            .max_frame_size(max);
        let input = self.input.split().to_vec();
        self.socket.write_all(&head_bytes(head, true))?;
        self.socket.set_read_timeout(Some(TICK))?;
        let mut socket =
            WebSocket::from_partially_read(&self.socket, input, Role::Server, Some(config));
        let (mut batch, mut frame) = (Vec::new(), BytesMut::new());
        let why = loop {
            // Frames out.
            let mut handed = None;
            while let Some(transmit) =
                hub.turn(|state| state.endpoint.poll_transmit(&mut receiver, &mut frame))
            {
                handed = transmit.chunk.or(handed);
                let bytes = frame.split().freeze();
                let _ = match transmit.frame {
                    FrameKind::Text => {
                        socket.write(Frame::Text(bytes.try_into().unwrap_or_default()))
                    }
                    FrameKind::Binary => socket.write(Frame::Binary(bytes)),
                    FrameKind::Ping => socket.write(Frame::Ping(bytes)),
                    FrameKind::Close(reason) => socket.close(Some(close_frame(&reason))),
                };
            }
            let is_written = socket.flush().is_ok();
            hub.turn(|state| state.settle(handed, is_written));
            if !is_written || receiver.is_finished() {
                break Gone::Disconnected;
            }
            // Messages in, unless the application still lags with those before.
            if batch.is_empty() {
                let read = match socket.read() {
                    Ok(Frame::Text(text)) => read_websocket_text(transport, &text, &mut batch),
                    Ok(Frame::Binary(bytes)) => {
                        read_websocket_binary(transport, &bytes, &mut batch)
                    }
                    Ok(Frame::Close(close)) => {
                        break Gone::Closed(close.map(|close| {
                            CloseReason::new(close.code.into(), close.reason.to_string())
                        }));
                    }
                    Ok(Frame::Pong(_)) => {
                        Ok(hub.turn(|state| state.endpoint.handle_pong(key, state.now)))
                    }
                    Ok(_) => Ok(()),
                    Err(Error::Io(error)) if is_timeout(&error) => Ok(()),
                    Err(Error::Io(_)) => break Gone::Disconnected,
                    Err(Error::Utf8(_)) => Err(CloseReason::BAD_TEXT),
                    Err(Error::Capacity(_)) => Err(CloseReason::new(1009, "Message too big")),
                    Err(_) => Err(CloseReason::new(1002, "Protocol error")),
                };
                if let Err(reason) = read {
                    let _ = socket.close(Some(close_frame(&reason)));
                    break Gone::Violation(reason);
                }
            }
            match hub.turn(|state| state.endpoint.handle_messages(key, &mut batch, state.now)) {
                Err(Refused::Full) => thread::sleep(TICK),
                _ => batch.clear(),
            }
        };
        let _ = socket.flush();
        hub.turn(|state| state.endpoint.handle_gone(receiver, why, state.now));
        Ok(false)
    }
    // ANCHOR_END: websocket
}

impl Hub {
    fn receive(&self, permit: ReceivePermit) -> Action {
        // Has the receiver that is attached just left? Its thread may look first.
        for _ in 0..5 {
            let is_occupied = self.turn(|state| {
                let is_occupied = state.endpoint.is_occupied(&permit);
                state.changes += u64::from(is_occupied);
                is_occupied
            });
            if !is_occupied {
                break;
            }
            thread::sleep(TICK);
        }
        self.turn(|state| state.endpoint.handle_receive(permit, None, state.now))
    }

    // ANCHOR: accept
    /// Passes a body's messages on; the answer waits while the application lags.
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
                Err(Refused::Full) => self.wait(seen, STALL),
                Err(refused) => return reply.refused(refused),
            }
        }
    }
    // ANCHOR_END: accept
}

/// How a response carries frames.
#[derive(PartialEq)]
enum Coding {
    /// One, with its length.
    Whole,
    Chunked,
    /// As they are, until the connection closes.
    Plain,
}

fn head_of(parsed: &httparse::Request<'_, '_>) -> Option<(Parts, usize)> {
    let is_old = parsed.version == Some(0);
    let version = if is_old { Version::HTTP_10 } else { Version::HTTP_11 };
    let mut request =
        http::Request::builder().method(parsed.method?).uri(parsed.path?).version(version);
    for header in parsed.headers.iter() {
        request = request.header(header.name, header.value);
    }
    let (head, ()) = request.body(()).ok()?.into_parts();
    let values = |name: HeaderName| {
        head.headers.get_all(name).iter().map(|v| v.as_bytes()).collect::<Vec<_>>()
    };
    let length =
        match (&values(HOST)[..], &values(TRANSFER_ENCODING)[..], &values(CONTENT_LENGTH)[..]) {
            ([_], [], []) => 0,
            ([_], [], [length]) if length.iter().all(u8::is_ascii_digit) => {
                std::str::from_utf8(length).ok()?.parse().ok()?
            }
            ([], [], []) if is_old => 0,
            _ => return None,
        };
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

fn close_frame(reason: &CloseReason) -> CloseFrame {
    CloseFrame { code: reason.websocket_code().into(), reason: reason.text().into() }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
