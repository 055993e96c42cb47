//! Back-pressure in both directions (PROTOCOL §6, DESIGN §4 and invariant 14).

use crate::common::{Sim, millis, secs};
use sockjs_core::{Message, Refused, SendError};

#[test]
fn a_full_queue_gives_the_message_back_and_says_when_there_is_room() {
    let mut sim = Sim::new(|settings| settings.limits.outbox_bytes = 4 * 65);
    sim.receive("a", "/000/s/xhr");
    for message in ["1", "2", "3", "4"] {
        sim.send(1, message).unwrap();
    }
    assert_eq!(sim.send(1, "5"), Err(SendError::Full(Message::text("5"))));
    sim.skip();
    sim.receive("b", "/000/s/xhr");
    sim.expect(&[
        "+0.000s b: a[\\\"1\\\",\\\"2\\\",\\\"3\\\",\\\"4\\\"]\\n end",
        "+0.000s #1: writable",
    ]);
    sim.send(1, "5").unwrap();
}

#[test]
fn a_message_of_any_size_fits_an_empty_queue() {
    let mut sim = Sim::new(|settings| {
        settings.limits.outbox_bytes = 100;
        settings.limits.total_bytes = 100;
    });
    sim.receive("a", "/000/s/xhr");
    sim.send(1, "x".repeat(1_000)).unwrap();
    sim.send(1, "y").unwrap_err();
}

#[test]
fn bytes_are_refused_where_only_text_can_go() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr");
    sim.receive("w", "/000/s/websocket");
    for session in [1, 2] {
        let bytes = Message::binary(vec![1]);
        assert_eq!(sim.send(session, bytes.clone()), Err(SendError::NotText(bytes)));
    }
}

#[test]
fn send_requests_wait_for_a_lagging_application() {
    let mut sim = Sim::new(|settings| settings.limits.inbox_bytes = 65);
    sim.receive("open", "/000/s/xhr");
    sim.receive("a", "/000/s/xhr");
    sim.post("p", "/000/s/xhr_send", "[\"1\"]");
    sim.skip();
    assert!(sim.post("q", "/000/s/xhr_send", "[\"2\"]").is_none());
    sim.advance(secs(9));
    sim.expect(&[]);
    assert_eq!(sim.recv_text(1).as_deref(), Some("1"));
    sim.expect(&["+9.000s q: 204"]);
    assert_eq!(sim.recv_text(1).as_deref(), Some("2"));
}

#[test]
fn after_10_seconds_the_answer_is_503_and_the_session_ends_with_1002() {
    let mut sim = Sim::new(|settings| settings.limits.inbox_bytes = 65);
    sim.receive("open", "/000/s/xhr");
    sim.receive("a", "/000/s/xhr");
    sim.advance(secs(2));
    sim.post("p", "/000/s/xhr_send", "[\"1\"]");
    sim.post("q", "/000/s/xhr_send", "[\"2\"]");
    sim.skip();
    sim.advance(millis(9_999));
    sim.expect(&[]);
    sim.advance(millis(1));
    let lines = sim.take_transcript();
    for line in [
        "+12.000s q: 503",
        "+12.000s a: c[1002,\\\"Connection interrupted\\\"]\\n end",
        "+12.000s #1: closed SlowApplication 1002 Connection interrupted, unread 1",
    ] {
        assert!(lines.iter().any(|l| l == line), "{line} in {lines:#?}");
    }
}

/// All that was planned is due at once, so nothing else brings the session's turn again.
#[test]
fn patience_that_has_ended_is_no_deadline_any_more() {
    let mut sim = Sim::new(|settings| settings.limits.inbox_bytes = 65);
    sim.receive("open", "/000/s/xhr");
    sim.receive("a", "/000/s/xhr_streaming");
    sim.post("p", "/000/s/xhr_send", "[\"1\"]");
    sim.post("q", "/000/s/xhr_send", "[\"2\"]");
    sim.sleep(secs(3_600));
    sim.timeout();
    assert!(sim.endpoint.poll_timeout().is_none_or(|at| at > sim.now()));
    assert_eq!(sim.unanswered(), 0);
}

/// Who is told in the last moment to try again may find that its patience has ended meanwhile.
#[test]
fn who_tries_in_vain_without_patience_left_is_refused_at_once() {
    let mut sim = Sim::new(|settings| settings.limits.inbox_bytes = 65);
    sim.receive("open", "/000/s/xhr");
    sim.post("p", "/000/s/xhr_send", "[\"1\"]");
    let (key, since) = (sim.key(1), sim.now());
    for (waited, said) in [(millis(9_999), Refused::Full), (secs(10), Refused::Overdue)] {
        let mut batch = vec![Message::text("2")];
        let taken = sim.endpoint.handle_messages_since(key, &mut batch, since, since + waited);
        assert_eq!((taken, batch.len()), (Err(said), 1));
    }
}

