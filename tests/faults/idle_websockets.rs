//! Ten thousand WebSockets that do nothing.

use std::io::Write;

use sockjs_tests::client::{Frame, Opcode, Session};

use crate::faults::support::{Subject, eventually, read_exact, reset, shake_hands, timed};

const SOCKETS: usize = 10_000;

/// What an idle one may hold.
const IDLE_BYTES: usize = 8 << 10;

#[test]
fn ten_thousand_are_held_reached_and_left() {
    let subject = Subject::start(|_| ());
    let idle = subject.account();
    let sockets: Vec<_> = timed("10,000 WebSockets open", || {
        let open = |_| {
            let socket = subject.socket();
            shake_hands(
                &socket,
                &Session::new(subject.address(), "/broadcast").target("websocket"),
            );
            assert_eq!(read_exact(&socket, 3), b"\x81\x01o");
            socket
        };
        (0..SOCKETS).map(open).collect()
    });
    eventually("all are open", || subject.account().stats.open() == SOCKETS as u64);
    let each = (subject.account().heap.bytes - idle.heap.bytes) / SOCKETS;
    let resident = subject.resident_growth_bytes() / SOCKETS as u64;
    eprintln!("{each} bytes of heap each, {resident} resident");
    assert!(each < IDLE_BYTES, "{each} bytes each");

    timed("10,000 are reached", || {
        let message = Frame::new(Opcode::TEXT, r#"["wake up"]"#).to_bytes();
        sockets.first().map(|mut first| first.write_all(&message)).expect("one").expect("sent");
        for socket in &sockets {
            assert_eq!(read_exact(socket, 14), b"\x81\x0ca[\"wake up\"]");
        }
    });
    let close = Frame::close(1000, "").to_bytes();
    for (number, mut socket) in sockets.into_iter().enumerate() {
        if number.is_multiple_of(2) {
            socket.write_all(&close).expect("sent");
        } else {
            reset(socket);
        }
    }
    timed("10,000 are left", || {
        eventually("all have ended", || subject.account().stats.open() == 0);
    });
    subject.expect_recovered();
}
