//! What an endpoint tells whoever drives it (DESIGN §2, the drain contract): no event too many, and
//! none too few.

use crate::common::{Output, START, Sim, request, secs};
use sockjs_core::trace::Traced;
use sockjs_core::{Action, Endpoint, Event, Message, Quota, Refused, Route, Seed, SessionKey};

/// An open session on a WebSocket, with an inbox and an outbox for ten messages of `x`.
fn open() -> (Sim, SessionKey) {
    let mut sim = Sim::new(|settings| {
        settings.limits.inbox_bytes = 650;
        settings.limits.outbox_bytes = 650;
    });
    sim.writes = false;
    sim.receive("w", "/000/s/websocket");
    sim.all_written("w");
    let key = sim.key(1);
    (sim, key)
}

fn messages(count: usize) -> Vec<Message> {
    vec![Message::text("x"); count]
}

fn events(endpoint: &mut Traced) -> String {
    let shown = std::iter::from_fn(|| endpoint.poll_event()).map(|event| match event {
        Event::Opened(..) => "opened",
        Event::Readable(_) => "readable",
        Event::Writable(_) => "writable",
        Event::Transmit(_) => "transmit",
        Event::Resume(_) => "resume",
        Event::Closed(..) => "closed",
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// An endpoint without a simulation around it, and a receiver to which nothing was handed.
fn fresh() -> (Traced, sockjs_core::Receiver) {
    let service = Sim::new(|_| ()).service();
    let quota = Quota::whole(&service.settings().limits);
    let head = request::head(request::for_path("/000/s/websocket"));
    let mut endpoint = Traced::from(Endpoint::new(service.clone(), 0, quota, Seed::new(1)));
    let Route::Websocket(permit) = service.route(head, &request::peer(), 0, START) else {
        panic!("no handshake");
    };
    match endpoint.handle_websocket(permit, None, START) {
        Action::Upgrade { receiver, .. } => (endpoint, receiver),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_time_need_not_be_told_where_nothing_comes_of_it() {
    let (mut endpoint, receiver) = fresh();
    let (now, later) = (START + secs(1), START + secs(2));
    assert!(endpoint.needs_time(now));
    endpoint.handle_timeout(now);
    assert_eq!([START, now, later].map(|at| endpoint.needs_time(at)), [false, false, true]);
    // Another call has seen the time pass a deadline.
    assert_eq!(events(&mut endpoint), "");
    let due = endpoint.poll_timeout().unwrap();
    endpoint.handle_pong(receiver.session().unwrap(), due);
    assert!(endpoint.needs_time(START));
    endpoint.handle_timeout(START);
    assert!(!endpoint.needs_time(due));
}

#[test]
fn a_session_counts_as_opened_once_its_open_frame_was_handed() {
    let (mut endpoint, mut receiver) = fresh();
    assert_eq!((endpoint.stats().opened.total(), endpoint.live()), (0, 1));
    let mut buf = bytes::BytesMut::new();
    assert!(endpoint.poll_transmit(&mut receiver, &mut buf).is_some());
    assert_eq!((events(&mut endpoint), endpoint.stats().opened.total()), ("opened".into(), 1));

    let (mut endpoint, receiver) = fresh();
    endpoint.handle_gone(receiver, sockjs_core::Gone::Disconnected, START);
    assert_eq!((events(&mut endpoint), endpoint.stats().opened.total()), (String::new(), 0));
    assert_eq!(endpoint.stats().closed.total(), 0);
}

#[test]
fn what_the_buffer_holds_already_does_not_count() {
    let (mut endpoint, mut receiver) = fresh();
    let key = receiver.session().unwrap();
    // More than the window.
    let mut buf = bytes::BytesMut::zeroed(70 * 1024);
    assert!(endpoint.poll_transmit(&mut receiver, &mut buf).is_some());
    endpoint.send(key, Message::text("x")).unwrap();
    assert!(endpoint.poll_transmit(&mut receiver, &mut buf).is_some());
    assert!(buf.ends_with(b"oa[\"x\"]"));
}

#[test]
fn who_has_messages_to_read_is_not_told_of_more() {
    let (mut endpoint, mut receiver) = fresh();
    let key = receiver.session().unwrap();
    assert_eq!(endpoint.handle_messages(key, &mut messages(1), START), Ok(()));
    let mut buf = bytes::BytesMut::new();
    assert!(endpoint.poll_transmit(&mut receiver, &mut buf).is_some());
    assert_eq!(events(&mut endpoint), "opened");
    assert_eq!(endpoint.handle_messages(key, &mut messages(1), START), Ok(()));
    assert_eq!(events(&mut endpoint), "");
    assert!(endpoint.recv(key).is_some() && endpoint.recv(key).is_some());
    assert!(endpoint.recv(key).is_none());
    assert_eq!(endpoint.handle_messages(key, &mut messages(1), START), Ok(()));
    assert_eq!(events(&mut endpoint), "readable");
}

#[test]
fn a_session_ends_once_all_that_it_handed_is_written() {
    let (mut sim, _) = open();
    sim.send(1, "x").unwrap();
    sim.close(1, sockjs_core::CloseReason::GO_AWAY);
    sim.skip();
    assert!(sim.written("w"), "the message");
    sim.expect(&[]);
    assert!(sim.written("w"), "the close");
    sim.expect(&["+0.000s #1: closed Application 3000 Go away!, written 1, uncertain 1"]);
}

#[test]
fn a_batch_is_tried_again_once_half_of_the_queue_is_free() {
    let (mut sim, key) = open();
    let endpoint = &mut sim.endpoint;
    assert_eq!(endpoint.handle_messages(key, &mut messages(10), START), Ok(()));
    assert_eq!(endpoint.handle_messages(key, &mut messages(1), START), Err(Refused::Full));
    assert_eq!(events(endpoint), "readable");
    for taken in 1..=10 {
        assert!(endpoint.recv(key).is_some());
        assert_eq!(events(endpoint), if taken == 5 { "resume" } else { "" }, "{taken} taken");
    }
}

#[test]
fn a_sender_tries_again_once_half_of_the_queue_is_free() {
    let (mut sim, key) = open();
    // Each message is a chunk of its own, and the window lets them all be handed.
    for _ in 0..10 {
        sim.send(1, "x").unwrap();
    }
    sim.send(1, "x").unwrap_err();
    sim.skip();
    for written in 1..=10 {
        assert!(sim.written("w"));
        let lines = sim.take_transcript();
        let is_writable = lines.iter().any(|line| line.ends_with("#1: writable"));
        assert_eq!(is_writable, written == 5, "{written} written: {lines:?}");
    }
    assert_eq!(events(&mut sim.endpoint), "");
    assert!(sim.endpoint.send(key, Message::text("x")).is_ok());
}

#[test]
fn a_sender_that_waits_is_told_of_the_close() {
    let (mut sim, _) = open();
    while sim.send(1, "x").is_ok() {}
    sim.skip();
    sim.close(1, sockjs_core::CloseReason::GO_AWAY);
    assert!(sim.take_transcript().iter().any(|line| line.ends_with("#1: writable")));
}

#[test]
fn a_receiver_is_called_when_it_waits_and_there_is_something() {
    let (mut sim, key) = open();
    let endpoint = &mut sim.endpoint;
    assert_eq!(events(endpoint), "");
    endpoint.send(key, Message::text("x")).unwrap();
    assert_eq!(events(endpoint), "transmit");
    // It was called, and has not come yet.
    endpoint.send(key, Message::text("y")).unwrap();
    assert_eq!(events(endpoint), "");
}

#[test]
fn what_is_written_calls_no_receiver_that_has_nothing_to_take() {
    let (mut sim, _) = open();
    sim.keep_outputs();
    sim.send(1, "x").unwrap();
    let Some(Output::Frame { chunk: Some(chunk), .. }) = sim.take_output() else {
        panic!("it is handed");
    };
    sim.endpoint.handle_written(chunk, START);
    assert_eq!(events(&mut sim.endpoint), "");
}

#[test]
fn messages_for_a_session_that_its_client_ended_are_refused() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr_streaming");
    let key = sim.key(1);
    sim.disconnect("a");
    let mut batch = messages(2);
    assert_eq!(sim.endpoint.handle_messages(key, &mut batch, START), Err(Refused::Gone));
    assert_eq!(batch.len(), 2);
    assert_eq!(sim.endpoint.stats().dropped, 0);
}

#[test]
fn messages_for_a_session_that_the_application_ended_are_dropped() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr_streaming");
    let key = sim.key(1);
    sim.close(1, sockjs_core::CloseReason::GO_AWAY);
    let mut batch = messages(2);
    assert_eq!(sim.endpoint.handle_messages(key, &mut batch, START), Ok(()));
    assert!(batch.is_empty());
    assert_eq!(sim.endpoint.stats().dropped, 2);
}

#[test]
fn the_last_messages_are_taken_whatever_waits() {
    let (mut sim, key) = open();
    let endpoint = &mut sim.endpoint;
    assert_eq!(endpoint.handle_messages(key, &mut messages(10), START), Ok(()));
    while endpoint.poll_event().is_some() {}
    let mut batch = messages(3);
    endpoint.handle_last_messages(key, &mut batch, START);
    let stats = endpoint.stats();
    assert_eq!((stats.messages_in, stats.dropped, batch.len()), (13, 0, 0));
    for _ in 0..13 {
        assert!(endpoint.recv(key).is_some());
    }
    // The reader finds nothing, and hears of what comes then; of nothing it hears nothing.
    assert!(endpoint.recv(key).is_none());
    endpoint.handle_last_messages(key, &mut Vec::new(), START);
    assert_eq!(events(endpoint), "");
    endpoint.handle_last_messages(key, &mut messages(1), START);
    assert_eq!(events(endpoint), "readable");
}

#[test]
fn the_last_messages_of_a_closed_session_are_dropped() {
    let (mut sim, key) = open();
    sim.close(1, sockjs_core::CloseReason::GO_AWAY);
    let mut batch = messages(3);
    sim.endpoint.handle_last_messages(key, &mut batch, START);
    let stats = sim.endpoint.stats();
    assert_eq!((stats.messages_in, stats.dropped, batch.len()), (0, 3, 0));
    let mut batch = messages(1);
    let other = Sim::new(|_| ()).endpoint.handle_messages(key, &mut batch, START);
    assert_eq!(other, Err(Refused::Gone), "no endpoint knows another's sessions");
}

#[test]
fn who_found_the_total_full_is_called_one_at_a_time_until_a_part_of_it_is_free() {
    let mut sim = Sim::new(|settings| settings.limits.total_bytes = 32 * 65);
    for path in ["/000/a/websocket", "/000/b/websocket", "/000/c/websocket", "/000/d/websocket"] {
        sim.receive(path, path);
    }
    let [first, others @ ..] = [1, 2, 3, 4].map(|number| sim.key(number));
    let endpoint = &mut sim.endpoint;
    assert_eq!(endpoint.handle_messages(first, &mut messages(32), START), Ok(()));
    for key in [others[0], others[0], others[1], others[2]] {
        let tried = endpoint.handle_messages(key, &mut messages(1), START);
        assert_eq!(tried, Err(Refused::Full));
    }
    assert_eq!(events(endpoint), "readable");
    // A sixteenth is two messages.
    for called in ["resume", "resume resume", ""] {
        assert!(endpoint.recv(first).is_some());
        assert_eq!(events(endpoint), called);
    }
    assert_eq!(endpoint.handle_messages(others[0], &mut messages(1), START), Ok(()));
    assert_eq!(events(endpoint), "readable");
}

#[test]
fn the_deadline_moves_to_the_delay_after_the_last_write() {
    let mut sim = Sim::new(|_| ());
    sim.writes = false;
    sim.receive("a", "/000/s/xhr");
    assert_eq!(sim.endpoint.poll_timeout(), Some(START + secs(10)), "the stall");
    sim.advance(secs(1));
    sim.written("a");
    assert_eq!(sim.endpoint.poll_timeout(), Some(START + secs(6)));
}
