//! PROTOCOL §4: how much a streaming response carries.

use sockjs_tests::client::{Receiver, Session, Transport, frame_of};

use super::support::{LIMIT_BYTES, WIDE_ECHO, server};

/// A message whose frame takes exactly so many bytes on this transport.
fn message_of(transport: Transport, wire_bytes: usize) -> String {
    let wrapping_bytes = transport.wrap(&frame_of(&[""])).len();
    "x".repeat(wire_bytes - wrapping_bytes)
}

#[track_caller]
fn pass(session: &Session, receiver: &mut Receiver, message: &str) {
    session.send(&[message]);
    receiver.expect(&frame_of(&[message]));
}

#[test]
fn the_frame_that_reaches_it_is_the_last() {
    let server = server();
    for transport in Transport::STREAMING {
        let session = server.session("/echo");
        let mut receiver = session.receive_first(transport, "o");
        let left_bytes = LIMIT_BYTES - transport.wrap("o").len();
        pass(&session, &mut receiver, &message_of(transport, left_bytes));
        receiver.end();
    }
}

#[test]
fn one_byte_less_is_not_the_end() {
    let server = server();
    for transport in Transport::STREAMING {
        let session = server.session("/echo");
        let mut receiver = session.receive_first(transport, "o");
        let left_bytes = LIMIT_BYTES - transport.wrap("o").len();
        pass(&session, &mut receiver, &message_of(transport, left_bytes - 1));
        pass(&session, &mut receiver, "x");
        receiver.end();
    }
}

#[test]
fn many_small_frames_count_with_their_wrapping() {
    let server = server();
    for transport in Transport::STREAMING {
        let session = server.session("/echo");
        let mut receiver = session.receive_first(transport, "o");
        let mut counted_bytes = transport.wrap("o").len();
        while counted_bytes < LIMIT_BYTES {
            pass(&session, &mut receiver, "100%<\"");
            counted_bytes += transport.wrap(&frame_of(&["100%<\""])).len();
        }
        receiver.end();
    }
}

#[test]
fn only_the_opening_response_counts_an_o() {
    let server = server();
    for transport in Transport::STREAMING {
        let session = server.session("/echo").open();
        let mut receiver = session.receive(transport);
        pass(&session, &mut receiver, &message_of(transport, LIMIT_BYTES - 1));
        pass(&session, &mut receiver, "x");
        receiver.end();
        let mut receiver = session.receive(transport);
        pass(&session, &mut receiver, &message_of(transport, LIMIT_BYTES));
        receiver.end();
    }
}

#[test]
fn a_frame_is_never_split() {
    let server = server();
    for transport in Transport::STREAMING {
        let session = server.session("/echo");
        let mut receiver = session.receive_first(transport, "o");
        pass(&session, &mut receiver, &"x".repeat(5 * LIMIT_BYTES));
        receiver.end();
    }
}

#[test]
fn the_session_stays_for_the_next_receiver() {
    let server = server();
    for transport in Transport::STREAMING {
        let session = server.session("/echo");
        let mut receiver = session.receive_first(transport, "o");
        pass(&session, &mut receiver, &"x".repeat(LIMIT_BYTES));
        let connection = receiver.end();
        session.send(&["a"]);
        session.send(&["b"]);
        let mut receiver = Receiver::open(connection, transport, session.path());
        receiver.expect(r#"a["a","b"]"#);
        pass(&session, &mut receiver, "c");
    }
}

#[test]
fn a_free_slot_comes_before_the_last_byte() {
    let server = server();
    for transport in Transport::STREAMING {
        let session = server.session("/echo");
        let mut receiver = session.receive_first(transport, "o");
        for _ in 0..20 {
            pass(&session, &mut receiver, &"x".repeat(LIMIT_BYTES));
            receiver.end();
            receiver = session.receive(transport);
        }
    }
}

#[test]
fn the_default_is_128_kibibytes() {
    let server = server();
    let session = server.session(WIDE_ECHO);
    let transport = Transport::XhrStreaming;
    let mut receiver = session.receive_first(transport, "o");
    let left_bytes = 128 * 1024 - transport.wrap("o").len();
    pass(&session, &mut receiver, &message_of(transport, 40_000));
    pass(&session, &mut receiver, &message_of(transport, 40_000));
    pass(&session, &mut receiver, &message_of(transport, left_bytes - 80_001));
    pass(&session, &mut receiver, "x");
    receiver.end();
}
