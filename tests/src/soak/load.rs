//! What the clients of the soak do: each thread is one client after the other.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sockjs_core::testing::Random;

use crate::client::{
    Connection, Frame, Message, Opcode, Request, Session, Transport, WebSocket, json_array,
};

/// What has been done so far.
#[derive(Debug, Default)]
pub struct Tally {
    /// Clients that did what they wanted.
    pub clients: AtomicU64,
    /// Those that the server did not treat as it should; what it did was printed.
    pub failures: AtomicU64,
}

/// What a client may want.
const WANTS: [fn(SocketAddr, &mut Random); 10] = [
    echo_over_http,
    echo_over_a_websocket,
    echo_over_the_raw_path,
    stay_a_while,
    listen_to_broadcasts,
    break_off,
    read_slowly,
    never_read,
    leave_without_a_word,
    talk_nonsense,
];

/// Is one client after the other until it is told that it is over.
pub(super) fn run(address: SocketAddr, seed: u64, is_over: &AtomicBool, tally: &Tally) {
    let mut random = Random::new(seed);
    while !is_over.load(Ordering::Relaxed) {
        let want = random.pick(&WANTS);
        let count = match catch_unwind(AssertUnwindSafe(|| want(address, &mut random))) {
            Ok(()) => &tally.clients,
            Err(_) => &tally.failures,
        };
        count.fetch_add(1, Ordering::Relaxed);
        pause(&mut random, 400);
    }
}

fn pause(random: &mut Random, most_millis: u64) {
    std::thread::sleep(Duration::from_millis(random.below(most_millis + 1)));
}

/// Some messages, now and then long ones.
fn messages(random: &mut Random) -> Vec<String> {
    let count = random.between(1, 10);
    let message = |random: &mut Random| {
        let most = if random.once_in(20) { 20_000 } else { 200 };
        "é".repeat(usize::try_from(random.below(most)).unwrap_or(0))
    };
    (0..count).map(|_| message(random)).collect()
}

fn echo_over_http(address: SocketAddr, random: &mut Random) {
    let transport = random.pick(&Transport::ALL);
    let session = Session::new(address, "/echo");
    let mut receiver = session.receive(transport);
    receiver.expect("o");
    for _ in 0..random.between(1, 5) {
        let mut expected = messages(random);
        session.send(&expected);
        while !expected.is_empty() {
            let Some(frame) = receiver.next_frame() else {
                receiver = session.receive(transport);
                continue;
            };
            for message in crate::client::messages_in(&frame) {
                assert_eq!(message, expected.remove(0));
            }
        }
        pause(random, 50);
    }
}

fn echo_over_a_websocket(address: SocketAddr, random: &mut Random) {
    let mut socket = open(address, "/echo", "");
    for _ in 0..random.between(1, 20) {
        let sent = messages(random);
        socket.send_text(&json_array(&sent));
        let mut received = Vec::new();
        while received.len() < sent.len() {
            received.extend(crate::client::messages_in(&text(&mut socket)));
        }
        assert_eq!(received, sent);
    }
    socket.send(&Frame::close(1000, "bye"));
    assert!(matches!(socket.read(), Message::Close(Some((1000, _)))));
}

fn echo_over_the_raw_path(address: SocketAddr, random: &mut Random) {
    let mut socket = WebSocket::open(address, "/echo/websocket");
    for message in messages(random) {
        socket.send_text(&message);
        socket.expect_text(&message);
    }
}

/// Holds a session through its heartbeats.
fn stay_a_while(address: SocketAddr, random: &mut Random) {
    let end = Instant::now() + Duration::from_secs(random.between(6, 40));
    if random.once_in(2) {
        let mut socket = open(address, "/echo", "");
        while Instant::now() < end {
            assert_eq!(socket.text(), "h");
        }
    } else {
        let transport = random.pick(&Transport::STREAMING);
        let mut stream = Session::new(address, "/echo").receive_first(transport, "o");
        while Instant::now() < end {
            stream.expect("h");
        }
    }
}

/// Is a member of the group for a while, and says something to all of it.
fn listen_to_broadcasts(address: SocketAddr, random: &mut Random) {
    let mut socket = open(address, "/broadcast", "");
    for _ in 0..random.between(1, 5) {
        let message = format!("from {:x}", random.number());
        socket.send_text(&json_array(&[&message]));
        while !text(&mut socket).contains(&message) {}
        pause(random, 2000);
    }
}

/// Leaves in the middle of a frame.
fn break_off(address: SocketAddr, random: &mut Random) {
    let mut connection = flooded(address, random, 20, 5_000);
    let read = random.between(1, 8_000);
    connection.read_exact(usize::try_from(read).unwrap_or(1));
    connection.reset();
}

/// Reads all of it, a little at a time.
fn read_slowly(address: SocketAddr, random: &mut Random) {
    let mut connection = flooded(address, random, 40, 10_000);
    let step = usize::try_from(random.between(5_000, 40_000)).unwrap_or(1);
    let mut left = 128_000_usize;
    while left > step {
        left -= connection.read_exact(step).len();
        pause(random, 200);
    }
}

/// Is sent more than anybody holds for it, until it is cut off.
fn never_read(address: SocketAddr, random: &mut Random) {
    let connection = flooded(address, random, 100, 50_000);
    std::thread::sleep(Duration::from_secs(random.between(1, 6)));
    drop(connection);
}

fn leave_without_a_word(address: SocketAddr, random: &mut Random) {
    let session = Session::new(address, "/echo").open();
    if random.once_in(2) {
        session.send(&messages(random));
    }
    if random.once_in(2) {
        // Or in the middle of a request.
        let request = Request::post(session.target("xhr_send")).body(r#"["never complete"]"#);
        let bytes = request.to_bytes();
        session.connect().send(&bytes[..bytes.len() / 2]);
    }
}

fn talk_nonsense(address: SocketAddr, random: &mut Random) {
    let mut connection = Connection::open(address);
    match random.below(4) {
        0 => connection.send("GET / HTTP/9.9\r\n\r\n"),
        1 => connection.send("\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n"),
        2 => {
            let session = Session::new(address, "/echo").open();
            session.xhr_send("{not JSON").expect_status(500);
            return;
        }
        _ => {
            let mut socket = open(address, "/echo", "");
            socket.send(&Frame::new(Opcode::TEXT, "[\"\"]").reserved(0x40));
            socket.expect_close(1002);
            return;
        }
    }
    connection.read_to_end();
}

/// A WebSocket session, its `o` read.
fn open(address: SocketAddr, base: &str, query: &str) -> WebSocket {
    let path = Session::new(address, base).target(&format!("websocket{query}"));
    WebSocket::open_session(address, path)
}

/// The next text that is no heartbeat.
fn text(socket: &mut WebSocket) -> String {
    loop {
        let text = socket.text();
        if text != "h" {
            return text;
        }
    }
}

/// A connection on which so many messages arrive.
fn flooded(address: SocketAddr, random: &mut Random, count: u64, bytes: u64) -> Connection {
    let session = Session::new(address, "/flood");
    let target = |name| session.target(&format!("{name}?count={count}&bytes={bytes}"));
    let request = match random.below(3) {
        0 => WebSocket::request(target("websocket")),
        1 => Request::get(target("eventsource")),
        _ => Request::post(target("xhr_streaming")),
    };
    let mut connection = session.connect();
    connection.send(request.to_bytes());
    connection
}
