//! The account of a session at its end, for every way to end over real sockets.

use std::time::Duration;

use sockjs_tests::client::{Frame, Message as Wire, Opcode, Request, Transport};

use super::support::{App, GO_AWAY, LARGE_BYTES, eventually, expect_message, report, wait};
use crate::adapter::{Cause, CloseReason, Grade, Message, Report, SlowConsumers};

const SHORT: Duration = Duration::from_millis(200);
/// For what must not run out before the test has done its part.
const LONG: Duration = Duration::from_secs(2);

/// The numbers of a report: accepted, written, confirmed, uncertain, unsent.
fn account(report: &Report) -> [u64; 5] {
    let unsent = report.unsent.len() as u64;
    [report.accepted, report.written, report.confirmed, report.uncertain(), unsent]
}

#[track_caller]
fn send(session: &crate::adapter::Session, messages: &[&str]) {
    for message in messages {
        let sent = wait(session.send(*message));
        // Not shown in full, for it may be large.
        assert!(sent.is_ok(), "a message of {} bytes was not accepted", message.len());
    }
}

#[test]
fn closed_by_the_application_with_polls_that_confirm() {
    let app = App::start();
    let (client, session) = app.open();
    send(&session, &["a"]);
    client.expect(Transport::Xhr, &[r#"a["a"]"#]);
    send(&session, &["b", "c"]);
    client.expect(Transport::Xhr, &[r#"a["b","c"]"#]);
    session.close(CloseReason::new(4001, "done"));
    client.expect(Transport::Xhr, &[r#"c[4001,"done"]"#]);
    let report = report(&session);
    assert_eq!(report.cause, Cause::Application);
    assert_eq!(report.reason, CloseReason::new(4001, "done"));
    assert_eq!(account(&report), [3, 3, 3, 0, 0]);
    assert_eq!((report.unread.len(), report.grade), (0, Grade::Socket));
}

#[test]
fn closed_by_the_application_on_one_stream() {
    let app = App::start();
    let (_client, mut receiver, session) = app.stream();
    send(&session, &["a", "b"]);
    session.close(CloseReason::GO_AWAY);
    let mut received = Vec::new();
    loop {
        match receiver.frame() {
            frame if frame == GO_AWAY => break,
            frame => received.extend(sockjs_tests::client::messages_in(&frame)),
        }
    }
    assert_eq!(received, ["a", "b"]);
    // Written, and no later request has shown that it arrived.
    assert_eq!(account(&report(&session)), [2, 2, 0, 2, 0]);
}

#[test]
fn closed_by_the_application_and_never_fetched() {
    let app = App::with(|builder| builder.disconnect_delay(LONG));
    let (_client, session) = app.open();
    send(&session, &["a", "b"]);
    session.close(CloseReason::GO_AWAY);
    let report = report(&session);
    assert_eq!((report.cause, &report.reason), (Cause::Application, &CloseReason::GO_AWAY));
    assert_eq!(account(&report), [2, 0, 0, 0, 2]);
    assert_eq!(report.unsent, ["a", "b"]);
}

#[test]
fn a_client_that_left_its_stream() {
    let app = App::start();
    let (client, mut receiver, session) = app.stream();
    client.send(&["not taken"]);
    send(&session, &["a"]);
    receiver.expect(r#"a["a"]"#);
    drop(receiver);
    let report = report(&session);
    assert_eq!((report.cause, &report.reason), (Cause::ClientGone, &CloseReason::INTERRUPTED));
    assert_eq!(account(&report), [1, 1, 0, 1, 0]);
    assert_eq!(report.unread, ["not taken"]);
}

#[test]
fn a_client_that_closed_its_websocket() {
    let app = App::start();
    let (mut socket, session) = app.websocket();
    send(&session, &["a"]);
    socket.expect_text(r#"a["a"]"#);
    socket.send(&Frame::close(1000, "bye"));
    let report = report(&session);
    assert_eq!((report.cause, report.reason.code()), (Cause::ClientGone, 1000));
    assert_eq!(report.reason.text(), "bye");
    assert_eq!([report.accepted, report.written, report.unsent.len() as u64], [1, 1, 0]);
}

#[test]
fn a_session_without_receiver_expires() {
    let app = App::with(|builder| builder.disconnect_delay(LONG));
    let (client, session) = app.open();
    send(&session, &["a"]);
    client.expect(Transport::Xhr, &[r#"a["a"]"#]);
    send(&session, &["b", "c"]);
    client.send(&["not taken"]);
    let report = report(&session);
    assert_eq!((report.cause, &report.reason), (Cause::Expired, &CloseReason::INTERRUPTED));
    assert_eq!(account(&report), [3, 1, 0, 1, 2]);
    assert_eq!(report.unsent, ["b", "c"]);
    assert_eq!(report.unread, ["not taken"]);
}

#[test]
fn a_poll_whose_answer_is_cut_off_interrupts() {
    let app = App::with(|builder| builder.limits(|limits| limits.outbox_bytes = usize::MAX));
    let (client, session) = app.open();
    send(&session, &["a"]);
    client.expect(Transport::Xhr, &[r#"a["a"]"#]);
    let large = "x".repeat(LARGE_BYTES);
    send(&session, &[&large, "after it"]);
    let mut connection = client.connect();
    connection.send(Transport::Xhr.request(client.path()).to_bytes());
    connection.reset();
    let report = report(&session);
    assert_eq!((report.cause, &report.reason), (Cause::Interrupted, &CloseReason::INTERRUPTED));
    // The large one can never have arrived whole, and the one after it was not handed out.
    assert_eq!(account(&report), [3, 1, 1, 0, 2]);
    assert!(report.unsent == [Message::text(large), Message::text("after it")]);
    client.expect(Transport::Xhr, &[r#"c[1002,"Connection interrupted"]"#]);
}

#[test]
fn a_websocket_that_does_not_answer_pings() {
    let app = App::with(|builder| {
        builder.heartbeat_delay(SHORT).limits(|limits| limits.pong_deadline = SHORT)
    });
    let (mut socket, session) = app.websocket();
    let report = report(&session);
    assert_eq!((report.cause, &report.reason), (Cause::Heartbeat, &CloseReason::NO_HEARTBEAT));
    assert_eq!(account(&report), [0; 5]);
    let last = std::iter::repeat_with(|| socket.text()).find(|text| text != "h");
    assert_eq!(last.as_deref(), Some(r#"c[3000,"No response from heartbeat"]"#));
    assert_eq!(socket.read(), Wire::Close(Some((3000, "No response from heartbeat".into()))));
}

#[test]
fn a_pong_confirms_what_came_before_its_ping() {
    let app = App::with(|builder| builder.heartbeat_delay(SHORT));
    let (mut socket, session) = app.websocket();
    send(&session, &["a"]);
    socket.expect_text(r#"a["a"]"#);
    // The second heartbeat is read after the ping that follows the first was answered.
    socket.expect_text("h").expect_text("h");
    socket.send(&Frame::close(1000, ""));
    assert_eq!(account(&report(&session)), [1, 1, 1, 0, 0]);
}

#[test]
fn a_slow_consumer_is_cut_off() {
    let app = App::with(|builder| {
        builder.limits(|limits| {
            limits.write_stall = LONG;
            limits.outbox_bytes = usize::MAX;
        })
    });
    let (client, session) = app.open();
    send(&session, &[&"x".repeat(LARGE_BYTES), "after it"]);
    let _reads_nothing_more = client.receive(Transport::XhrStreaming);
    let report = report(&session);
    assert_eq!((report.cause, &report.reason), (Cause::SlowConsumer, &CloseReason::SLOW_CONSUMER));
    // Nobody can know how much of the large one will still arrive.
    assert_eq!(account(&report), [2, 0, 0, 1, 1]);
    assert_eq!(report.unsent, ["after it"]);
}

#[test]
fn a_slow_consumer_may_be_left_alone() {
    let app = App::with(|builder| {
        let policy = SlowConsumers::Refuse;
        builder.slow_consumers(policy).limits(|limits| limits.write_stall = SHORT)
    });
    let (mut socket, session) = app.raw_websocket();
    // More than the sockets hold, then more than the queue.
    session.try_send("x".repeat(LARGE_BYTES)).expect("one always fits an empty queue");
    session.try_send("refused").expect_err("no room is left");
    std::thread::sleep(2 * SHORT);
    session.try_send("refused").expect_err("no room is left, and the session stands");
    assert!(!session.is_closed());
    assert_eq!(socket.text().len(), LARGE_BYTES);
    wait(session.writable());
    session.try_send("accepted").expect("there is room again");
    socket.expect_text("accepted");
}

#[test]
fn a_slow_application_ends_its_session() {
    let app = App::with(|builder| {
        builder.limits(|limits| {
            limits.inbox_bytes = 100;
            limits.send_patience = SHORT;
        })
    });
    let (client, mut session) = app.open();
    client.send(&["a"]);
    client.xhr_send(r#"["too many"]"#).expect_status(503);
    client.expect(Transport::Xhr, &[r#"c[1002,"Connection interrupted"]"#]);
    let report = report(&session);
    assert_eq!((report.cause, &report.reason), (Cause::SlowApplication, &CloseReason::INTERRUPTED));
    assert_eq!(report.unread, ["a"]);
    expect_message(&mut session, "a");
    assert_eq!(wait(session.recv()), None);
}

#[test]
fn a_broken_rule_of_the_protocol() {
    let app = App::start();
    let (mut socket, session) = app.websocket();
    send(&session, &["a"]);
    socket.expect_text(r#"a["a"]"#);
    socket.send_text(r#"["taken"]"#);
    socket.send(&Frame::new(Opcode::BINARY, "x"));
    socket.expect_close(1003);
    let report = report(&session);
    assert_eq!((report.cause, report.reason.code()), (Cause::ProtocolError, 1003));
    assert_eq!(report.accepted, 1);
    assert_eq!(report.unread, ["taken"]);
}

#[test]
fn a_shutdown() {
    let app = App::start();
    let (client, session) = app.open();
    send(&session, &["a"]);
    let service = app.service.clone();
    app.server.spawn(async move {
        service.shutdown(CloseReason::SERVER_GOING_AWAY, super::support::NEVER).await;
    });
    eventually("the session closes", || session.try_send("more").is_err());
    let received = sockjs_tests::client::messages_in(&client.poll());
    client.expect(Transport::Xhr, &[r#"c[1001,"Server going away"]"#]);
    let report = report(&session);
    assert_eq!((report.cause, &report.reason), (Cause::Shutdown, &CloseReason::SERVER_GOING_AWAY));
    let received = received.len() as u64;
    assert_eq!(account(&report), [received, received, received, 0, 0]);
}

#[test]
fn what_is_written_brackets_what_arrived() {
    const COUNT: u64 = 400;
    let app = App::with(|builder| {
        builder.response_limit(usize::MAX).limits(|limits| limits.outbox_bytes = usize::MAX)
    });
    let (_client, mut receiver, session) = app.stream();
    let message = "x".repeat(LARGE_BYTES / 400);
    for _ in 0..COUNT {
        wait(session.send(message.as_str())).expect("there is room");
    }
    let frame = format!("a[{message:?}]");
    for _ in 0..3 {
        receiver.expect(&frame);
    }
    // The client leaves, but reads what is on its way.
    let mut connection = receiver.into_connection();
    connection.half_close();
    let report = report(&session);
    let rest = connection.read_to_end();
    let chunk_bytes = format!("{:x}\r\n\r\n", frame.len() + 1).len() + frame.len() + 1;
    let arrived = 3 + (rest.len() / chunk_bytes) as u64;
    let sure = report.accepted - report.unsent.len() as u64;
    assert_eq!((report.cause, report.accepted), (Cause::ClientGone, COUNT));
    assert!(report.written <= arrived && arrived <= sure, "{arrived} arrived");
    assert!(arrived < COUNT, "the sockets hold less than {LARGE_BYTES} bytes");
}

#[test]
fn every_transport_of_this_server_reports_by_its_socket() {
    let app = App::start();
    for transport in Transport::ALL {
        let client = app.client();
        client.receive_first(transport, "o");
        let session = app.session();
        session.close(CloseReason::GO_AWAY);
        // A stream was left already, a poll's session is told now.
        client.exchange(&Request::post(client.target("xhr"))).expect_status(200);
        assert_eq!(report(&session).grade, Grade::Socket, "{transport:?}");
    }
    let (_socket, session) = app.websocket();
    session.close(CloseReason::GO_AWAY);
    assert_eq!(report(&session).grade, Grade::Socket);
}
