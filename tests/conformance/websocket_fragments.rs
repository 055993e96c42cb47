//! PROTOCOL §7: fragments that are over the limit together, from the header of the last.

use sockjs_tests::client::{Frame, Opcode};

use super::support::{BODY_LIMIT_BYTES, server};

#[test]
fn fragments_over_the_limit_are_1009() {
    let server = server();
    let piece = "x".repeat(BODY_LIMIT_BYTES / 2);
    for mut socket in [server.websocket_session("/echo"), server.websocket("/echo/websocket")] {
        socket.send(&Frame::new(Opcode::TEXT, &piece).more());
        socket.send(&Frame::new(Opcode::CONTINUATION, &piece).more());
        socket.send(&Frame::new(Opcode::CONTINUATION, "").announcing(1));
        socket.expect_close(1009);
    }
}
