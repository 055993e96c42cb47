//! PROTOCOL §7: the raw WebSocket, without any framing of SockJS.

use sockjs_tests::client::{Frame, Message, Opcode};

use super::support::{BODY_LIMIT_BYTES, server};

#[test]
fn text_and_binary_come_back_as_they_are() {
    let server = server();
    let mut socket = server.websocket("/echo/websocket");
    for text in ["x", r#"["x"]"#, "h", "[broken", "\0\n\u{2028}\u{feff}\u{ffff}", "ü 😀", " "] {
        socket.send(&Frame::new(Opcode::TEXT, text));
        assert_eq!(socket.read(), Message::Text(text.to_owned()));
    }
    for bytes in [&b"x"[..], b"[\"x\"]", b"\0\xff\x80", b"\xed\xa0\x80"] {
        socket.send(&Frame::new(Opcode::BINARY, bytes));
        assert_eq!(socket.read(), Message::Binary(bytes.to_vec()));
    }
}

#[test]
fn empty_messages_are_messages() {
    let server = server();
    let mut socket = server.websocket("/echo/websocket");
    socket.send(&Frame::new(Opcode::TEXT, ""));
    assert_eq!(socket.read(), Message::Text(String::new()));
    socket.send(&Frame::new(Opcode::BINARY, ""));
    assert_eq!(socket.read(), Message::Binary(Vec::new()));
}

#[test]
fn the_largest_message_passes() {
    let server = server();
    let mut socket = server.websocket("/echo/websocket");
    let largest = vec![0xa5; BODY_LIMIT_BYTES];
    socket.send(&Frame::new(Opcode::BINARY, &largest));
    assert!(socket.read() == Message::Binary(largest), "another message came back");
}

#[test]
fn nothing_comes_unasked() {
    let server = server();
    let mut socket = server.websocket("/echo/websocket");
    // Anything like `o` would come before the pong.
    socket.send(&Frame::new(Opcode::PING, "first"));
    assert_eq!(socket.read(), Message::Pong(b"first".to_vec()));
}

#[test]
fn the_application_closes_at_once() {
    let server = server();
    server.websocket("/close/websocket").expect_close_saying(3000, "Go away!");
}

#[test]
fn the_application_closes_after_messages() {
    let server = server();
    let mut socket = server.websocket("/send_then_close/websocket");
    socket.send(&Frame::new(Opcode::TEXT, "go"));
    socket.expect_text("a").expect_text("b").expect_text("c");
    socket.expect_close_saying(4001, "done");
}

#[test]
fn order_holds_between_text_and_binary() {
    let server = server();
    let mut socket = server.websocket("/echo/websocket");
    let burst: Vec<u8> = (0..100_u8)
        .flat_map(|number| {
            let opcode = if number % 3 == 0 { Opcode::BINARY } else { Opcode::TEXT };
            Frame::new(opcode, [number]).to_bytes()
        })
        .collect();
    socket.connection().send(burst);
    for number in 0..100_u8 {
        let expected = if number % 3 == 0 {
            Message::Binary(vec![number])
        } else {
            Message::Text(char::from(number).to_string())
        };
        assert_eq!(socket.read(), expected);
    }
}
