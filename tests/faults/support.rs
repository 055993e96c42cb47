//! The server under attack, how it must be afterwards, and sockets that misbehave.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};
use sockjs_tests::client::{Message, PATIENCE, Request, Session, Transport, WebSocket, frame_of};
use sockjs_tests::watched::{Account, Settings, Usage, Watched};

use crate::adapter;

/// How long the server may take to be as it was. Generous: only a leak waits for so long.
const RECOVERY: Duration = Duration::from_secs(30);

/// What the heap may hold afterwards that it did not before: tables keep room for as many sessions
/// as they once had, and the account remembers sessions by name. (What the process keeps of memory
/// that was freed is the system's allocator to decide, and not looked at.)
const KEPT_BYTES: usize = 5 << 20;

/// Services of the watched server. Each has a task for each processor, from its first use.
const SERVICES: usize = 4;

/// A watched server that no other test disturbs.
pub(crate) struct Subject {
    watched: Watched,
    usage: Usage,
    account: Account,
    _alone: MutexGuard<'static, ()>,
}

impl Subject {
    /// A server with these settings, after it has served each transport once.
    pub(crate) fn start(change: impl FnOnce(&mut Settings)) -> Self {
        Self::prepare(change, |watched| watched)
    }

    /// The same, for handlers that panic.
    pub(crate) fn that_may_panic(change: impl FnOnce(&mut Settings)) -> Self {
        Self::prepare(change, Watched::may_panic)
    }

    fn prepare(
        change: impl FnOnce(&mut Settings),
        finish: impl FnOnce(Watched) -> Watched,
    ) -> Self {
        // They measure: one at a time, whatever the number of test threads.
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        rlimit::increase_nofile_limit(u64::MAX).expect("the limit of descriptors is raised");
        let mut settings = Settings::on(adapter::RUNTIME);
        settings.disconnect = Duration::from_secs(2);
        change(&mut settings);
        let watched = finish(Watched::start(adapter::PROGRAM, &[], settings));
        serve_a_client(&watched);
        eventually("the server is idle", || watched.account().is_quiet());
        let (usage, account) = (watched.usage(), watched.account());
        Self { watched, usage, account, _alone: alone }
    }

    /// The most that the heap has grown by so far.
    pub(crate) fn peak_growth_bytes(&self) -> usize {
        self.account().heap.peak_bytes.saturating_sub(self.account.heap.bytes)
    }

    /// The memory that the process has grown by.
    pub(crate) fn resident_growth_bytes(&self) -> u64 {
        self.usage().resident_bytes.saturating_sub(self.usage.resident_bytes)
    }

    /// Descriptors that were open when it started.
    pub(crate) fn descriptors_at_start(&self) -> usize {
        self.usage.descriptors
    }

    /// Requires that the server still serves, that each session was reported once and rightly, and
    /// that nothing is left of them. Returns its account.
    #[track_caller]
    pub(crate) fn expect_recovered(&self) -> Account {
        serve_a_client(&self.watched);
        let (mut account, mut usage) = (self.account(), self.usage());
        let deadline = Instant::now() + RECOVERY;
        while Instant::now() < deadline && !self.is_as_it_was(&account, &usage) {
            std::thread::sleep(Duration::from_millis(20));
            (account, usage) = (self.account(), self.usage());
        }
        eprintln!(
            "{} sessions; heap {} → {} (peak {}), resident {} → {}, descriptors {} → {}, tasks {} → {}",
            account.opened,
            kib(self.account.heap.bytes),
            kib(account.heap.bytes),
            kib(account.heap.peak_bytes),
            kib(self.usage.resident_bytes as usize),
            kib(usage.resident_bytes as usize),
            self.usage.descriptors,
            usage.descriptors,
            self.account.tasks,
            account.tasks,
        );
        let start = (&self.account, &self.usage);
        assert!(
            self.is_as_it_was(&account, &usage),
            "not as it was\nbefore {start:?}\nafter  {:?}",
            (&account, &usage)
        );
        account.expect_right();
        account
    }

    fn is_as_it_was(&self, account: &Account, usage: &Usage) -> bool {
        account.is_quiet()
            && account.tasks <= self.account.tasks + SERVICES * processors()
            && account.heap.bytes <= self.account.heap.bytes + KEPT_BYTES
            && usage.descriptors <= self.usage.descriptors
    }

