//! Receiving and sending.

use sockjs_tests::client::{Frame, Message as Wire, Opcode, Transport};

use super::support::{App, expect_message, now, report, wait};
use crate::adapter::{CloseReason, Message, SendError};

/// What a message costs of its queue beyond its length.
const OVERHEAD_BYTES: usize = 64;

#[test]
fn messages_of_a_batch_come_one_by_one() {
    let app = App::start();
    let (client, mut session) = app.open();
    client.send(&["a", "", "tab\t\u{2028}\"😀"]);
    client.send(&["d"]);
    for text in ["a", "", "tab\t\u{2028}\"😀", "d"] {
        expect_message(&mut session, text);
    }
}

#[test]
fn a_batch_stops_where_the_application_closes() {
    let app = App::start();
    let (client, mut session) = app.open();
    client.send(&["a", "b", "c"]);
    expect_message(&mut session, "a");
    session.close(CloseReason::GO_AWAY);
    assert_eq!(wait(session.recv()), None);
    client.expect(Transport::Xhr, &[super::support::GO_AWAY]);
    assert_eq!(report(&session).unread, ["b", "c"].map(Message::text));
}

#[test]
fn receiving_waits_for_a_message() {
    let app = App::start();
    let (client, mut session) = app.open();
    assert_eq!(now(session.recv()), None);
    std::thread::scope(|scope| {
        let received = scope.spawn(|| wait(session.recv()));
        client.send(&["late"]);
        let received = received.join().expect("no panic");
        assert_eq!(received, Some(Message::text("late")));
    });
}

#[test]
fn what_is_sent_is_one_frame_for_a_poll() {
    let app = App::start();
    let (client, session) = app.open();
    for text in ["a", "b\t", "\u{2028}"] {
        wait(session.send(text)).expect("there is room");
    }
    client.expect(Transport::Xhr, &["a[\"a\",\"b\\t\",\"\\u2028\"]"]);
}

#[test]
fn a_waiting_receiver_gets_each_message_at_once() {
    let app = App::start();
    let (_client, mut receiver, session) = app.stream();
    for text in ["a", "b"] {
        wait(session.send(text)).expect("there is room");
        receiver.expect(&format!("a[{text:?}]"));
    }
}

#[test]
fn text_that_is_json_already_is_not_quoted_again() {
    let app = App::start();
    let (client, session) = app.open();
    let message = Message::from_json(r#""a\u0041\"\n""#).expect("a JSON string");
    assert_eq!(message, "aA\"\n");
    wait(session.send(message)).expect("there is room");
    client.expect(Transport::Xhr, &[r#"a["aA\"\n"]"#]);
    assert!(Message::from_json("{}").is_err());
}

#[test]
fn a_full_queue_gives_the_message_back() {
    let app = App::with(|builder| builder.limits(|limits| limits.outbox_bytes = 1000));
    let (client, session) = app.open();
    let half = "x".repeat(500 - OVERHEAD_BYTES);
    session.try_send(half.as_str()).expect("the queue is empty");
    session.try_send(half.as_str()).expect("it fits exactly");
    let refused = session.try_send("one more").expect_err("no room is left");
    assert_eq!(refused, SendError::Full(Message::text("one more")));
    assert_eq!(refused.into_message(), "one more");
    client.expect(Transport::Xhr, &[&format!("a[\"{half}\",\"{half}\"]")]);
    wait(session.send("one more")).expect("there is room again");
}

#[test]
fn after_full_one_can_wait_for_room() {
    let app = App::with(|builder| builder.limits(|limits| limits.outbox_bytes = 1000));
    let (client, session) = app.open();
    assert!(now(session.writable()).is_some(), "nobody was told that it is full");
    session.try_send("x".repeat(2000)).expect("one always fits an empty queue");
    assert!(now(session.writable()).is_some());
    session.try_send("late").expect_err("no room is left");
    assert!(now(session.writable()).is_none());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| wait(session.writable()));
        client.poll();
        waiting.join().expect("no panic");
    });
    session.try_send("late").expect("there is room again");
    session.try_send("x".repeat(1000)).expect_err("no room is left");
    session.close(CloseReason::GO_AWAY);
    wait(session.writable());
}

