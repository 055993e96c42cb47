//! How the application closes, and what it can know of the end.

use sockjs_tests::client::Transport;

use super::support::{App, GO_AWAY, expect_message, report, wait};
use crate::adapter::{Cause, CloseReason};

#[test]
fn the_usual_reason_is_3000_go_away() {
    let app = App::start();
    let (client, session) = app.open();
    session.close(CloseReason::GO_AWAY);
    assert_eq!(CloseReason::default(), CloseReason::new(3000, "Go away!"));
    assert_eq!(session.close_reason(), Some(CloseReason::default()));
    client.expect(Transport::Xhr, &[GO_AWAY]);
}

#[test]
fn a_code_and_a_reason_reach_the_client() {
    let app = App::start();
    let reason = CloseReason::new(4321, "\"so\"\n");
    let (client, session) = app.open();
    session.close(reason.clone());
    client.expect(Transport::Xhr, &[r#"c[4321,"\"so\"\n"]"#]);
    assert_eq!(report(&session).reason, reason);

    let (mut socket, session) = app.websocket();
    session.close(reason.clone());
    socket.expect_text(r#"c[4321,"\"so\"\n"]"#);
    socket.expect_close_saying(4321, "\"so\"\n");
    assert_eq!(report(&session).reason, reason);

    let (socket, session) = app.raw_websocket();
    session.close(reason);
    socket.expect_close_saying(4321, "\"so\"\n");
}

#[test]
fn what_was_sent_before_is_delivered_first() {
    let app = App::start();
    let (client, session) = app.open();
    wait(session.send("a")).expect("there is room");
    wait(session.send("b")).expect("there is room");
    session.close(CloseReason::GO_AWAY);
    client.expect(Transport::Xhr, &[r#"a["a","b"]"#]);
    client.expect(Transport::Xhr, &[GO_AWAY]);
    let report = report(&session);
    assert_eq!((report.accepted, report.confirmed, report.unsent.len()), (2, 2, 0));
}

#[test]
fn an_attached_receiver_is_told_at_once() {
    let app = App::start();
    let (_client, mut receiver, session) = app.stream();
    session.close(CloseReason::GO_AWAY);
    receiver.expect(GO_AWAY);
    receiver.end();
}

#[test]
fn closing_again_changes_nothing() {
    let app = App::start();
    let (client, session) = app.open();
    session.close(CloseReason::new(4001, "first"));
    session.close(CloseReason::new(4002, "second"));
    assert_eq!(session.close_reason(), Some(CloseReason::new(4001, "first")));
    client.expect(Transport::Xhr, &[r#"c[4001,"first"]"#]);
    client.expect(Transport::Xhr, &[r#"c[4001,"first"]"#]);
    session.close(CloseReason::new(4003, "after the end"));
    assert_eq!(report(&session).reason, CloseReason::new(4001, "first"));
}

#[test]
fn an_open_session_has_no_close_reason() {
    let app = App::start();
    let (_client, session) = app.open();
    assert!(!session.is_closed());
    assert_eq!(session.close_reason(), None);
}

#[test]
fn is_closed_from_the_applications_close_on() {
    let app = App::start();
    let (client, session) = app.open();
    let handle = session.handle();
    session.close(CloseReason::GO_AWAY);
    assert!(session.is_closed() && handle.is_closed());
    client.expect(Transport::Xhr, &[GO_AWAY]);
    wait(handle.closed());
    assert!(session.is_closed() && handle.is_closed());
}

#[test]
fn is_closed_when_the_client_has_left() {
    let app = App::start();
    let (_client, receiver, session) = app.stream();
    drop(receiver);
    assert_eq!(wait(session.closed()).cause, Cause::ClientGone);
    assert!(session.is_closed());
    assert_eq!(session.close_reason(), Some(CloseReason::INTERRUPTED));
}

#[test]
fn the_reason_of_a_client_that_closes_is_told() {
    let app = App::start();
    let (mut socket, session) = app.websocket();
    socket.send(&sockjs_tests::client::Frame::close(4000, "bye"));
    let report = report(&session);
    assert_eq!((report.cause, &report.reason), (Cause::ClientGone, &CloseReason::new(4000, "bye")));
    assert_eq!(session.close_reason(), Some(report.reason));
}

#[test]
fn sends_after_the_close_are_dropped_and_counted() {
    let app = App::start();
    let (client, mut session) = app.open();
    session.close(CloseReason::GO_AWAY);
    client.expect(Transport::Xhr, &[GO_AWAY]);
    client.send(&["late", "later"]);
    assert_eq!(wait(session.recv()), None);
    assert!(report(&session).unread.is_empty());
    let stats = app.service.stats();
    assert_eq!((stats.messages_in, stats.dropped), (0, 2));
}

#[test]
fn a_session_closed_by_one_task_ends_for_all() {
    let app = App::start();
    let (client, mut session) = app.open();
    let handle = session.handle();
    client.send(&["x"]);
    expect_message(&mut session, "x");
    std::thread::scope(|scope| {
        let received = scope.spawn(|| wait(session.recv()));
        handle.close(CloseReason::GO_AWAY);
        assert_eq!(received.join().expect("no panic"), None);
    });
}