    /// How long a new client takes from its first packet to the echo of its message; the median of
    /// several, each on a connection of its own.
    #[track_caller]
    pub(crate) fn median_service_time(&self) -> Duration {
        let mut times: Vec<Duration> = (0..9)
            .map(|_| {
                let start = Instant::now();
                let mut socket = self.server().websocket_session("/echo");
                socket.send_text(r#"["are you there?"]"#);
                socket.expect_text(&frame_of(&["are you there?"]));
                start.elapsed()
            })
            .collect();
        times.sort_unstable();
        times[times.len() / 2]
    }

    /// A raw connection.
    #[track_caller]
    pub(crate) fn socket(&self) -> TcpStream {
        connect(self.address(), None)
    }

    /// A raw connection for which the system holds as little as it can.
    #[track_caller]
    pub(crate) fn tight_socket(&self) -> TcpStream {
        connect(self.address(), Some(1))
    }
}

impl std::ops::Deref for Subject {
    type Target = Watched;

    fn deref(&self) -> &Watched {
        &self.watched
    }
}

/// Echoes a message over each transport, and leaves.
#[track_caller]
fn serve_a_client(watched: &Watched) {
    let message = "a fresh client's message";
    let frame = frame_of(&[message]);
    for transport in Transport::ALL {
        let session = Session::new(watched.address(), "/echo");
        if transport.is_polling() {
            session.expect(transport, &["o"]);
            session.send(&[message]);
            session.expect(transport, &[&frame]);
            // Leaving while it waits is a polling client's goodbye.
            drop(session.waiting_poll(transport));
        } else {
            let mut stream = session.receive_first(transport, "o");
            session.send(&[message]);
            stream.expect(&frame);
        }
    }
    let mut socket = watched.server().websocket_session("/echo");
    socket.send_text(r#"["a fresh client's message"]"#);
    socket.expect_text(&frame);
    socket.send(&sockjs_tests::client::Frame::close(1000, ""));
    assert!(matches!(socket.read(), Message::Close(_)), "a close is answered");
}

#[track_caller]
fn connect(address: SocketAddr, receive_buffer_bytes: Option<usize>) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    if let Some(bytes) = receive_buffer_bytes {
        // Before the connection is made, for its window comes from it.
        socket.set_recv_buffer_size(bytes).expect("a receive buffer");
    }
    let connected = socket.connect_timeout(&address.into(), PATIENCE);
    connected.unwrap_or_else(|error| panic!("no connection to {address}: {error}"));
    // Closed in order, each would hold a port for a minute, and there are not enough of them.
    socket.set_linger(Some(Duration::ZERO)).expect("no lingering");
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true).expect("TCP_NODELAY");
    stream.set_read_timeout(Some(PATIENCE)).expect("a read timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("a write timeout");
    stream
}

/// Closes a connection by a reset, whatever is still on its way.
pub(crate) fn reset(stream: TcpStream) {
    // Fails where the server has reset it before.
    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
}

/// Sends a request.
#[track_caller]
pub(crate) fn request(mut stream: &TcpStream, request: &Request) {
    stream.write_all(&request.to_bytes()).expect("a request is sent");
}

/// Reads exactly so many bytes.
#[track_caller]
pub(crate) fn read_exact(mut stream: &TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).unwrap_or_else(|error| panic!("{count} bytes: {error}"));
    bytes
}

/// Reads what comes until the server closes or resets.
#[track_caller]
pub(crate) fn read_to_end(mut stream: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => {
            panic!("no end after {}: {error}", bytes.escape_ascii());
        }
        _ => bytes,
    }
}

/// Opens a WebSocket on a raw connection, without a word on frames.
#[track_caller]
pub(crate) fn shake_hands(stream: &TcpStream, path: &str) {
    request(stream, &WebSocket::request(path));
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(read_exact(stream, 1));
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", head.escape_ascii());
}

/// Threads that a runtime has for its tasks, and parts into which a service divides its sessions.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Asks again and again until the answer is yes.
#[track_caller]
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + RECOVERY;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {RECOVERY:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Times a fault, for the record.
pub(crate) fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    eprintln!("{what}: {:.1} s", start.elapsed().as_secs_f64());
    result
}

/// For messages to readers.
pub(crate) fn kib(bytes: usize) -> String {
    format!("{} KiB", bytes / 1024)
}
