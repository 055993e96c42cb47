//! One message to many sessions.

use sockjs_tests::client::{Transport, messages_in};

use super::support::{App, GO_AWAY, all_messages, eventually, wait};
use crate::adapter::{Broadcast, CloseReason, Local, Message, WhenFull, broadcast};

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
    let group = Broadcast::new();
    let members: Vec<_> = (0..8).map(|_| app.open()).collect();
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
    let mut seen = members.iter().map(|(client, session)| all_messages(client, session));
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
fn all_but_some() {
    let app = App::with(|builder| builder.shards(3));
    let group = Broadcast::new();
    let members: Vec<_> = (0..5).map(|_| app.open()).collect();
    for (_, session) in &members {
        group.join(session);
    }
    let (other_client, outsider) = app.open();
    let [(_, one), (_, two), ..] = &*members else { panic!("there are five") };
    assert_eq!(group.send_except("others", [&**one, &**two, &*outsider]).count, 3);
    assert_eq!(group.send("all").count, 5);
    for (at, (client, _)) in members.iter().enumerate() {
        let frame = if at < 2 { r#"a["all"]"# } else { r#"a["others","all"]"# };
        client.expect(Transport::Xhr, &[frame]);
    }
    // Who leaves and joins again is excepted no less.
    group.leave(one);
    group.join(one);
    assert_eq!(group.send_except("others", [&**one]).count, 4);
    outsider.close(CloseReason::GO_AWAY);
    other_client.expect(Transport::Xhr, &[GO_AWAY]);
}

#[test]
fn members_whose_queues_are_full_are_closed_by_policy() {
    let app = App::with(|builder| builder.limits(|limits| limits.outbox_bytes = 100));
    let group = Broadcast::with(WhenFull::Close(CloseReason::SLOW_CONSUMER), Local);
    let (_client, mut stream, quick) = app.stream();
    let (slow_client, slow) = app.open();
    group.join(&quick);
    group.join(&slow);
    slow.try_send("x".repeat(36)).expect("its queue is full now");
    let reached = group.send("missed");
    assert_eq!((reached.count, reached.full), (1, vec![slow.handle()]));
    stream.expect(r#"a["missed"]"#);
    assert_eq!(slow.close_reason(), Some(CloseReason::SLOW_CONSUMER));
    assert_eq!(group.len(), 1, "it is no member any more");
    let frame = format!(r#"a["{}"]"#, "x".repeat(36));
    let close = slow_client.receive_first(Transport::XhrStreaming, &frame).frame();
    assert!(close.starts_with("c["), "{close}");
}

#[test]
fn membership_ends_with_the_session() {
    let app = App::start();
    let group = Broadcast::new();
    let (_client, receiver, session) = app.stream();
    group.join(&session);
    drop(receiver);
    wait(session.closed());
    assert!(group.is_empty(), "at once, without a message");
    group.join(&session);
    assert!(group.is_empty(), "and for good");
    assert_eq!(group.send("nobody").count, 0);
}

#[test]
fn membership_ends_when_the_application_closes() {
    let app = App::start();
    let group = Broadcast::new();
    let (_client, session) = app.open();
    group.join(&session);
    session.close(CloseReason::GO_AWAY);
    assert!(group.is_empty());
    group.join(&session);
    assert!(group.is_empty());
}

#[test]
fn sessions_that_come_and_go_leave_nothing_behind() {
    let app = App::start();
    let groups = [(); 3].map(|()| Broadcast::new());
    for _ in 0..20 {
        let (_client, receiver, session) = app.stream();
        for group in &groups {
            group.join(&session);
        }
        assert_eq!(groups.each_ref().map(Broadcast::len), [1; 3]);
        drop(receiver);
        wait(session.closed());
        assert_eq!(groups.each_ref().map(Broadcast::len), [0; 3]);
    }
}

#[test]
fn a_group_may_end_before_its_members() {
    let app = App::start();
    let (client, session) = app.open();
    for _ in 0..1000 {
        Broadcast::new().join(&session);
    }
    let group = Broadcast::new();
    group.join(&session);
    assert_eq!(group.send("x").count, 1);
    client.expect(Transport::Xhr, &[r#"a["x"]"#]);
}

#[test]
fn members_come_and_go_while_messages_are_sent() {
    let app = App::with(|builder| builder.shards(2));
    let group = Broadcast::new();
    let steady: Vec<_> = (0..4).map(|_| app.open()).collect();
    for (_, session) in &steady {
        group.join(session);
    }
    let fickle: Vec<_> = (0..4).map(|_| app.open()).collect();
    std::thread::scope(|scope| {
        for (at, (_, session)) in fickle.iter().enumerate() {
            let group = &group;
            scope.spawn(move || {
                for _ in 0..500 {
                    group.join(session);
                    group.leave(session);
                }
                group.join(session);
                if at % 2 == 0 {
                    session.close(CloseReason::GO_AWAY);
                }
            });
        }
        for number in 0..200 {
            let reached = group.send(format!("{number}"));
            assert!((4..=8).contains(&reached.count), "{reached:?}");
        }
    });
    assert_eq!(group.len(), 6);
    let expected: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    for (client, _) in &steady {
        assert_eq!(messages_in(&client.poll()), expected);
    }
}

#[test]
fn bytes_reach_raw_websockets_only() {
    let app = App::start();
    let group = Broadcast::new();
    let (mut raw, member) = app.raw_websocket();
    group.join(&member);
    let (_client, text_only) = app.open();
    group.join(&text_only);
    let reached = group.send(Message::binary(vec![1, 2]));
    assert_eq!((reached.count, reached.text_only), (1, 1));
    assert_eq!(raw.read(), sockjs_tests::client::Message::Binary(vec![1, 2]));
}
