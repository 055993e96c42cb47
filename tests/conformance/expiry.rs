//! PROTOCOL §5, rule 6: sessions without a receiver end.

use std::time::{Duration, Instant};

use sockjs_tests::client::{Session, Transport, frame_of};

use super::support::{LIMIT_BYTES, server_with, wait_until_gone, waiting_poll};

const SHORT: [&str; 2] = ["--disconnect", "300ms"];
const DELAY: Duration = Duration::from_millis(300);

#[test]
fn sends_do_not_keep_a_session() {
    let server = server_with(&SHORT);
    for transport in Transport::POLLING {
        let session = server.session("/echo");
        let opened = Instant::now();
        session.expect(transport, &["o"]);
        let lived = wait_until_gone(&session).duration_since(opened);
        assert!(lived >= DELAY, "gone after {lived:?}");
    }
}

#[test]
fn a_stream_that_reached_its_limit_counts_from_there() {
    let server = server_with(&SHORT);
    for transport in Transport::STREAMING {
        let session = server.session("/echo");
        let mut receiver = session.receive_first(transport, "o");
        let filler = "x".repeat(LIMIT_BYTES);
        let filled = Instant::now();
        session.send(&[&filler]);
        receiver.expect(&frame_of(&[filler]));
        receiver.end();
        let lived = wait_until_gone(&session).duration_since(filled);
        assert!(lived >= DELAY, "gone after {lived:?}");
    }
}

#[test]
fn an_expired_id_is_unknown_again() {
    let server = server_with(&SHORT);
    for transport in Transport::ALL {
        let session = server.session("/echo").open();
        wait_until_gone(&session);
        session.jsonp_send("text/plain", "[]").expect_status(404);
        session.receive_first(transport, "o");
    }
}

/// Lets some disconnect delays pass, told by other sessions that end meanwhile.
fn outlast_others(other: impl Fn() -> Session) {
    for _ in 0..4 {
        wait_until_gone(&other().open());
    }
}

#[test]
fn a_session_with_a_receiver_stays() {
    let server = server_with(&SHORT);
    let streams = Transport::STREAMING.map(|transport| {
        let session = server.session("/echo");
        let receiver = session.receive_first(transport, "o");
        (session, receiver)
    });
    outlast_others(|| server.session("/echo"));
    for (session, mut receiver) in streams {
        session.send(&["x"]);
        receiver.expect(r#"a["x"]"#);
    }
}

#[test]
fn a_waiting_poll_is_a_receiver() {
    let server = server_with(&["--disconnect", "1s"]);
    for transport in Transport::POLLING {
        let session = server.session("/echo").open();
        let mut receiver = waiting_poll(&session, transport);
        wait_until_gone(&server.session("/echo").open());
        wait_until_gone(&server.session("/echo").open());
        session.send(&["x"]);
        receiver.expect(r#"a["x"]"#);
    }
}

#[test]
fn tombstones_answer_a_close_frame() {
    let server = server_with(&SHORT);
    let session = server.session("/tombstone_echo").open();
    wait_until_gone(&session);
    for transport in Transport::ALL {
        let mut receiver = session.receive(transport);
        let frame = receiver.frame();
        assert!(frame.starts_with("c["), "{frame} on {transport:?}");
        receiver.end();
    }
    session.xhr_send("[]").expect_status(404);
    session.jsonp_send("text/plain", "[]").expect_status(404);
}

#[test]
fn a_live_session_knows_no_tombstone() {
    let server = server_with(&["--disconnect", "60s"]);
    let session = server.session("/tombstone_echo").open();
    session.send(&["x"]);
    assert_eq!(session.poll(), r#"a["x"]"#);
}

#[test]
fn the_default_is_five_seconds() {
    let server = server_with(&[]);
    let session = server.session("/echo");
    let opened = Instant::now();
    let session = session.open();
    let lived = wait_until_gone(&session).duration_since(opened);
    assert!(lived >= Duration::from_secs(5), "gone after {lived:?}");
}