#[test]
fn trying_in_vain_does_not_restore_the_patience() {
    let mut sim = Sim::new(|settings| settings.limits.inbox_bytes = 300);
    sim.receive("open", "/000/s/xhr");
    sim.receive("a", "/000/s/xhr");
    let part = "x".repeat(36);
    sim.post("p", "/000/s/xhr_send", &format!("[\"{part}\",\"{part}\",\"{part}\"]"));
    let body = format!("[\"{}\"]", "y".repeat(200));
    assert!(sim.post("q", "/000/s/xhr_send", &body).is_none());
    sim.advance(secs(6));
    sim.recv(1);
    sim.recv(1); // Room for something, but not for that.
    sim.skip();
    sim.advance(secs(4));
    let lines = sim.take_transcript();
    assert!(lines.iter().any(|line| line == "+10.000s q: 503"), "{lines:#?}");
}

#[test]
fn each_of_several_requests_has_its_own_patience() {
    let mut sim = Sim::new(|settings| settings.limits.inbox_bytes = 65);
    sim.receive("open", "/000/s/xhr");
    sim.receive("a", "/000/s/xhr");
    sim.post("p", "/000/s/xhr_send", "[\"1\"]");
    assert!(sim.post("q", "/000/s/xhr_send", "[\"2\"]").is_none());
    sim.advance(secs(5));
    assert!(sim.post("r", "/000/s/xhr_send", "[\"3\"]").is_none());
    sim.advance(secs(4));
    sim.skip();
    // The second gets in, and the third waits on: until 10 s after it came, not after this.
    assert_eq!(sim.recv_text(1).as_deref(), Some("1"));
    sim.expect(&["+9.000s q: 204"]);
    sim.advance(millis(5_999));
    sim.expect(&[]);
    sim.advance(millis(1));
    let lines = sim.take_transcript();
    assert!(lines.iter().any(|line| line == "+15.000s r: 503"), "{lines:#?}");
}

#[test]
fn one_that_comes_later_does_not_shorten_nor_lengthen_the_patience_of_those_before() {
    let mut sim = Sim::new(|settings| settings.limits.inbox_bytes = 65);
    sim.receive("open", "/000/s/xhr");
    sim.receive("a", "/000/s/xhr");
    sim.post("p", "/000/s/xhr_send", "[\"1\"]");
    for name in ["q", "r", "s"] {
        assert!(sim.post(name, "/000/s/xhr_send", "[\"2\"]").is_none());
        sim.advance(secs(3));
    }
    sim.skip();
    sim.advance(millis(999));
    sim.expect(&[]);
    sim.advance(millis(1));
    let lines = sim.take_transcript();
    for line in ["+10.000s q: 503", "+10.000s r: 503", "+10.000s s: 503"] {
        assert!(lines.iter().any(|known| known == line), "{line} in {lines:#?}");
    }
}

#[test]
fn a_client_that_gave_up_waiting_leaves_its_session_alone() {
    let mut sim = Sim::new(|settings| settings.limits.inbox_bytes = 65);
    sim.receive("open", "/000/s/xhr");
    sim.receive("a", "/000/s/xhr");
    sim.post("p", "/000/s/xhr_send", "[\"1\"]");
    sim.post("q", "/000/s/xhr_send", "[\"2\"]");
    sim.give_up("q");
    sim.advance(secs(6));
    sim.recv(1);
    sim.advance(secs(6));
    assert_eq!(sim.endpoint.live(), 1);
}

#[test]
fn a_request_after_one_that_gave_up_has_all_of_its_patience() {
    let mut sim = Sim::new(|settings| settings.limits.inbox_bytes = 300);
    sim.receive("open", "/000/s/xhr");
    sim.receive("a", "/000/s/xhr");
    let part = "x".repeat(36);
    sim.post("p", "/000/s/xhr_send", &format!("[\"{part}\",\"{part}\",\"{part}\"]"));
    let body = format!("[\"{}\"]", "y".repeat(200));
    assert!(sim.post("q", "/000/s/xhr_send", &body).is_none());
    sim.give_up("q");
    sim.advance(secs(6));
    sim.recv(1);
    sim.recv(1); // Whoever waits is told to try again.
    assert!(sim.post("r", "/000/s/xhr_send", &body).is_none(), "it does not fit yet");
    sim.skip();
    sim.advance(millis(9_999));
    sim.expect(&[]);
    sim.advance(millis(1));
    let lines = sim.take_transcript();
    assert!(lines.iter().any(|line| line == "+16.000s r: 503"), "{lines:#?}");
}

#[test]
fn an_empty_payload_waits_for_nothing() {
    let mut sim = Sim::new(|settings| settings.limits.inbox_bytes = 65);
    sim.receive("open", "/000/s/xhr");
    sim.post("p", "/000/s/xhr_send", "[\"longer than the limit\"]");
    assert_eq!(sim.post("q", "/000/s/xhr_send", "[]").unwrap().status(), 204);
}

#[test]
fn a_websocket_is_not_read_and_never_runs_out_of_patience() {
    let mut sim = Sim::new(|settings| {
        settings.limits.inbox_bytes = 65;
        settings.heartbeat_delay = None;
    });
    sim.receive("w", "/000/s/websocket");
    sim.message("w", "\"1\"");
    sim.message("w", "\"2\"");
    sim.skip();
    sim.advance(secs(1_000));
    sim.expect(&[]);
    assert_eq!(sim.recv_text(1).as_deref(), Some("1"));
    assert_eq!(sim.recv_text(1).as_deref(), Some("2"));
    assert_eq!(sim.recv_text(1), None);
}

