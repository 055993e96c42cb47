//! Handles of a session, for other tasks.

use sockjs_tests::client::Transport;

use super::support::{App, GO_AWAY, now, wait};
use crate::adapter::{Cause, CloseReason};

#[test]
fn handles_send_from_other_threads_and_tasks() {
    let app = App::start();
    let (_client, mut receiver, session) = app.stream();
    let handle = session.handle();
    std::thread::spawn(move || wait(handle.send("from a thread")))
        .join()
        .expect("no panic")
        .expect("there is room");
    receiver.expect(r#"a["from a thread"]"#);
    let handle = session.handle();
    app.run(async move { handle.send("from a task").await }).expect("there is room");
    receiver.expect(r#"a["from a task"]"#);
}

#[test]
fn what_one_sender_sends_stays_in_order() {
    const COUNT: usize = 500;
    let app = App::start();
    let (client, session) = app.open();
    let senders = ["a", "b", "c"].map(|name| {
        let handle = session.handle();
        std::thread::spawn(move || {
            for number in 0..COUNT {
                wait(handle.send(format!("{name}{number}"))).expect("it is open");
            }
        })
    });
    for sender in senders {
        sender.join().expect("no panic");
    }
    session.close(CloseReason::GO_AWAY);
    let mut receiver = client.receive(Transport::XhrStreaming);
    let mut next = [0; 3];
    loop {
        let frame = receiver.frame();
        if frame == GO_AWAY {
            break;
        }
        for message in sockjs_tests::client::messages_in(&frame) {
            let (name, number) = message.split_at(1);
            let next = &mut next["abc".find(name).expect("a sender's name")];
            assert_eq!(number, next.to_string(), "next of {name}");
            *next += 1;
        }
    }
    assert_eq!(next, [COUNT; 3]);
}

#[test]
fn handles_close() {
    let app = App::start();
    let (client, session) = app.open();
    session.handle().close(CloseReason::new(4001, "by a handle"));
    client.expect(Transport::Xhr, &[r#"c[4001,"by a handle"]"#]);
    assert_eq!(wait(session.closed()).cause, Cause::Application);
}

#[test]
fn any_number_of_handles_wait_for_the_end() {
    let app = App::start();
    let (mut socket, session) = app.websocket();
    let waiting: Vec<_> = (0..4)
        .map(|_| {
            let handle = session.handle();
            assert!(now(handle.closed()).is_none());
            std::thread::spawn(move || wait(handle.closed()))
        })
        .collect();
    socket.send(&sockjs_tests::client::Frame::close(1000, ""));
    let report = wait(session.closed());
    for handle in waiting {
        assert_eq!(handle.join().expect("no panic"), report);
    }
    assert_eq!(wait(session.handle().closed()), report, "also after the end");
}

#[test]
fn handles_are_equal_if_they_are_of_one_session() {
    let app = App::start();
    let (_first, one) = app.open();
    let (_second, other) = app.open();
    assert_eq!(one.handle(), one.handle().clone());
    assert_ne!(one.handle(), other.handle());
}

#[test]
fn handles_know_the_client() {
    let app = App::start();
    let (_client, session) = app.open();
    let handle = session.handle();
    assert_eq!(handle.transport(), session.transport());
    assert_eq!(handle.info().path(), "/app");
}
