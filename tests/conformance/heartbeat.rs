//! PROTOCOL §5, rule 8: heartbeats.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sockjs_tests::client::{Frame, Message, Opcode, Receiver, Transport};
use sockjs_tests::server::Server;

use super::support::server_with;

const DELAY: Duration = Duration::from_millis(200);

fn server() -> Arc<Server> {
    server_with(&["--heartbeat", "200ms", "--disconnect", "60s"])
}

/// The next frame that is no heartbeat.
#[track_caller]
fn beyond_heartbeats(receiver: &mut Receiver) -> String {
    loop {
        let frame = receiver.frame();
        if frame != "h" {
            return frame;
        }
    }
}

#[test]
fn a_quiet_stream_gets_them() {
    let server = server();
    for transport in Transport::STREAMING {
        let session = server.session("/echo");
        let asked = Instant::now();
        let mut receiver = session.receive_first(transport, "o");
        receiver.expect("h");
        assert!(asked.elapsed() >= DELAY, "after {:?}", asked.elapsed());
        receiver.expect("h").expect("h");
        assert!(asked.elapsed() >= 3 * DELAY, "three within {:?}", asked.elapsed());
    }
}

#[test]
fn they_end_a_poll() {
    let server = server();
    for transport in Transport::POLLING {
        let session = server.session("/echo");
        session.expect(transport, &["o"]);
        for _ in 0..2 {
            let asked = Instant::now();
            session.expect(transport, &["h"]);
            assert!(asked.elapsed() >= DELAY, "after {:?}", asked.elapsed());
        }
        session.send(&["x"]);
        session.expect(transport, &[r#"a["x"]"#]);
    }
}

#[test]
fn a_frame_postpones_them() {
    let server = server();
    for transport in Transport::STREAMING {
        let session = server.session("/echo");
        let mut receiver = session.receive_first(transport, "o");
        for _ in 0..3 {
            let sent = Instant::now();
            session.send(&["x"]);
            assert_eq!(beyond_heartbeats(&mut receiver), r#"a["x"]"#);
            receiver.expect("h");
            assert!(sent.elapsed() >= DELAY, "after {:?}", sent.elapsed());
        }
    }
}

#[test]
fn a_framed_websocket_gets_them() {
    let server = server();
    let asked = Instant::now();
    let mut socket = server.websocket_session("/echo");
    socket.expect_text("h").expect_text("h");
    assert!(asked.elapsed() >= 2 * DELAY, "two within {:?}", asked.elapsed());
    socket.send_text(r#"["x"]"#);
    while socket.text() != r#"a["x"]"# {}
}

#[test]
fn a_raw_websocket_gets_none() {
    let server = server();
    let mut raw = server.websocket("/echo/websocket");
    server.websocket_session("/echo").expect_text("h").expect_text("h").expect_text("h");
    raw.send(&Frame::new(Opcode::TEXT, "first"));
    assert_eq!(raw.read(), Message::Text("first".to_owned()));
}
