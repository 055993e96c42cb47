//! PROTOCOL §7: what peers do wrong.

use std::thread;

use sockjs_tests::client::{Frame, Opcode, WebSocket};

use super::support::{BODY_LIMIT_BYTES, server};

/// On the framed and on the raw path: these frames get this close, and nothing before it.
#[track_caller]
fn expect_close(frames: &[Frame], code: u16) {
    let bytes: Vec<u8> = frames.iter().flat_map(Frame::to_bytes).collect();
    let server = server();
    let sockets = [server.websocket_session("/echo"), server.websocket("/echo/websocket")];
    // Beside each other, for the server waits two seconds for the client's own close.
    thread::scope(|scope| {
        for socket in sockets {
            scope.spawn(|| expect_close_of(socket, &bytes, code));
        }
    });
}

#[track_caller]
fn expect_close_of(mut socket: WebSocket, bytes: &[u8], code: u16) {
    socket.connection().send(bytes);
    socket.expect_close(code);
}

fn text() -> Frame {
    Frame::new(Opcode::TEXT, r#"["x"]"#)
}

#[test]
fn an_unmasked_frame_is_1002() {
    expect_close(&[text().unmasked()], 1002);
    expect_close(&[Frame::new(Opcode::PING, "x").unmasked()], 1002);
    expect_close(&[Frame::new(Opcode::TEXT, "").unmasked()], 1002);
}

#[test]
fn reserved_bits_are_1002() {
    for bits in [0x40, 0x20, 0x10, 0x70] {
        expect_close(&[text().reserved(bits)], 1002);
    }
    expect_close(&[Frame::new(Opcode::PING, "").reserved(0x40)], 1002);
}

#[test]
fn reserved_opcodes_are_1002() {
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        expect_close(&[Frame::new(Opcode(opcode), "")], 1002);
    }
}

#[test]
fn broken_control_frames_are_1002() {
    expect_close(&[Frame::new(Opcode::PING, "").more()], 1002);
    expect_close(&[Frame::new(Opcode::PONG, "x").more()], 1002);
    expect_close(&[Frame::new(Opcode::PING, "x".repeat(126))], 1002);
    expect_close(&[Frame::new(Opcode::CLOSE, "x")], 1002);
    expect_close(&[Frame::close(1005, "")], 1002);
    expect_close(&[Frame::close(999, "")], 1002);
}

#[test]
fn fragments_out_of_order_are_1002() {
    expect_close(&[Frame::new(Opcode::CONTINUATION, "x")], 1002);
    expect_close(&[Frame::new(Opcode::CONTINUATION, "x").more()], 1002);
    expect_close(&[Frame::new(Opcode::TEXT, "[").more(), text()], 1002);
}

#[test]
fn bad_utf8_is_1007() {
    let broken: [&[u8]; 6] = [
        b"[\"\x80\"]",
        b"[\"\xc0\xaf\"]",
        b"[\"\xed\xa0\x80\"]",
        b"[\"\xf4\x90\x80\x80\"]",
        b"\xff",
        b"[\"\xc3",
    ];
    for text in broken {
        expect_close(&[Frame::new(Opcode::TEXT, text)], 1007);
    }
    let pieces =
        [Frame::new(Opcode::TEXT, b"[\"\xc3").more(), Frame::new(Opcode::CONTINUATION, b"\"]")];
    expect_close(&pieces, 1007);
}

#[test]
fn over_the_limit_is_1009_from_the_header_alone() {
    let server = server();
    for length_bytes in [BODY_LIMIT_BYTES + 1, 1 << 40, (1 << 63) - 1] {
        for opcode in [Opcode::TEXT, Opcode::BINARY] {
            let header = Frame::new(opcode, "").announcing(length_bytes);
            let raw = server.websocket("/echo/websocket");
            expect_close_of(raw, &header.to_bytes(), 1009);
        }
        let header = Frame::new(Opcode::TEXT, "").announcing(length_bytes);
        let framed = server.websocket_session("/echo");
        expect_close_of(framed, &header.to_bytes(), 1009);
    }
}

#[test]
fn a_binary_message_is_1003_on_the_framed_path() {
    let server = server();
    for payload in ["x", r#"["x"]"#] {
        let frame = Frame::new(Opcode::BINARY, payload);
        expect_close_of(server.websocket_session("/echo"), &frame.to_bytes(), 1003);
    }
}

#[test]
fn broken_framing_comes_after_what_was_right() {
    let server = server();
    let mut socket = server.websocket_session("/echo");
    socket.send_text(r#"["x"]"#);
    socket.expect_text(r#"a["x"]"#);
    socket.send_text("{}");
    socket.expect_close_saying(3000, "Broken framing.");
}

#[test]
fn one_bad_peer_disturbs_no_other() {
    let server = server();
    let mut good = server.websocket_session("/echo");
    expect_close_of(server.websocket_session("/echo"), &text().unmasked().to_bytes(), 1002);
    let mut reset = server.websocket_session("/echo");
    reset.connection().send(&text().to_bytes()[..3]);
    drop(reset);
    good.send_text(r#"["x"]"#);
    good.expect_text(r#"a["x"]"#);
}
