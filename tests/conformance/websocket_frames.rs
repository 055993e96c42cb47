//! PROTOCOL §7: pings, fragments and the client's close, on both paths.

use std::time::{Duration, Instant};

use sockjs_tests::client::{Frame, Message, Opcode, WebSocket};
use sockjs_tests::server::Server;

use super::support::server;

/// PROTOCOL says 2 s; the rest is for a busy machine.
const CLOSED_WITHIN: Duration = Duration::from_secs(4);

/// A framed and a raw echo.
#[track_caller]
fn sockets(server: &Server) -> [WebSocket; 2] {
    [server.websocket_session("/echo"), server.websocket("/echo/websocket")]
}

#[test]
fn pings_are_answered() {
    let server = server();
    for mut socket in sockets(&server) {
        for payload in ["", "x", &"y".repeat(125)] {
            socket.send(&Frame::new(Opcode::PING, payload));
            assert_eq!(socket.read(), Message::Pong(payload.as_bytes().to_vec()));
        }
    }
}

#[test]
fn unasked_pongs_are_ignored() {
    let server = server();
    for mut socket in sockets(&server) {
        socket.send(&Frame::new(Opcode::PONG, "unasked"));
        socket.send(&Frame::new(Opcode::PING, "x"));
        assert_eq!(socket.read(), Message::Pong(b"x".to_vec()));
    }
}

#[test]
fn fragments_are_one_message() {
    let server = server();
    let mut socket = server.websocket_session("/echo");
    let text = "[\"a ünïcödé 😀\"]".as_bytes();
    for at in 0..text.len() {
        // Anywhere, inside a character too.
        let (first, second) = text.split_at(at);
        socket.send(&Frame::new(Opcode::TEXT, first).more());
        socket.send(&Frame::new(Opcode::CONTINUATION, "").more());
        socket.send(&Frame::new(Opcode::CONTINUATION, second));
        socket.expect_text("a[\"a ünïcödé 😀\"]");
    }
}

#[test]
fn raw_fragments_are_one_message() {
    let server = server();
    let mut socket = server.websocket("/echo/websocket");
    for (opcode, expected) in [
        (Opcode::TEXT, Message::Text("abc".to_owned())),
        (Opcode::BINARY, Message::Binary(b"abc".to_vec())),
    ] {
        socket.send(&Frame::new(opcode, "a").more());
        socket.send(&Frame::new(Opcode::CONTINUATION, "b").more());
        socket.send(&Frame::new(Opcode::CONTINUATION, "c"));
        assert_eq!(socket.read(), expected);
    }
}

#[test]
fn control_frames_may_come_between_fragments() {
    let server = server();
    let mut socket = server.websocket_session("/echo");
    socket.send(&Frame::new(Opcode::TEXT, "[\"a").more());
    socket.send(&Frame::new(Opcode::PING, "between"));
    assert_eq!(socket.read(), Message::Pong(b"between".to_vec()));
    socket.send(&Frame::new(Opcode::PONG, "unasked"));
    socket.send(&Frame::new(Opcode::CONTINUATION, "b\"]"));
    socket.expect_text(r#"a["ab"]"#);
}

#[test]
fn frames_may_come_byte_by_byte() {
    let server = server();
    for mut socket in sockets(&server) {
        let ping = Frame::new(Opcode::PING, "slow").to_bytes();
        for byte in ping {
            socket.connection().send([byte]);
        }
        assert_eq!(socket.read(), Message::Pong(b"slow".to_vec()));
    }
    let mut socket = server.websocket_session("/echo");
    for byte in Frame::new(Opcode::TEXT, format!("[\"{}\"]", "x".repeat(300))).to_bytes() {
        socket.connection().send([byte]);
    }
    socket.expect_text(&format!("a[\"{}\"]", "x".repeat(300)));
}

#[test]
fn the_clients_close_is_echoed() {
    let server = server();
    for (code, reason) in [(1000, ""), (1000, "bye"), (1001, "away"), (3000, "x"), (4999, "ü")] {
        for mut socket in sockets(&server) {
            let asked = Instant::now();
            socket.send(&Frame::close(code, reason));
            let Message::Close(Some((echoed, _))) = socket.read() else {
                panic!("a close was expected");
            };
            assert_eq!(echoed, code);
            socket.connection().expect_end();
            assert!(asked.elapsed() < CLOSED_WITHIN, "closed after {:?}", asked.elapsed());
        }
    }
}

#[test]
fn a_close_without_code_is_answered() {
    let server = server();
    for mut socket in sockets(&server) {
        socket.send(&Frame::new(Opcode::CLOSE, ""));
        let close = socket.read();
        assert!(matches!(close, Message::Close(_)), "{close:?}");
        socket.connection().expect_end();
    }
}

#[test]
fn messages_before_the_close_are_echoed() {
    let server = server();
    let mut socket = server.websocket_session("/echo");
    socket.send_text(r#"["x"]"#);
    socket.expect_text(r#"a["x"]"#);
    let mut bytes = Frame::close(1000, "").to_bytes();
    bytes.extend(Frame::new(Opcode::TEXT, r#"["too late"]"#).to_bytes());
    socket.connection().send(bytes);
    assert!(matches!(socket.read(), Message::Close(Some((1000, _)))));
    socket.connection().expect_end();
}
