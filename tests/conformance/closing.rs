//! PROTOCOL §5, rule 5: the application closes the session.

use std::time::{Duration, Instant};

use sockjs_tests::client::{Receiver, Session, Transport, messages_in};

use super::support::{GO_AWAY, server, server_with, wait_until_gone, waiting_poll};

const DONE: &str = r#"c[4001,"done"]"#;

/// Frames of one response until the close frame, which must be the last; false if it never came.
#[track_caller]
fn collect(receiver: &mut Receiver, messages: &mut Vec<String>, close: &str) -> bool {
    while let Some(frame) = receiver.next_frame() {
        if frame == close {
            assert_eq!(receiver.next_frame(), None, "a frame after the close frame");
            return true;
        }
        messages.extend(messages_in(&frame));
    }
    false
}

#[track_caller]
fn expect_closed(session: &Session, close: &str) {
    for transport in Transport::ALL.into_iter().chain(Transport::ALL) {
        session.expect(transport, &[close]);
    }
}

#[test]
fn on_a_poll_the_close_comes_in_the_next() {
    let server = server();
    for transport in Transport::POLLING {
        for _ in 0..20 {
            let session = server.session("/close");
            session.expect(transport, &["o"]);
            session.expect(transport, &[GO_AWAY]);
        }
    }
}

#[test]
fn on_a_stream_the_close_ends_it() {
    let server = server();
    for transport in Transport::STREAMING {
        for _ in 0..20 {
            server.session("/close").expect(transport, &["o", GO_AWAY]);
        }
    }
}

#[test]
fn later_receivers_get_the_close_again() {
    let server = server();
    for transport in Transport::ALL {
        let session = server.session("/close");
        let mut receiver = session.receive_first(transport, "o");
        while receiver.next_frame().is_some() {}
        expect_closed(&session, GO_AWAY);
    }
}

#[test]
fn sends_to_a_closed_session_are_dropped() {
    let server = server();
    let session = server.session("/close").open();
    session.expect(Transport::Xhr, &[GO_AWAY]);
    session.xhr_send(r#"["x"]"#).expect_status(204);
    session.xhr_send("[]").expect_status(204);
    session.jsonp_send("text/plain", r#"["x"]"#).expect_status(200).expect_body("ok");
    expect_closed(&session, GO_AWAY);
}

#[test]
fn queued_messages_come_before_the_close() {
    let server = server();
    for transport in Transport::ALL {
        let session = server.session("/send_then_close").open();
        session.send(&["go"]);
        let mut messages = Vec::new();
        while !collect(&mut session.receive(transport), &mut messages, DONE) {}
        assert_eq!(messages, ["a", "b", "c"]);
        expect_closed(&session, DONE);
    }
}

#[test]
fn an_attached_stream_gets_messages_and_close() {
    let server = server();
    for transport in Transport::STREAMING {
        let session = server.session("/send_then_close");
        let mut receiver = session.receive_first(transport, "o");
        session.send(&["go"]);
        let mut messages = Vec::new();
        assert!(collect(&mut receiver, &mut messages, DONE), "the stream ended without a close");
        assert_eq!(messages, ["a", "b", "c"]);
        expect_closed(&session, DONE);
    }
}

#[test]
fn a_waiting_poll_gets_its_frame_and_the_next_the_close() {
    let server = server();
    for transport in Transport::POLLING {
        let session = server.session("/send_then_close").open();
        let mut receiver = waiting_poll(&session, transport);
        session.send(&["go"]);
        let mut messages = Vec::new();
        while !collect(&mut receiver, &mut messages, DONE) {
            receiver = session.receive(transport);
        }
        assert_eq!(messages, ["a", "b", "c"]);
        expect_closed(&session, DONE);
    }
}

#[test]
fn never_2010_after_the_close() {
    let server = server();
    for transport in Transport::STREAMING {
        let session = server.session("/close");
        let mut connection = session.connect();
        connection.send(transport.request(session.path()).to_bytes());
        // The first response is on its way and unread; the session is closed all the same.
        let mut first = Receiver::sent(connection, transport, transport.request(session.path()));
        first.expect("o").expect(GO_AWAY);
        expect_closed(&session, GO_AWAY);
        first.end();
    }
}

#[test]
fn the_close_is_forgotten_after_a_disconnect_delay() {
    const DELAY: Duration = Duration::from_millis(300);
    let server = server_with(&["--disconnect", "300ms"]);
    for transport in Transport::STREAMING {
        let session = server.session("/close");
        let opened = Instant::now();
        session.expect(transport, &["o", GO_AWAY]);
        let known = wait_until_gone(&session).duration_since(opened);
        assert!(known >= DELAY, "forgotten after {known:?}");
        session.receive_first(transport, "o");
    }
}

#[test]
fn each_receiver_prolongs_the_memory() {
    const DELAY: Duration = Duration::from_secs(1);
    let server = server_with(&["--disconnect", "1s"]);
    // A machine that sleeps through the delay proves nothing: then again.
    let is_proven = (0..10).any(|_| {
        let session = server.session("/close");
        let opened = Instant::now();
        session.expect(Transport::XhrStreaming, &["o", GO_AWAY]);
        let mut last = opened;
        while opened.elapsed() < 3 * DELAY {
            std::thread::sleep(DELAY / 4);
            let before = Instant::now();
            let frame = session.poll();
            if last.elapsed() >= DELAY {
                return false;
            }
            assert_eq!(frame, GO_AWAY, "{:?} after the last receiver", last.elapsed());
            last = before;
        }
        true
    });
    assert!(is_proven, "this machine is too slow to tell");
}
