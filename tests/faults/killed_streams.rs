//! Streaming clients that are killed in the middle of a frame, all at once.

use std::net::TcpStream;

use sockjs_core::Cause;
use sockjs_tests::client::{CALLBACK, Request, Session, WebSocket};

use crate::faults::support::{Subject, eventually, read_exact, request, reset, timed};

const CLIENTS: usize = 2_000;

/// Far more than the sockets between server and client hold.
const FLOOD: &str = "count=10000&bytes=8000";

/// What each of them may make the server hold is small, for there are many.
const HELD_BYTES: usize = 16 << 10;

/// A stream of which so many bytes were read: the first frame begins before, and ends behind.
fn stuck(subject: &Subject, number: usize) -> TcpStream {
    let stream = subject.tight_socket();
    let session = Session::new(subject.address(), "/flood");
    request(
        &stream,
        &match number % 4 {
            0 => Request::post(session.target(&format!("xhr_streaming?{FLOOD}"))),
            1 => Request::get(session.target(&format!("eventsource?{FLOOD}"))),
            2 => Request::get(session.target(&format!("htmlfile?c={CALLBACK}&{FLOOD}"))),
            _ => WebSocket::request(session.target(&format!("websocket?{FLOOD}"))),
        },
    );
    read_exact(&stream, 4_000 + number % 1_000);
    stream
}

#[test]
fn two_thousand_at_once() {
    let subject = Subject::start(|settings| {
        settings.outbox_bytes = HELD_BYTES;
        settings.window_bytes = HELD_BYTES;
        settings.send_buffer_bytes = Some(HELD_BYTES);
    });
    let streams: Vec<_> =
        timed("2,000 streams open", || (0..CLIENTS).map(|n| stuck(&subject, n)).collect());
    eventually("all are open", || subject.account().stats.open() == CLIENTS as u64);
    let killed = subject.account();
    streams.into_iter().for_each(reset);
    timed("2,000 streams are gone", || {
        eventually("all have ended", || subject.account().stats.open() == 0);
    });
    let account = subject.expect_recovered();
    let since = |cause| account.ended_by(cause) - killed.ended_by(cause);
    let ended = since(Cause::ClientGone) + since(Cause::Interrupted);
    assert!(ended >= CLIENTS as u64, "they left, nothing else: {:?}", account.causes);
    assert!(since(Cause::SlowConsumer) == 0, "nobody waited for them: {:?}", account.causes);
}
