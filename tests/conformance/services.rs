//! PROTOCOL §9: what the services do, and a handler that panics.

use sockjs_tests::client::{
    Frame, Message, Opcode, Receiver, Session, Transport, frame_of, fresh_id, json_array,
    messages_in,
};

use super::support::{own_server, server};

const INTERNAL_ERROR: &str = r#"c[1011,"Internal error"]"#;

/// Receives on this session until the message comes; others may come before. Returns the receiver.
#[track_caller]
fn await_message(
    session: &Session,
    mut receiver: Receiver,
    transport: Transport,
    message: &str,
) -> Receiver {
    loop {
        match receiver.next_frame() {
            Some(frame) if frame == "o" => {}
            Some(frame) if messages_in(&frame).iter().any(|own| own == message) => return receiver,
            Some(_) => {}
            None => receiver = session.receive(transport),
        }
    }
}

#[test]
fn broadcast_reaches_every_open_session() {
    let server = server();
    let message = fresh_id();
    let listeners = Transport::ALL.map(|transport| {
        let session = server.session("/broadcast");
        let receiver = session.receive_first(transport, "o");
        // It belongs to the group once its handler has run: its own message tells.
        let own = fresh_id();
        session.send(&[&own]);
        let receiver = await_message(&session, receiver, transport, &own);
        (session, receiver, transport)
    });
    let mut framed = server.websocket_session("/broadcast");
    let mut raw = server.websocket("/broadcast/websocket");
    // Likewise for all WebSockets, of which the raw path has no `o` even.
    let joined = fresh_id();
    raw.send(&Frame::new(Opcode::TEXT, &joined));
    while raw.text() != joined {}
    framed.send_text(&json_array(&[&message]));
    while !messages_in(&framed.text()).contains(&message) {}
    while raw.text() != message {}
    for (session, receiver, transport) in listeners {
        await_message(&session, receiver, transport, &message);
    }
}

#[test]
fn broadcast_from_http_reaches_websockets() {
    let server = server();
    let message = fresh_id();
    let mut framed = server.websocket_session("/broadcast");
    // As above.
    let own = fresh_id();
    framed.send_text(&json_array(&[&own]));
    while !messages_in(&framed.text()).contains(&own) {}
    let session = server.session("/broadcast").open();
    session.send(&[&message]);
    while !messages_in(&framed.text()).contains(&message) {}
    await_message(&session, session.receive(Transport::Xhr), Transport::Xhr, &message);
}

#[test]
fn amplify_sends_powers_of_two() {
    let server = server();
    let mut socket = server.websocket_session("/amplify");
    for power in 1..=18_u32 {
        socket.send_text(&json_array(&[power.to_string()]));
        socket.expect_text(&frame_of(&["x".repeat(1 << power)]));
    }
    for message in ["0", "19", "-1", "x", "", "99999999999999999999"] {
        socket.send_text(&json_array(&[message]));
        socket.expect_text(r#"a["xx"]"#);
    }
}

#[test]
fn amplify_on_every_transport() {
    let server = server();
    for transport in Transport::ALL {
        let session = server.session("/amplify").open();
        session.send(&["18"]);
        session.receive_first(transport, &frame_of(&["x".repeat(1 << 18)]));
    }
}

#[test]
fn ticker_ticks() {
    let server = server();
    let mut socket = server.websocket_session("/ticker");
    let session = server.session("/ticker");
    let mut receiver = session.receive_first(Transport::Eventsource, "o");
    for _ in 0..2 {
        socket.expect_text(r#"a["tick!"]"#);
        receiver.expect(r#"a["tick!"]"#);
    }
}

#[test]
fn a_panic_ends_its_session_alone() {
    let server = own_server(&["--disconnect", "60s"]).may_panic();
    let mut bystander = server.websocket_session("/echo");
    for transport in Transport::ALL {
        let session = server.session("/panic").open();
        session.send(&["panic!"]);
        for _ in 0..2 {
            session.expect(transport, &[INTERNAL_ERROR]);
        }
    }
    for transport in Transport::STREAMING {
        let session = server.session("/panic");
        let mut receiver = session.receive_first(transport, "o");
        session.send(&["panic!"]);
        receiver.expect(INTERNAL_ERROR);
        receiver.end();
    }
    bystander.send_text(r#"["x"]"#);
    bystander.expect_text(r#"a["x"]"#);
}

#[test]
fn a_panic_closes_a_websocket() {
    let server = own_server(&["--disconnect", "60s"]).may_panic();
    let mut framed = server.websocket_session("/panic");
    framed.send_text(r#"["panic!"]"#);
    framed.expect_text(INTERNAL_ERROR);
    framed.expect_close_saying(1011, "Internal error");
    let mut raw = server.websocket("/panic/websocket");
    raw.send(&Frame::new(Opcode::TEXT, "panic!"));
    raw.expect_close_saying(1011, "Internal error");
    let mut next = server.websocket("/echo/websocket");
    next.send(&Frame::new(Opcode::TEXT, "x"));
    assert_eq!(next.read(), Message::Text("x".to_owned()));
}