#[test]
fn a_pong_is_not_missed_while_the_websocket_is_not_read() {
    let mut sim = Sim::new(|settings| settings.limits.inbox_bytes = 65);
    sim.receive("w", "/000/s/websocket");
    sim.message("w", "\"1\"");
    sim.message("w", "\"2\"");
    sim.skip();
    sim.advance(secs(40));
    assert!(!sim.take_transcript().iter().any(|line| line.contains("closed")), "still lagging");
    // Once it is read again, the deadline counts.
    assert_eq!(sim.recv_text(1).as_deref(), Some("1"));
    sim.skip();
    sim.advance(secs(10));
    let ended = sim.take_transcript();
    assert!(ended.iter().any(|line| line.contains("No response from heartbeat")), "{ended:?}");
}

#[test]
fn the_total_over_all_sessions_is_limited() {
    let mut sim = Sim::new(|settings| settings.limits.total_bytes = 200);
    sim.receive("a", "/000/s/xhr");
    sim.receive("b", "/000/t/xhr");
    sim.send(1, "x".repeat(100)).unwrap();
    assert!(matches!(sim.send(2, "y"), Err(SendError::Full(_))));
    for _ in 0..1_000 {
        sim.send(2, "y").unwrap_err();
    }
    sim.skip();
    sim.receive("c", "/000/s/xhr");
    assert!(sim.take_transcript().last().unwrap().contains("#2: writable"));
    sim.send(2, "y").unwrap();
}

#[test]
fn a_reader_is_told_once_when_there_is_something_again() {
    let mut sim = Sim::new(|_| ());
    sim.receive("w", "/000/s/websocket");
    sim.recv(1);
    sim.skip();
    sim.message("w", "[\"1\",\"2\"]");
    sim.message("w", "\"3\"");
    sim.expect(&["+0.000s #1: readable"]);
    for text in ["1", "2", "3"] {
        assert_eq!(sim.recv_text(1).as_deref(), Some(text));
    }
    assert_eq!(sim.recv(1), None);
    sim.message("w", "\"4\"");
    sim.expect(&["+0.000s #1: readable"]);
}

#[test]
fn a_message_that_was_looked_at_stays() {
    let mut sim = Sim::new(|settings| settings.limits.inbox_bytes = 65);
    sim.receive("open", "/000/s/xhr");
    let key = sim.key(1);
    sim.post("p", "/000/s/xhr_send", "[\"1\"]");
    sim.skip();
    for _ in 0..2 {
        assert_eq!(sim.endpoint.peek(key), Some(Message::text("1")));
    }
    assert!(sim.post("q", "/000/s/xhr_send", "[\"2\"]").is_none(), "there is still no room");
    assert_eq!(sim.recv_text(1).as_deref(), Some("1"));
    sim.expect(&["+0.000s q: 204"]);
    assert_eq!(sim.recv_text(1).as_deref(), Some("2"));
}

#[test]
fn who_looks_in_vain_is_told_when_there_is_something() {
    use crate::common::request::{head, peer, post};
    use crate::common::{START, settings};
    use bytes::BytesMut;
    use sockjs_core::{Action, Endpoint, Event, Quota, Seed, Service};

    let service = Service::new(settings()).unwrap();
    let quota = Quota::whole(&service.settings().limits);
    let mut endpoint = Endpoint::new(service.clone(), 0, quota, Seed::new(1));
    let route = service.route(head(post("/000/s/xhr")), &peer(), 0, START);
    let Action::Poll { mut receiver, .. } = endpoint.handle_route(route, None, START) else {
        panic!("a poll")
    };
    assert_eq!(endpoint.sessions(), [], "nobody knows of it yet");
    let open = endpoint.poll_transmit(&mut receiver, &mut BytesMut::new());
    assert!(open.is_some_and(|open| open.fin));
    let Some(Event::Opened(key, _)) = endpoint.poll_event() else { panic!("no session") };
    assert_eq!(endpoint.sessions(), [key]);
    for text in ["x", "y"] {
        assert_eq!(endpoint.peek(key), None);
        endpoint.handle_messages(key, &mut vec![Message::text(text)], START).unwrap();
        assert!(matches!(endpoint.poll_event(), Some(Event::Readable(told)) if told == key));
        assert_eq!(endpoint.peek(key), Some(Message::text(text)));
        assert_eq!(endpoint.recv(key), Some(Message::text(text)));
    }
    endpoint.handle_messages(key, &mut vec![Message::text("z")], START).unwrap();
    assert_eq!(endpoint.peek(key), Some(Message::text("z")));
    endpoint.shutdown(sockjs_core::CloseReason::SERVER_GOING_AWAY);
    assert_eq!(endpoint.peek(key), None, "nothing is to be taken any more");
    endpoint.handle_timeout(START + secs(60));
    assert_eq!(endpoint.sessions(), []);
}
