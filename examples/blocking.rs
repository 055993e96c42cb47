//! Echo and chat without any async runtime: `std::net`, threads and `sockjs-core`.
//!
//! `cargo run --release --example blocking`; docs/your-own-event-loop.md walks through all of it.
#![forbid(unsafe_code)]

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderValue, Request, Response, StatusCode, Version, request::Parts};
use sockjs_core::*;
use sockjs_websocket::Codec;

/// The longest head of a request, and what is read at a time.
const HEAD_BYTES: usize = 16 * 1024;
/// How long a client may take nothing of what is written.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a thread listens to its client before it looks for frames again.
const TICK: Duration = Duration::from_millis(10);

/// The application, called when a session has opened, has messages, or has room again.
pub(crate) type App = fn(&mut Endpoint, SessionKey);

/// Sends each message back. One that finds no room stays where it is, and so do those behind it.
pub(crate) fn echo(endpoint: &mut Endpoint, key: SessionKey) {
    while let Some(message) = endpoint.peek(key) {
        let Ok(()) = endpoint.send(key, message) else { return };
        endpoint.recv(key);
    }
}

/// Sends each message to everyone; who lags misses it.
pub(crate) fn chat(endpoint: &mut Endpoint, key: SessionKey) {
    while let Some(message) = endpoint.recv(key).map(Message::encode) {
        for member in endpoint.sessions() {
            let _ = endpoint.send(member, message.clone());
        }
    }
}

fn main() -> io::Result<()> {
    let hubs = [Hub::new(Settings::new("/echo"), echo)?, Hub::new(Settings::new("/chat"), chat)?];
    serve(TcpListener::bind("127.0.0.1:8081")?, Vec::from(hubs).leak())
}

/// Serves, and keeps the time, for as long as the process lives.
pub(crate) fn serve(listener: TcpListener, hubs: &'static [Hub]) -> io::Result<()> {
    println!("listening on http://{}", listener.local_addr()?);
    thread::spawn(|| {
        loop {
            let due = hubs.iter().filter_map(|hub| hub.turn(|it| it.poll_timeout())).min();
            thread::sleep(due.map_or(TICK, |due| due.saturating_since(now()).min(TICK)));
        }
    });
    for socket in listener.incoming().flatten() {
        let connection =
            Connection { socket, input: BytesMut::new(), deadline: now(), stays: true };
        thread::spawn(|| connection.serve(hubs));
    }
    Ok(())
}

/// A service and its sessions.
pub(crate) struct Hub {
    service: Service,
    app: App,
    endpoint: Mutex<Endpoint>,
}

impl Hub {
    pub(crate) fn new(settings: Settings, app: App) -> io::Result<Self> {
        let service = Service::new(settings).map_err(io::Error::other)?;
        let quota = Quota::whole(&service.settings().limits);
        let seed = u128::from(getrandom::u64()?) << 64 | u128::from(getrandom::u64()?);
        let endpoint = Endpoint::new(service.clone(), 0, quota, Seed::new(seed));
        Ok(Self { service, app, endpoint: Mutex::new(endpoint) })
    }

    /// Whatever is done to the endpoint is done here: the drain contract, made code.
    pub(crate) fn turn<T>(&self, work: impl FnOnce(&mut Endpoint) -> T) -> T {
        let endpoint = &mut *self.endpoint.lock().unwrap_or_else(PoisonError::into_inner);
        endpoint.handle_timeout(now());
        let result = work(endpoint);
        while let Some(event) = endpoint.poll_event() {
            if let Event::Opened(key, _) | Event::Readable(key) | Event::Writable(key) = event
                && catch_unwind(AssertUnwindSafe(|| (self.app)(endpoint, key))).is_err()
            {
                endpoint.handle_panic(key, now());
            }
        }
        result
    }

