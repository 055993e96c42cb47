//! PROTOCOL §7: framed WebSocket sessions.

use sockjs_tests::client::{
    Frame, Message, Opcode, Session, Transport, WebSocket, frame_of, json_array, messages_in,
};

use super::support::{GO_AWAY, server};

#[test]
fn messages_are_echoed() {
    let server = server();
    let mut socket = server.websocket_session("/echo");
    socket.send_text(r#"["a"]"#);
    socket.expect_text(r#"a["a"]"#);
    socket.send_text(r#"["b","c"]"#);
    let mut messages = Vec::new();
    while messages.len() < 2 {
        messages.extend(messages_in(&socket.text()));
    }
    assert_eq!(messages, ["b", "c"]);
}

#[test]
fn nothing_is_said_to_empty_messages() {
    let server = server();
    let mut socket = server.websocket_session("/echo");
    socket.send_text("");
    socket.send_text("[]");
    socket.send(&Frame::new(Opcode::TEXT, "").more());
    socket.send(&Frame::new(Opcode::CONTINUATION, ""));
    socket.send_text(r#"["x"]"#);
    socket.expect_text(r#"a["x"]"#);
}

#[test]
fn an_array_may_hold_an_empty_message() {
    let server = server();
    let mut socket = server.websocket_session("/echo");
    socket.send_text(r#"[""]"#);
    socket.expect_text(r#"a[""]"#);
}

#[test]
fn the_application_closes_at_once() {
    let server = server();
    let mut socket = server.websocket_session("/close");
    socket.expect_text(GO_AWAY);
    socket.expect_close_saying(3000, "Go away!");
}

#[test]
fn the_application_closes_after_messages() {
    let server = server();
    let mut socket = server.websocket_session("/send_then_close");
    socket.send_text(r#"["go"]"#);
    let mut messages = Vec::new();
    let close = loop {
        let frame = socket.text();
        if frame.starts_with('c') {
            break frame;
        }
        messages.extend(messages_in(&frame));
    };
    assert_eq!(messages, ["a", "b", "c"]);
    assert_eq!(close, r#"c[4001,"done"]"#);
    socket.expect_close_saying(4001, "done");
}

#[test]
fn ids_may_repeat() {
    let server = server();
    let session = server.session("/echo");
    let mut sockets: Vec<WebSocket> = (0..5)
        .map(|_| WebSocket::open_session(server.address(), session.target("websocket")))
        .collect();
    for (number, socket) in sockets.iter_mut().enumerate() {
        socket.send_text(&json_array(&[number.to_string()]));
    }
    for (number, socket) in sockets.iter_mut().enumerate() {
        socket.expect_text(&frame_of(&[number.to_string()]));
    }
    drop(sockets);
    WebSocket::open_session(server.address(), session.target("websocket"));
}

#[test]
fn a_websocket_never_meets_an_http_session() {
    let server = server();
    let session = server.session("/echo");
    let mut socket = WebSocket::open_session(server.address(), session.target("websocket"));
    session.xhr_send(r#"["x"]"#).expect_status(404);
    let mut receiver = session.receive_first(Transport::XhrStreaming, "o");
    socket.send_text(r#"["by websocket"]"#);
    session.send(&["by http"]);
    socket.expect_text(r#"a["by websocket"]"#);
    receiver.expect(r#"a["by http"]"#);
    drop(socket);
    session.send(&["still"]);
    receiver.expect(r#"a["still"]"#);
    WebSocket::open_session(server.address(), session.target("websocket"));
}

#[test]
fn a_websocket_does_not_keep_an_http_session_waiting() {
    let server = server();
    let session = Session::new(server.address(), "/echo").open();
    let mut socket = WebSocket::open_session(server.address(), session.target("websocket"));
    session.send(&["x"]);
    assert_eq!(session.poll(), r#"a["x"]"#);
    socket.send_text(r#"["y"]"#);
    socket.expect_text(r#"a["y"]"#);
}

#[test]
fn large_messages_pass() {
    let server = server();
    let mut socket = server.websocket_session("/echo");
    for size in [1, 100, 125, 126, 127, 1000, 65_535, 65_536, 300_000, 1_000_000] {
        let message = "x".repeat(size);
        socket.send_text(&json_array(&[&message]));
        socket.expect_text(&frame_of(&[message]));
    }
}

#[test]
fn a_burst_in_one_packet() {
    let server = server();
    let mut socket = server.websocket_session("/echo");
    let expected: Vec<String> = (0..500).map(|number| number.to_string()).collect();
    let frames = expected.iter().map(|message| Frame::new(Opcode::TEXT, json_array(&[message])));
    let bytes: Vec<u8> = frames.flat_map(|frame| frame.to_bytes()).collect();
    socket.connection().send(bytes);
    let mut received = Vec::new();
    while received.len() < expected.len() {
        received.extend(messages_in(&socket.text()));
    }
    assert_eq!(received, expected);
}

#[test]
fn the_session_ends_with_its_connection() {
    let server = server();
    let mut socket = server.websocket_session("/echo");
    socket.send(&Frame::close(1000, "bye"));
    assert_eq!(socket.read(), Message::Close(Some((1000, "bye".to_owned()))));
    socket.connection().expect_end();
}

#[test]
fn the_clients_close_is_echoed_with_its_code() {
    let server = server();
    for code in [1001, 1007, 1010, 3000, 4999] {
        let mut socket = server.websocket_session("/echo");
        socket.send(&Frame::close(code, "bye"));
        assert_eq!(socket.read(), Message::Close(Some((code, "bye".to_owned()))));
        socket.connection().expect_end();
    }
}