#[test]
fn sending_waits_for_room() {
    let app = App::with(|builder| builder.limits(|limits| limits.outbox_bytes = 1000));
    let (client, session) = app.open();
    let long = "x".repeat(2000);
    session.try_send(long.as_str()).expect("one always fits an empty queue");
    assert!(now(session.send("late")).is_none());
    std::thread::scope(|scope| {
        let sent = scope.spawn(|| wait(session.send("late")));
        client.expect(Transport::Xhr, &[&format!("a[\"{long}\"]")]);
        sent.join().expect("no panic").expect("there is room again");
    });
    client.expect(Transport::Xhr, &[r#"a["late"]"#]);
}

#[test]
fn sending_to_a_closed_session_gives_the_message_back() {
    let app = App::with(|builder| builder.limits(|limits| limits.outbox_bytes = 1));
    let (_client, session) = app.open();
    session.try_send("fills it").expect("the queue is empty");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| wait(session.send("waits")));
        session.close(CloseReason::GO_AWAY);
        let refused = waiting.join().expect("no panic").expect_err("it was closed");
        assert_eq!(refused, SendError::Closed(Message::text("waits")));
    });
    let refused = session.try_send("late").expect_err("it is closed");
    assert_eq!(refused, SendError::Closed(Message::text("late")));
}

#[test]
fn raw_websockets_carry_text_and_bytes() {
    let app = App::start();
    let (mut socket, mut session) = app.raw_websocket();
    socket.send_text("[text]");
    expect_message(&mut session, "[text]");
    socket.send(&Frame::new(Opcode::BINARY, [0, 255]));
    let message = wait(session.recv()).expect("a message");
    assert!(message.is_binary() && message.as_bytes() == [0, 255]);
    wait(session.send("text")).expect("there is room");
    wait(session.send(vec![1, 2, 255])).expect("there is room");
    assert_eq!(socket.read(), Wire::Text("text".into()));
    assert_eq!(socket.read(), Wire::Binary(vec![1, 2, 255]));
}

#[test]
fn bytes_are_given_back_where_only_text_passes() {
    let app = App::start();
    let (client, session) = app.open();
    let (mut socket, framed) = app.websocket();
    let bytes = Message::binary(vec![0, 255]);
    for session in [&session, &framed] {
        let refused = session.try_send(bytes.clone()).expect_err("text only");
        assert_eq!(refused, SendError::NotText(bytes.clone()));
        let refused = wait(session.send(bytes.clone())).expect_err("text only");
        assert_eq!(refused.into_message(), bytes);
        session.try_send("unharmed").expect("there is room");
    }
    client.expect(Transport::Xhr, &[r#"a["unharmed"]"#]);
    socket.expect_text(r#"a["unharmed"]"#);
}

#[test]
fn what_arrived_before_the_client_left_is_still_received() {
    let app = App::start();
    let (mut socket, mut session) = app.websocket();
    socket.send_text(r#"["a","b"]"#);
    socket.send_text(r#""c""#);
    socket.send(&Frame::close(1000, ""));
    drop(socket);
    wait(session.closed());
    for text in ["a", "b"] {
        expect_message(&mut session, text);
    }
    assert_eq!(report(&session).unread, [Message::text("c")], "what is left at the call");
    expect_message(&mut session, "c");
    assert_eq!(wait(session.recv()), None);
    assert!(report(&session).unread.is_empty());
}

#[test]
fn what_arrived_before_an_http_client_left_is_still_received() {
    let app = App::start();
    let (client, receiver, mut session) = app.stream();
    client.send(&["a", "b"]);
    drop(receiver);
    wait(session.closed());
    expect_message(&mut session, "a");
    expect_message(&mut session, "b");
    assert_eq!(wait(session.recv()), None);
}
