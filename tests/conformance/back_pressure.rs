//! PROTOCOL §6: an application that lags.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use sockjs_tests::client::{Frame, Opcode, Request, Transport, json_array};

use super::support::{expect_cors, server};

/// The delay is 10 s at most; the rest is patience.
const LONGEST: Duration = Duration::from_secs(20);

#[test]
fn a_full_inbox_delays_then_ends_the_session() {
    let server = server();
    let session = server.session("/slow").open();
    let body = json_array(&["x".repeat(1000)]);
    let refused = (0..10).find_map(|_| {
        let mut connection = session.connect();
        connection.set_patience(LONGEST);
        let asked = Instant::now();
        let answer = connection.exchange(&Request::post(session.target("xhr_send")).body(&body));
        match answer.status() {
            204 => None,
            _ => Some((answer, asked.elapsed())),
        }
    });
    let (answer, delay) = refused.expect("10,000 bytes do not fit into 4 KiB");
    expect_cors(answer.expect_status(503).head(), None);
    assert!(delay >= Duration::from_secs(1), "refused after {delay:?} only");
    for transport in Transport::ALL {
        let mut receiver = session.receive(transport);
        let frame = receiver.frame();
        assert!(frame.starts_with("c[1002,"), "{frame} on {transport:?}");
        receiver.end();
    }
}

#[test]
fn a_full_inbox_stops_the_reading_of_a_websocket() {
    let server = server();
    let mut socket = server.websocket_session("/slow");
    let connection = socket.connection();
    connection.set_patience(Duration::from_secs(1));
    let frame = Frame::new(Opcode::TEXT, json_array(&["x".repeat(100_000)])).to_bytes();
    // Far more than the system buffers between the two.
    let stopped = (0..640).find_map(|_| connection.try_send(&frame).err());
    let kind = stopped.expect("64 MB are read into an inbox of 4 KiB").kind();
    assert!(matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{kind}");
}

#[test]
fn a_full_inbox_is_this_sessions_alone() {
    let server = server();
    let slow = server.session("/slow").open();
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let mut connection = slow.connect();
            let body = json_array(&["x".repeat(1000)]);
            connection.send(Request::post(slow.target("xhr_send")).body(body).to_bytes());
            connection
        })
        .collect();
    let other = server.session("/slow").open();
    other.send(&["x"]);
    let echo = server.session("/echo").open();
    echo.send(&["x"]);
    assert_eq!(echo.poll(), r#"a["x"]"#);
    drop(waiting);
}
