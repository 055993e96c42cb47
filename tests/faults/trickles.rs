//! Clients that read or send a byte at a time, for ever. A second is a twentieth here, and the
//! server's deadlines are shorter in proportion, so that it is the same.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use sockjs_core::Cause;
use sockjs_tests::client::{Frame, Opcode, Request, Session, WebSocket, frame_of, json_array};

use crate::faults::support::{Subject, eventually, read_exact, request, shake_hands, timed};

/// Between two bytes.
const PACE: Duration = Duration::from_millis(50);

/// How long the server may wait for any of them.
const DEADLINE: Duration = Duration::from_secs(2);

/// Until when none may be left; far beyond the deadline, for machines that are busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// Of each kind.
const CLIENTS: usize = 50;

struct Trickle {
    stream: TcpStream,
    sends: bool,
    heard: Vec<u8>,
}

/// A client that sends a byte at a time from now on.
fn sender(stream: TcpStream) -> Trickle {
    stream.set_nonblocking(true).expect("non-blocking");
    Trickle { stream, sends: true, heard: Vec::new() }
}

/// A client that reads a byte at a time from now on.
fn reader(stream: TcpStream) -> Trickle {
    Trickle { sends: false, ..sender(stream) }
}

impl Trickle {
    /// One byte more. Whether the server still bears it.
    fn step(&mut self) -> bool {
        let mut byte = [b'1'; 1];
        if self.sends {
            // What the server says is read at once.
            let mut said = [0; 1024];
            return match self.stream.read(&mut said) {
                Ok(count @ 1..) => {
                    self.heard.extend(said.get(..count).unwrap_or_default());
                    true
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.stream.write_all(&byte).is_ok()
                }
                _ => false,
            };
        }
        match self.stream.read(&mut byte) {
            Ok(0) => false,
            Ok(_) => true,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }
}

/// Goes on until the server has cut off all of them, and gives back what they heard.
fn trickle(mut clients: Vec<Trickle>) -> Vec<Vec<u8>> {
    let deadline = Instant::now() + PATIENCE;
    let mut heard = Vec::new();
    while !clients.is_empty() {
        let left = clients.len();
        assert!(Instant::now() < deadline, "{left} clients still trickle after {PATIENCE:?}");
        for mut client in std::mem::take(&mut clients) {
            if client.step() {
                clients.push(client);
            } else {
                heard.push(client.heard);
            }
        }
        std::thread::sleep(PACE);
    }
    heard
}

fn expect_all_told(heard: &[Vec<u8>], status: &str) {
    let told = heard.iter().filter(|heard| heard.starts_with(status.as_bytes())).count();
    assert_eq!(told, CLIENTS, "clients that were told {status}");
}

#[test]
fn heads() {
    let subject = Subject::start(|settings| settings.head_timeout = DEADLINE);
    let client = |number: usize| {
        let mut stream = subject.socket();
        // Half of them after a request that was in order.
        if number.is_multiple_of(2) {
            request(&stream, &Request::get("/echo"));
            let answer = b"Welcome to SockJS!\n";
            let mut heard = Vec::new();
            while !heard.ends_with(answer) {
                heard.extend(read_exact(&stream, 1));
            }
        }
        stream.write_all(b"GET /echo/info HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").expect("sent");
        sender(stream)
    };
    let clients = (0..CLIENTS).map(client).collect();
    let heard = timed("50 heads", || trickle(clients));
    expect_all_told(&heard, "HTTP/1.1 408 ");
    subject.expect_recovered();
}

#[test]
fn bodies() {
    let subject = Subject::start(|settings| {
        settings.body_timeout = DEADLINE;
        settings.disconnect = Duration::from_secs(10);
    });
    let session = Session::new(subject.address(), "/echo").open();
    let client = |number: usize| {
        let mut stream = subject.socket();
        let post = Request::post(session.target("xhr_send"));
        if number.is_multiple_of(2) {
            request(&stream, &post.header("Content-Length", "100000"));
            stream.write_all(b"[").expect("sent");
        } else {
            request(&stream, &post.header("Transfer-Encoding", "chunked"));
            stream.write_all(b"1000\r\n[").expect("sent");
        }
        sender(stream)
    };
    let clients = (0..CLIENTS).map(client).collect();
    let heard = timed("50 bodies", || trickle(clients));
    expect_all_told(&heard, "HTTP/1.1 408 ");
    assert_eq!(subject.account().stats.open(), 1, "the session itself goes on");
    subject.expect_recovered();
}

/// Whoever sends lives, however slowly; whoever stops in the middle does not.
#[test]
fn messages_over_websockets() {
    let subject = Subject::start(|settings| {
        settings.heartbeat = DEADLINE / 2;
        settings.pong_deadline = DEADLINE / 2;
    });
    let open = |_| {
        let stream = subject.socket();
        shake_hands(&stream, &Session::new(subject.address(), "/echo").target("websocket"));
        stream
    };
    let streams: Vec<_> = (0..CLIENTS).map(open).collect();
    // Longer on its way than the server waits for a pong, which cannot come before its end.
    let message = "x".repeat(120);
    let frame = Frame::new(Opcode::TEXT, json_array(&[&message])).to_bytes();
    timed("50 messages over WebSockets", || {
        for (number, byte) in frame.iter().enumerate() {
            for (mut stream, client) in streams.iter().zip(0..) {
                if client % 2 == 0 || number < frame.len() / 3 {
                    stream.write_all(&[*byte]).expect("the server bears it");
                }
            }
            std::thread::sleep(PACE);
        }
    });
    let echo = frame_of(&[&message]).into_bytes();
    for stream in streams.iter().step_by(2) {
        let mut heard = Vec::new();
        while !heard.ends_with(&echo) {
            heard.extend(read_exact(stream, 1));
        }
    }
    eventually("the silent ones are cut", || {
        subject.account().ended_by(Cause::Heartbeat) == CLIENTS as u64 / 2
    });
    drop(streams);
    let account = subject.expect_recovered();
    assert_eq!(account.ended_by(Cause::Heartbeat), CLIENTS as u64 / 2, "{:?}", account.causes);
}

#[test]
fn readers() {
    const HELD_BYTES: usize = 16 << 10;
    let subject = Subject::start(|settings| {
        settings.write_stall = DEADLINE;
        settings.send_buffer_bytes = Some(HELD_BYTES);
        settings.outbox_bytes = HELD_BYTES;
    });
    let client = |number: usize| {
        let stream = subject.tight_socket();
        let session = Session::new(subject.address(), "/flood");
        let target = |name| session.target(&format!("{name}?count=10000&bytes=8000"));
        request(
            &stream,
            &match number % 2 {
                0 => Request::post(target("xhr_streaming")),
                _ => WebSocket::request(target("websocket")),
            },
        );
        reader(stream)
    };
    let clients: Vec<_> = (0..CLIENTS).map(client).collect();
    // They still have what the system holds for them to read, so they do not learn of it soon.
    let stepping = std::thread::spawn(move || {
        let mut clients = clients;
        let deadline = Instant::now() + DEADLINE * 3;
        while Instant::now() < deadline {
            clients.retain_mut(Trickle::step);
            std::thread::sleep(PACE);
        }
    });
    timed("50 readers", || {
        eventually("all are cut", || {
            subject.account().ended_by(Cause::SlowConsumer) == CLIENTS as u64
        });
    });
    stepping.join().expect("the readers read");
    subject.expect_recovered();
}