    /// Passes on the messages of a body. While the application lags, the answer waits.
    fn accept(&self, key: SessionKey, body: &[u8], reply: SendReply) -> Response<Bytes> {
        let (mut batch, since) = (Vec::new(), now());
        if let Err(error) = reply.read(body, &mut batch) {
            return reply.broken(error);
        }
        loop {
            match self.turn(|it| it.handle_messages_since(key, &mut batch, since, now())) {
                Ok(()) => return reply.accepted(),
                Err(Refused::Full) => thread::sleep(TICK),
                Err(refused) => return reply.refused(refused),
            }
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
    /// When what is awaited must be there.
    deadline: Timestamp,
    /// Whether another request may follow.
    stays: bool,
}

impl Connection {
    fn serve(mut self, hubs: &[Hub]) -> io::Result<()> {
        self.socket.set_nodelay(true)?;
        self.socket.set_read_timeout(Some(TICK))?;
        self.socket.set_write_timeout(Some(PATIENCE))?;
        while self.stays {
            let Err(status) = self.exchange(hubs) else { continue };
            self.stays = false;
            if !self.input.is_empty() {
                let headers = "Content-Length: 0\r\nConnection: close";
                write!(self.socket, "HTTP/1.1 {status}\r\n{headers}\r\n\r\n")?;
            }
        }
        // Closed with input unread, a socket may take back what was written to it.
        self.socket.shutdown(Shutdown::Write)?;
        self.socket.set_read_timeout(Some(PATIENCE))?;
        io::copy(&mut self.socket.take(1 << 20), &mut io::sink()).map(drop)
    }

    /// Waits a moment for input.
    fn listen(&mut self) -> Result<(), BodyError> {
        let mut piece = [0; HEAD_BYTES];
        match self.socket.read(&mut piece).map_err(|error| error.kind()) {
            Ok(count @ 1..) => self.input.extend_from_slice(&piece[..count]),
            Err(ErrorKind::WouldBlock | ErrorKind::TimedOut) if now() < self.deadline => {}
            Err(_) if now() >= self.deadline => return Err(BodyError::TimedOut),
            Ok(_) | Err(_) => return Err(BodyError::Broken),
        }
        Ok(())
    }

    /// Reads the head of a request, and finds the length of its body.
    fn read_head(&mut self) -> Result<(Parts, usize), StatusCode> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut parsed = httparse::Request::new(&mut headers);
            match parsed.parse(&self.input) {
                Ok(httparse::Status::Complete(bytes)) if bytes <= HEAD_BYTES => {
                    let request = head_of(&parsed).ok_or(StatusCode::BAD_REQUEST)?;
                    self.input.advance(bytes);
                    return Ok(request);
                }
                Ok(_) if self.input.len() <= HEAD_BYTES => self.listen()?,
                Ok(_) | Err(httparse::Error::TooManyHeaders) => {
                    return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
                }
                Err(_) => return Err(StatusCode::BAD_REQUEST),
            }
        }
    }

    fn read_body(&mut self, bytes: usize, max_bytes: usize) -> Result<BytesMut, BodyError> {
        let bytes = (bytes <= max_bytes).then_some(bytes).ok_or(BodyError::TooLarge)?;
        while self.input.len() < bytes {
            self.listen()?;
        }
        Ok(self.input.split_to(bytes))
    }

    /// Reads a request and answers it.
    fn exchange(&mut self, hubs: &[Hub]) -> Result<(), StatusCode> {
        self.deadline = now() + hubs[0].service.settings().limits.body_timeout;
        let (head, length) = self.read_head()?;
        let wish = head.headers.get("Connection").map_or(&[][..], |it| it.as_bytes());
        let is_old = head.version == Version::HTTP_10;
        self.stays = !is_old && !wish.eq_ignore_ascii_case(b"close");
        let hub = hubs.iter().find(|hub| hub.service.owns(head.uri.path())).unwrap_or(&hubs[0]);
        let peer = Peer::new(self.socket.peer_addr().ok(), Grade::Socket);
        let mut route = hub.service.route(head, &peer, getrandom::u32().unwrap_or_default(), now());
        if let Route::Receive(permit) = &mut route
            && hub.turn(|endpoint| endpoint.is_occupied(permit))
        {
            // Has the receiver that is attached just left? Its thread may look first.
            thread::sleep(10 * TICK);
        }
        let action = hub.turn(|endpoint| endpoint.handle_route(route, None, now()));
        let body = self.read_body(length, action.max_body_bytes());
        self.stays &= body.is_ok();
        let response = match action {
            Action::Respond(response) => response,
            Action::Collect { session, reply, .. } => match body {
                Ok(body) => hub.accept(session, &body, reply),
                Err(error) => reply.unread(error),
            },
            Action::Poll { head, receiver }
            | Action::Stream { head, receiver }
            | Action::Upgrade { head, receiver } => {
                self.carry(hub, head, receiver, is_old);
                return Ok(());
            }
        };
        let out = [&self.head_bytes(&response)[..], response.body()].concat();
        self.stays &= self.socket.write_all(&out).is_ok();
        Ok(())
    }

