//! Echo and chat without any async runtime: `std::net`, threads and `sockjs-core`.
//!
//! `cargo run --release --example blocking`; docs/your-own-event-loop.md walks through all of it.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderValue, Request, Response, Version, request::Parts};
use sockjs_core::{wire::payload, *};
use tungstenite::protocol::{CloseFrame, Role, WebSocket, WebSocketConfig};
use tungstenite::{Error, Message as Frame};

/// The longest head of a request, and what a client may send ahead while it waits for frames.
const HEAD_BYTES: usize = 16 * 1024;
/// How long a client may take nothing of what is written.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a thread listens to its client before it looks for frames again.
const TICK: Duration = Duration::from_millis(10);
/// What a socket says when a tick is over.
const IDLE: [ErrorKind; 2] = [ErrorKind::WouldBlock, ErrorKind::TimedOut];

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
pub(crate) fn chat(endpoint: &mut Endpoint, room: &mut Room, key: SessionKey) {
    while let Some(message) = endpoint.recv(key).map(Message::encode) {
        for member in room.keys() {
            let _ = endpoint.send(*member, message.clone());
        }
    }
}

fn main() -> io::Result<()> {
    let echo = Hub::new(Settings::new("/echo"), echo)?;
    let chat = Hub::new(Settings::new("/chat"), chat)?;
    serve(TcpListener::bind("127.0.0.1:8081")?, vec![echo, chat].leak())
}

/// Serves for as long as the process lives, and keeps the time.
pub(crate) fn serve(listener: TcpListener, hubs: &'static [Hub]) -> io::Result<()> {
    println!("listening on http://{}", listener.local_addr()?);
    thread::spawn(|| loop {
        let due = hubs.iter().filter_map(|hub| hub.turn(|endpoint| endpoint.poll_timeout())).min();
        thread::sleep(due.map_or(TICK, |due| due.saturating_since(now()).min(TICK)));
    });
    for socket in listener.incoming().flatten() {
        thread::spawn(|| Connection { socket, input: BytesMut::new(), stays: true }.serve(hubs));
    }
    Ok(())
}

/// A service and its sessions.
pub(crate) struct Hub {
    service: Service,
    app: App,
    state: Mutex<(Endpoint, Room)>,
}

impl Hub {
    pub(crate) fn new(settings: Settings, app: App) -> io::Result<Self> {
        let service = Service::new(settings).map_err(io::Error::other)?;
        let quota = Quota::whole(&service.settings().limits);
        let seed = u128::from(getrandom::u64()?) << 64 | u128::from(getrandom::u64()?);
        let endpoint = Endpoint::new(service.clone(), 0, quota, Seed::new(seed));
        Ok(Self { service, app, state: Mutex::new((endpoint, Room::new())) })
    }

    /// Whatever is done to the endpoint is done here: the drain contract, made code.
    pub(crate) fn turn<T>(&self, work: impl FnOnce(&mut Endpoint) -> T) -> T {
        let (endpoint, room) = &mut *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        endpoint.handle_timeout(now());
        let result = work(endpoint);
        while let Some(event) = endpoint.poll_event() {
            match event {
                Event::Opened(key, _) | Event::Readable(key) | Event::Writable(key) => {
                    room.entry(key).or_default();
                    let app = AssertUnwindSafe(|| (self.app)(endpoint, room, key));
                    if catch_unwind(app).is_err() {
                        endpoint.handle_panic(key, now());
                    }
                }
                Event::Closed(key, _report) => drop(room.remove(&key)),
                // The threads look for themselves.
                Event::Transmit(_) | Event::Resume(_) => {}
            }
        }
        result
    }

    /// Passes messages on. While the application lags, something else may be done.
    fn deliver(&self, key: SessionKey, batch: &mut Vec<Message>, mut meanwhile: impl FnMut()) -> Result<(), Refused> {
        loop {
            match self.turn(|endpoint| endpoint.handle_messages(key, batch, now())) {
                Err(Refused::Full) => meanwhile(),
                taken => return taken,
            }
            thread::sleep(TICK);
        }
    }

    /// Takes a frame, if there is one, writes it, and tells what became of it.
    fn transmit(
        &self,
        receiver: &mut Receiver,
        write: impl FnOnce(FrameKind, Bytes, bool) -> bool,
    ) -> bool {
        let mut frame = BytesMut::new();
        let transmit = self.turn(|endpoint| endpoint.poll_transmit(receiver, &mut frame));
        let Some(Transmit { chunk, frame: kind, fin }) = transmit else { return false };
        let is_written = write(kind, frame.freeze(), fin);
        self.turn(|endpoint| match chunk {
            Some(chunk) if is_written => endpoint.handle_written(chunk, now()),
            Some(chunk) => endpoint.handle_lost(chunk, now()),
            None => {}
        });
        true
    }
}

fn now() -> Timestamp {
    Timestamp::EPOCH + SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
}

struct Connection {
    socket: TcpStream,
    /// What was read and not used yet.
    input: BytesMut,
    /// Whether another request may follow.
    stays: bool,
}

impl Connection {
    fn serve(mut self, hubs: &[Hub]) -> io::Result<()> {
        self.socket.set_nodelay(true)?;
        self.socket.set_read_timeout(Some(TICK))?;
        self.socket.set_write_timeout(Some(PATIENCE))?;
        while self.stays {
            if self.exchange(hubs).is_none() {
                self.stays = false;
                if !self.input.is_empty() {
                    self.socket.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")?;
                }
            }
        }
        // Closed with input unread, a socket may take back what was written to it.
        self.socket.shutdown(Shutdown::Write)?;
        io::copy(&mut self.socket, &mut io::sink()).map(drop)
    }

    /// Waits a moment for input; `None` if there will be none, or not in time, or too much.
    fn listen(&mut self, max_bytes: usize, deadline: Timestamp) -> Option<()> {
        let mut piece = [0; HEAD_BYTES];
        match self.socket.read(&mut piece) {
            Ok(1..) if self.input.len() > max_bytes => None
            Ok(count @ 1..) => Some(self.input.extend_from_slice(&piece[..count])),
            Err(error) if IDLE.contains(&error.kind()) && now() < deadline => Some(()),
            _ => None,
        }
    }

    /// Reads the head of a request, and finds the length of its body, if both are beyond doubt.
    fn read_head(&mut self, deadline: Timestamp) -> Option<(Parts, usize)> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut parsed = httparse::Request::new(&mut headers);
            let httparse::Status::Complete(bytes) = parsed.parse(&self.input).ok()? else {
                self.listen(HEAD_BYTES, deadline)?;
                continue;
            };
            let version = [Version::HTTP_10, Version::HTTP_11][usize::from(parsed.version?)];
            let request = Request::builder().method(parsed.method?).uri(parsed.path?);
            let request = parsed.headers.iter().fold(request, |it, h| it.header(h.name, h.value));
            let (head, ()) = request.version(version).body(()).ok()?.into_parts();
            let count = |name| head.headers.get_all(name).iter().count();
            let counts = ["Host", "Content-Length", "Transfer-Encoding"].map(count);
            let length = head.headers.get("Content-Length").map_or(Ok("0"), |it| it.to_str()).ok()?;
            if !matches!(counts, [1, 0 | 1, 0]) || length.starts_with('+') {
                return None;
            }
            self.input.advance(bytes);
            return Some((head, length.parse().ok()?));
        }
    }
