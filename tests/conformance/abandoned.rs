//! PROTOCOL §5, rule 7: a receiver that breaks off ends its session.

use std::time::{Duration, Instant};

use sockjs_tests::client::{Session, Transport};

use super::support::{INTERRUPTED, server, server_with, wait_until_gone, waiting_poll};

/// "At once", with room for a busy machine; the disconnect delay of these servers is 60 s.
const AT_ONCE: Duration = Duration::from_secs(3);

/// The end is noticed although nobody asks for frames, and stays known.
#[track_caller]
fn expect_interrupted(session: &Session, broken_off: Instant) {
    let noticed = wait_until_gone(session).duration_since(broken_off);
    assert!(noticed < AT_ONCE, "noticed after {noticed:?}");
    for transport in Transport::ALL {
        session.expect(transport, &[INTERRUPTED]);
    }
    session.xhr_send(r#"["x"]"#).expect_status(404);
    session.jsonp_send("text/plain", r#"["x"]"#).expect_status(404);
}

#[test]
fn closing_a_stream() {
    let server = server();
    for transport in Transport::STREAMING {
        let session = server.session("/echo");
        drop(session.receive_first(transport, "o"));
        expect_interrupted(&session, Instant::now());
    }
}

#[test]
fn closing_a_waiting_poll() {
    let server = server();
    for transport in Transport::POLLING {
        let session = server.session("/echo").open();
        drop(waiting_poll(&session, transport));
        expect_interrupted(&session, Instant::now());
    }
}

#[test]
fn resetting_a_stream() {
    let server = server();
    for transport in Transport::STREAMING {
        let session = server.session("/echo");
        let receiver = session.receive_first(transport, "o");
        session.send(&["unread"]);
        receiver.into_connection().reset();
        expect_interrupted(&session, Instant::now());
    }
}

#[test]
fn half_closing_a_stream() {
    let server = server();
    for transport in Transport::STREAMING {
        let session = server.session("/echo");
        let connection = session.receive_first(transport, "o").into_connection();
        connection.half_close();
        expect_interrupted(&session, Instant::now());
    }
}

#[test]
fn closing_behind_pipelined_bytes() {
    let server = server();
    let pipelined: [&[u8]; 4] = [
        b"G",
        b"\r\n",
        b"GET /echo HTTP/1.1\r\nHost: localhost\r\n",
        b"GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ];
    for bytes in pipelined {
        for transport in Transport::STREAMING {
            let session = server.session("/echo");
            let mut connection = session.receive_first(transport, "o").into_connection();
            connection.send(bytes);
            drop(connection);
            expect_interrupted(&session, Instant::now());
        }
        for transport in Transport::POLLING {
            let session = server.session("/echo").open();
            let mut connection = waiting_poll(&session, transport).into_connection();
            connection.send(bytes);
            drop(connection);
            expect_interrupted(&session, Instant::now());
        }
    }
}

#[test]
fn closing_long_after_pipelined_bytes() {
    let server = server();
    let session = server.session("/echo");
    let mut receiver = session.receive_first(Transport::XhrStreaming, "o");
    session.send(&["x"]);
    receiver.expect(r#"a["x"]"#);
    let mut connection = receiver.into_connection();
    connection.send("P");
    // The byte has been seen by the time that a frame has passed after it.
    session.send(&["y"]);
    connection.expect_bytes("7\r\na[\"y\"]\n\r\n");
    drop(connection);
    expect_interrupted(&session, Instant::now());
}

#[test]
fn a_complete_answer_is_no_break() {
    let server = server();
    for transport in Transport::POLLING {
        let session = server.session("/echo");
        for frame in ["o", r#"a["x"]"#, r#"a["x"]"#] {
            let mut receiver = session.receive_first(transport, frame);
            assert_eq!(receiver.next_frame(), None);
            drop(receiver);
            session.send(&["x"]);
        }
    }
}

#[test]
fn other_sessions_go_on() {
    let server = server();
    let (gone, other) = (server.session("/echo"), server.session("/echo"));
    let mut receiver = other.receive_first(Transport::XhrStreaming, "o");
    drop(gone.receive_first(Transport::XhrStreaming, "o"));
    wait_until_gone(&gone);
    other.send(&["x"]);
    receiver.expect(r#"a["x"]"#);
}

#[test]
fn the_end_is_forgotten_after_a_disconnect_delay() {
    let server = server_with(&["--disconnect", "300ms"]);
    let session = server.session("/echo");
    drop(session.receive_first(Transport::XhrStreaming, "o"));
    // Asking may prolong it, so each time it is left alone for longer.
    let forgotten = (0..5).any(|attempt| {
        std::thread::sleep(Duration::from_millis(400 << attempt));
        session.poll() == "o"
    });
    assert!(forgotten, "the session still answers its close frame");
}
