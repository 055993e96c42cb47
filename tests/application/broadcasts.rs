//! One message to many sessions.

use std::sync::Arc;

use sockjs_tests::client::{Transport, messages_in};

use super::support::{App, GO_AWAY, eventually, wait};
use crate::adapter::{Broadcast, CloseReason, Message, broadcast};

#[test]
fn every_member_gets_it_and_no_other() {
    let app = App::start();
    let group = Broadcast::new();
    let (polling, member) = app.open();
    group.join(&member);
    let (_client, mut stream, member) = app.stream();
    group.join(&member);
    let (mut socket, member) = app.websocket();
    group.join(&member);
    let (mut raw, member) = app.raw_websocket();
    group.join(&member);
    let (other, outsider) = app.open();
    let reached = group.send("all\t");
    assert_eq!((reached.count, reached.full.len()), (4, 0));
    polling.expect(Transport::Xhr, &[r#"a["all\t"]"#]);
    stream.expect(r#"a["all\t"]"#);
    socket.expect_text(r#"a["all\t"]"#);
    raw.expect_text("all\t");
    outsider.close(CloseReason::GO_AWAY);
    other.expect(Transport::Xhr, &[GO_AWAY]);
}

#[test]
fn to_a_list_of_sessions() {
    let app = App::start();
    let (first, one) = app.open();
    let (second, other) = app.open();
    let clients = [one.handle(), other.handle()];
    assert_eq!(broadcast(&clients, "both").count, 2);
    first.expect(Transport::Xhr, &[r#"a["both"]"#]);
    second.expect(Transport::Xhr, &[r#"a["both"]"#]);
    one.close(CloseReason::GO_AWAY);
    let reached = broadcast(&clients, "the ended are passed over");
    assert_eq!((reached.count, reached.full.len()), (1, 0));
    assert_eq!(broadcast(&[], "nobody").count, 0);
}

#[test]
fn it_is_encoded_before_it_is_sent() {
    // Quotes and escapes are worked out once, and every member's queue holds that one result: its
    // cost shows that each message came encoded.
    let app = App::start();
    let group = Broadcast::new();
    let sessions = [(); 3].map(|()| app.open());
    for (_, session) in &sessions {
        group.join(session);
    }
    assert_eq!(group.send("\t".repeat(1000)).count, 3);
    let quoted_bytes = 2 + 2 * 1000;
    assert_eq!(app.service.stats().queued_bytes, 3 * (quoted_bytes + 64));
}

#[test]
fn all_members_see_the_messages_of_all_senders_in_one_order() {
    const COUNT: usize = 200;
    let app = App::with(|builder| builder.shards(3));
    let group = Arc::new(Broadcast::new());
    let mut members: Vec<_> = (0..8).map(|_| app.open()).collect();
    for (_, session) in &members {
        group.join(session);
    }
    let senders = ["a", "b", "c"].map(|name| {
        let group = group.clone();
        std::thread::spawn(move || {
            for number in 0..COUNT {
                assert_eq!(group.send(format!("{name}{number}")).count, 8);
            }
        })
    });
    for sender in senders {
        sender.join().expect("no panic");
    }
    let mut seen = members.drain(..).map(|(client, session)| {
        session.close(CloseReason::GO_AWAY);
        let mut messages = Vec::new();
        let mut receiver = client.receive(Transport::XhrStreaming);
        loop {
            match receiver.frame() {
                frame if frame == GO_AWAY => return messages,
                frame => messages.extend(messages_in(&frame)),
            }
        }
    });
    let first = seen.next().expect("a member");
    assert_eq!(first.len(), 3 * COUNT);
    assert!(seen.all(|messages| messages == first));
}

#[test]
fn members_whose_queues_are_full_are_reported_and_stay() {
    let app = App::with(|builder| builder.limits(|limits| limits.outbox_bytes = 100));
    let group = Broadcast::new();
    let (_client, mut stream, quick) = app.stream();
    let (slow_client, slow) = app.open();
    group.join(&quick);
    group.join(&slow);
    slow.try_send("x".repeat(36)).expect("its queue is full now");
    let reached = group.send("missed");
    assert_eq!((reached.count, reached.full), (1, vec![slow.handle()]));
    stream.expect(r#"a["missed"]"#);
    slow_client.poll();
    eventually("room", || app.service.stats().queued_bytes == 0);
    assert_eq!(group.send("got").count, 2);
    slow_client.expect(Transport::Xhr, &[r#"a["got"]"#]);
}

#[test]
fn members_leave() {
    let app = App::start();
    let group = Broadcast::new();
    let (client, session) = app.open();
    assert!(group.is_empty());
    group.join(&session);
    group.join(&session);
    assert_eq!(group.len(), 1, "joining twice is joining");
    group.leave(&session);
    assert!(group.is_empty());
    assert_eq!(group.send("nobody").count, 0);
    wait(session.send("x")).expect("there is room");
    client.expect(Transport::Xhr, &[r#"a["x"]"#]);
}

#[test]
fn membership_ends_with_the_session() {
    let app = App::start();
    let group = Broadcast::new();
    let (_client, receiver, session) = app.stream();
    group.join(&session);
    drop(receiver);
    wait(session.closed());
    assert_eq!(group.send("nobody").count, 0);
    assert!(group.is_empty());
}

#[test]
fn bytes_reach_raw_websockets_only() {
    let app = App::start();
    let group = Broadcast::new();
    let (mut raw, member) = app.raw_websocket();
    group.join(&member);
    let (_client, text_only) = app.open();
    group.join(&text_only);
    assert_eq!(group.send(Message::binary(vec![1, 2])).count, 1);
    assert_eq!(raw.read(), sockjs_tests::client::Message::Binary(vec![1, 2]));
}
