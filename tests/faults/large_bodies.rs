//! Bodies and messages without an end, or of a size that nobody takes.

use std::io::{Read, Write};
use std::net::TcpStream;

use sockjs_tests::client::{Frame, Opcode, Request, Session};

use crate::faults::support::{Subject, kib, read_to_end, request, shake_hands, timed};

const MIB: usize = 1 << 20;

/// `Limits::message_bytes` by default.
const LIMIT_BYTES: usize = 2 * MIB;

/// What a client may still get rid of behind what the server takes: what a closing connection
/// swallows (4 MiB), and what the sockets hold.
const BEHIND_BYTES: usize = 24 * MIB;

/// What the server may hold for one such client: what it takes, gathered in a buffer that doubles.
const BUDGET_BYTES: usize = 3 * LIMIT_BYTES;

/// Of each kind, one after the other.
const CLIENTS: usize = 5;

/// A session that is open for long enough.
fn session(subject: &Subject) -> Session {
    Session::new(subject.address(), "/echo").open()
}

/// Writes a piece again and again until the server has had enough; how much that was.
fn pour(mut stream: &TcpStream, piece: &[u8]) -> usize {
    let mut poured = 0;
    while poured < 1 << 30 {
        match stream.write(piece) {
            Ok(count @ 1..) => poured += count,
            _ => return poured,
        }
    }
    panic!("the server takes a GiB");
}

fn expect_budget(subject: &Subject) {
    let peak = subject.peak_growth_bytes();
    eprintln!("the heap grew by {} of {}", kib(peak), kib(BUDGET_BYTES));
    assert!(peak <= BUDGET_BYTES, "the heap grew by {peak} bytes");
    subject.expect_recovered();
}

/// Without an end, in chunks; for a session that is there, and for one that is not.
fn endless(is_known: bool, most_bytes: usize) {
    let subject = Subject::start(|_| ());
    let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
    for _ in 0..CLIENTS {
        let session = Session::new(subject.address(), "/echo");
        let session = if is_known { session.open() } else { session };
        let stream = subject.socket();
        let post = Request::post(session.target("xhr_send"));
        request(&stream, &post.header("Transfer-Encoding", "chunked"));
        let poured = timed("an endless body", || pour(&stream, &chunk));
        eprintln!("{} were poured", kib(poured));
        assert!(poured < most_bytes + BEHIND_BYTES, "{poured} bytes were taken");
    }
    expect_budget(&subject);
}

#[test]
fn an_endless_body_in_chunks() {
    endless(true, LIMIT_BYTES);
}

#[test]
fn an_endless_body_for_nobody() {
    endless(false, 64 << 10);
}

#[test]
fn a_gib_announced() {
    let subject = Subject::start(|_| ());
    let length = (1_u64 << 30).to_string();
    for expect in [None, Some("100-continue")] {
        let session = session(&subject);
        let stream = subject.socket();
        let mut post = Request::post(session.target("xhr_send")).header("Content-Length", &length);
        if let Some(expect) = expect {
            post = post.header("Expect", expect);
        }
        request(&stream, &post);
        // Before the first byte of the body.
        let answer = read_to_end(&stream);
        assert!(answer.starts_with(b"HTTP/1.1 413 "), "{}", answer.escape_ascii());
        session.send(&["the session goes on"]);
    }
    let peak = subject.peak_growth_bytes();
    assert!(peak < MIB, "the heap grew by {peak} bytes");
    subject.expect_recovered();
}

#[test]
fn a_body_that_says_it_is_compressed() {
    /// A stream of gzip: its magic, its method, no flags, no time, and what is no JSON.
    const GZIP: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xed\xc1\x31\x01\x00";

    let subject = Subject::start(|_| ());
    for coding in ["gzip", "deflate", "br", "gzip, gzip"] {
        let session = session(&subject);
        let post = Request::post(session.target("xhr_send")).header("Content-Encoding", coding);
        let answer = session.exchange(&post.body(GZIP.repeat(1000)));
        assert!(!(200..300).contains(&answer.status()), "{coding}: {}", answer.status());
        session.send(&["the session goes on"]);
    }
    let peak = subject.peak_growth_bytes();
    assert!(peak < MIB, "the heap grew by {peak} bytes");
    subject.expect_recovered();
}

/// Sends these over a WebSocket and expects a close with this code.
fn expect_close(subject: &Subject, code: u16, send: impl FnOnce(&TcpStream)) {
    let mut stream = subject.socket();
    shake_hands(&stream, &Session::new(subject.address(), "/echo").target("websocket"));
    let mut open = [0; 3];
    stream.read_exact(&mut open).expect("the open frame");
    assert_eq!(&open, b"\x81\x01o");
    send(&stream);
    let mut close = [0; 4];
    stream.read_exact(&mut close).expect("a close");
    assert_eq!((close[0], u16::from_be_bytes([close[2], close[3]])), (0x88, code));
}

#[test]
fn a_gib_announced_over_a_websocket() {
    let subject = Subject::start(|_| ());
    for _ in 0..CLIENTS {
        expect_close(&subject, 1009, |mut stream| {
            let frame = Frame::new(Opcode::TEXT, "[").announcing(1 << 30);
            stream.write_all(&frame.to_bytes()).expect("sent");
        });
    }
    let peak = subject.peak_growth_bytes();
    assert!(peak < MIB, "the heap grew by {peak} bytes");
    subject.expect_recovered();
}

#[test]
fn endless_fragments_over_a_websocket() {
    let subject = Subject::start(|_| ());
    for _ in 0..CLIENTS {
        expect_close(&subject, 1009, |mut stream| {
            let piece = "x".repeat(64 << 10);
            let first = Frame::new(Opcode::TEXT, &piece).more().to_bytes();
            let next = Frame::new(Opcode::CONTINUATION, &piece).more().to_bytes();
            stream.write_all(&first).expect("sent");
            // Exactly what is allowed, then a piece too many, so that nothing stays unread.
            for _ in 0..LIMIT_BYTES / piece.len() {
                stream.write_all(&next).expect("sent");
            }
        });
    }
    expect_budget(&subject);
}

#[test]
fn a_compressed_message_over_a_websocket() {
    let subject = Subject::start(|_| ());
    for _ in 0..CLIENTS {
        expect_close(&subject, 1002, |mut stream| {
            let frame = Frame::new(Opcode::TEXT, b"\x8a\x56\x4a\x04\x00").reserved(0x40);
            stream.write_all(&frame.to_bytes()).expect("sent");
        });
    }
    subject.expect_recovered();
}