    fn head_bytes<T>(&self, response: &Response<T>) -> BytesMut {
        let mut out = BytesMut::from(format!("HTTP/1.1 {}\r\n", response.status()).as_bytes());
        for (name, value) in response.headers() {
            out.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        out.extend_from_slice(if self.stays { b"\r\n" } else { b"Connection: close\r\n\r\n" });
        out
    }

    /// Writes each frame as soon as there is one, and listens to the client in between.
    fn carry(&mut self, hub: &Hub, mut head: Response<()>, mut receiver: Receiver, is_old: bool) {
        let is_poll = receiver.transport().is_one_frame();
        let is_websocket = receiver.transport().is_websocket();
        let is_chunked = !(is_old || is_poll || is_websocket);
        if is_chunked {
            head.headers_mut().insert("Transfer-Encoding", HeaderValue::from_static("chunked"));
        }
        let message_bytes = hub.service.settings().limits.message_bytes;
        let (mut codec, mut frame) = (Codec::new(message_bytes), BytesMut::new());
        let mut out = if is_poll { BytesMut::new() } else { self.head_bytes(&head) };
        self.deadline = Timestamp::MAX;
        while !receiver.is_finished() {
            let transmit = hub.turn(|endpoint| endpoint.poll_transmit(&mut receiver, &mut frame));
            if let Some(transmit) = &transmit {
                let bytes = frame.split();
                if is_websocket {
                    codec.write(&transmit.frame, &bytes, &mut out);
                } else if is_chunked {
                    out.extend_from_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
                    out.extend_from_slice(&bytes);
                    out.extend_from_slice(if transmit.fin { b"\r\n0\r\n\r\n" } else { b"\r\n" });
                } else if is_poll {
                    head.headers_mut().insert("Content-Length", bytes.len().into());
                    out = self.head_bytes(&head);
                    out.extend_from_slice(&bytes);
                } else {
                    out.extend_from_slice(&bytes);
                }
            } else if receiver.is_holding() {
                thread::sleep(TICK);
            } else if self.listen().is_err() || self.input.len() > HEAD_BYTES + message_bytes {
                break;
            }
            while is_websocket && !receiver.is_holding() {
                let read = codec.read(&mut self.input, &mut out).transpose();
                let Some(read) = read else { break };
                let frame = read.map_or_else(ClientFrame::from, ClientFrame::from);
                hub.turn(|endpoint| endpoint.handle_frame(&mut receiver, frame, now()));
            }
            let is_written = self.socket.write_all(&out.split()).is_ok();
            match transmit.and_then(|transmit| transmit.chunk) {
                Some(chunk) if is_written => hub.turn(|it| it.handle_written(chunk, now())),
                Some(chunk) => hub.turn(|it| it.handle_lost(chunk, now())),
                None => {}
            }
        }
        self.stays &= receiver.is_finished() && !is_websocket;
        hub.turn(|endpoint| endpoint.handle_gone(receiver, Gone::Disconnected, now()));
    }
}

/// The head of a request and the length of its body, if both are beyond doubt.
fn head_of(parsed: &httparse::Request<'_, '_>) -> Option<(Parts, usize)> {
    let is_old = parsed.version == Some(0);
    let version = if is_old { Version::HTTP_10 } else { Version::HTTP_11 };
    let request = Request::builder().method(parsed.method?).uri(parsed.path?).version(version);
    let request = parsed.headers.iter().fold(request, |it, h| it.header(h.name, h.value));
    let (head, ()) = request.body(()).ok()?.into_parts();
    let count = |name| head.headers.get_all(name).iter().count();
    let counts = ["Host", "Content-Length", "Transfer-Encoding"].map(count);
    let is_clear = matches!((is_old, counts), (_, [1, 0 | 1, 0]) | (true, [0, 0 | 1, 0]));
    let length = head.headers.get("Content-Length").map_or("0", |it| it.to_str().unwrap_or("?"));
    let length = length.parse().ok().filter(|_| is_clear && !length.starts_with('+'))?;
    Some((head, length))
}
