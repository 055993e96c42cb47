//! DESIGN §3: what becomes of each message is known, and told.

use crate::common::request::{head, post};
use crate::common::{START, Sim, millis, secs, settings};
use bytes::BytesMut;
use sockjs_core::{Action, Cause, Endpoint, Event, Gone, Grade, Message, Peer, Quota};
use sockjs_core::{CloseReason, Route, Seed, SendError, Service, SlowConsumers};

fn stream() -> Sim {
    let mut sim = Sim::new(|_| ());
    sim.writes = false;
    sim.receive("a", "/000/s/xhr_streaming");
    sim.written("a");
    sim
}

#[test]
fn handed_written_and_waiting() {
    let mut sim = stream();
    sim.send(1, "written").unwrap();
    sim.written("a");
    sim.send(1, "handed").unwrap();
    sim.skip();
    sim.disconnect("a");
    sim.expect(&[
        "+0.000s #1: closed ClientGone 1002 Connection interrupted, written 1, uncertain 2",
    ]);
    let report = sim.model.report(1).unwrap();
    assert_eq!((report.accepted, report.confirmed), (2, 0));
}

#[test]
fn the_next_request_confirms_what_was_written_before_it() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr");
    sim.receive("b", "/000/s/xhr");
    sim.send(1, "x").unwrap();
    sim.receive("c", "/000/s/xhr");
    sim.send(1, "y").unwrap();
    sim.skip();
    sim.advance(secs(5));
    sim.expect(&[
        "+5.000s #1: closed Expired 1002 Connection interrupted, written 2, confirmed 1, uncertain 1",
    ]);
}

#[test]
fn a_confirmation_waits_for_the_word_that_the_chunk_was_written() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr");
    sim.receive("b", "/000/s/xhr");
    sim.writes = false;
    sim.send(1, "x").unwrap();
    sim.receive("c", "/000/s/xhr");
    sim.written("b");
    sim.skip();
    sim.disconnect("c");
    sim.expect(&[
        "+0.000s #1: closed ClientGone 1002 Connection interrupted, written 1, confirmed 1",
    ]);
}

#[test]
fn a_chunk_lost_under_the_next_request_ends_the_session_with_1002() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr");
    sim.receive("b", "/000/s/xhr");
    sim.writes = false;
    sim.send(1, "x").unwrap();
    sim.receive("c", "/000/s/xhr");
    sim.skip();
    sim.lost("b", true);
    sim.expect(&[
        "+0.000s #1: closed Interrupted 1002 Connection interrupted, unsent 1",
        "+0.000s c: c[1002,\\\"Connection interrupted\\\"]\\n end",
    ]);
    sim.receive("d", "/000/s/xhr");
    sim.expect(&["+0.000s d: c[1002,\\\"Connection interrupted\\\"]\\n end"]);
}

#[test]
fn a_lost_chunk_of_a_finished_poll_is_no_gap_that_survives() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr");
    sim.receive("b", "/000/s/xhr");
    sim.writes = false;
    sim.send(1, "x").unwrap();
    sim.send(1, "y").unwrap();
    sim.skip();
    sim.lost("b", true);
    sim.expect(&["+0.000s #1: closed Interrupted 1002 Connection interrupted, unsent 2"]);
    assert_eq!(sim.model.report(1).unwrap().unsent, ["x", "y"].map(Message::text));
}

#[test]
fn all_chunks_that_a_stream_lost_are_unsent() {
    let mut sim = stream();
    for message in ["1", "2", "3"] {
        sim.send(1, message).unwrap();
    }
    sim.written("a");
    sim.skip();
    sim.lost("a", true);
    sim.disconnect("a");
    sim.expect(&[
        "+0.000s #1: closed ClientGone 1002 Connection interrupted, written 1, uncertain 1, unsent 2",
    ]);
}

#[test]
fn if_only_the_last_chunk_is_known_to_be_lost_those_before_it_are_uncertain() {
    let mut sim = stream();
    for message in ["1", "2", "3"] {
        sim.send(1, message).unwrap();
    }
    sim.skip();
    sim.lost("a", false);
    sim.expect(&[
        "+0.000s #1: closed ClientGone 1002 Connection interrupted, uncertain 2, unsent 1",
    ]);
}

#[test]
fn what_was_lost_before_a_later_response_is_uncertain() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr");
    sim.receive("b", "/000/s/xhr");
    sim.writes = false;
    sim.send(1, "x").unwrap();
    sim.receive("c", "/000/s/xhr");
    sim.send(1, "y").unwrap();
    sim.send(1, "z").unwrap();
    sim.skip();
    sim.lost("b", true);
    sim.expect(&[
        "+0.000s #1: closed Interrupted 1002 Connection interrupted, uncertain 2, unsent 1",
    ]);
}

#[test]
fn a_pong_confirms_what_was_handed_before_its_ping() {
    let mut sim = Sim::new(|_| ());
    sim.receive("w", "/000/s/websocket");
    sim.send(1, "before").unwrap();
    sim.advance(secs(25));
    sim.send(1, "after").unwrap();
    sim.pong("w");
    sim.skip();
    sim.disconnect("w");
    sim.expect(&[
        "+25.000s #1: closed ClientGone 1002 Connection interrupted, written 2, confirmed 1, uncertain 1",
    ]);
}

#[test]
fn a_receiver_that_takes_nothing_for_10_seconds_is_cut() {
    let mut sim = stream();
    sim.advance(secs(3));
    sim.send(1, "x").unwrap();
    sim.advance(secs(5));
    sim.send(1, "y").unwrap();
    sim.skip();
    sim.advance(secs(5));
    sim.expect(&[
        "+13.000s #1: closed SlowConsumer 4500 Slow consumer, uncertain 2",
        "+13.000s a: c[4500,\\\"Slow consumer\\\"]\\n end",
    ]);
}

#[test]
fn the_reason_of_the_cut_is_the_services() {
    let reason = CloseReason::new(4100, "too slow");
    let mut sim =
        Sim::new(|settings| settings.slow_consumers = SlowConsumers::Close(reason.clone()));
    sim.writes = false;
    sim.receive("a", "/000/s/xhr_streaming");
    sim.advance(secs(10));
    let report = sim.model.report(1).unwrap();
    assert_eq!((report.cause, &report.reason), (Cause::SlowConsumer, &reason));
}

#[test]
fn a_service_may_refuse_more_and_keep_the_session() {
    let mut sim = Sim::new(|settings| {
        settings.slow_consumers = SlowConsumers::Refuse;
        settings.limits.outbox_bytes = 2 * 65;
        settings.limits.window_bytes = 1;
    });
    sim.writes = false;
    sim.receive("a", "/000/s/xhr_streaming");
    sim.send(1, "1").unwrap();
    sim.send(1, "2").unwrap();
    for _ in 0..100 {
        sim.advance(secs(100));
        assert!(matches!(sim.send(1, "3"), Err(SendError::Full(_))));
    }
    assert_eq!(sim.endpoint.live(), 1);
    sim.skip();
    while sim.written("a") {}
    assert!(sim.take_transcript().concat().contains("#1: writable"));
    sim.send(1, "3").unwrap();
    // Its end may not take so long.
    sim.close(1, CloseReason::GO_AWAY);
    sim.advance(secs(10));
    assert_eq!(sim.model.report(1).unwrap().cause, Cause::Application);
    assert_eq!(sim.endpoint.live(), 0);
}

#[test]
fn progress_of_any_kind_puts_the_cut_off() {
    let mut sim = stream();
    sim.send(1, "x").unwrap();
    sim.send(1, "y").unwrap();
    sim.advance(secs(9));
    sim.written("a");
    sim.advance(secs(9));
    assert_eq!(sim.endpoint.live(), 1);
    sim.advance(secs(1));
    assert_eq!(sim.model.report(1).unwrap().cause, Cause::SlowConsumer);
}

#[test]
fn the_window_holds_frames_back_until_some_are_written() {
    let mut sim = Sim::new(|settings| settings.limits.window_bytes = 16);
    sim.writes = false;
    sim.receive("a", "/000/s/xhr_streaming");
    sim.written("a");
    for message in ["1", "2", "3", "4", "5"] {
        sim.send(1, message).unwrap();
    }
    let frames = |sim: &mut Sim| sim.take_transcript().iter().filter(|l| l.contains("a[")).count();
    assert_eq!(frames(&mut sim), 3, "three times seven bytes are over 16");
    sim.written("a");
    sim.expect(&["+0.000s a: a[\\\"4\\\",\\\"5\\\"]\\n"]);
}

#[test]
fn the_word_on_one_response_says_nothing_of_an_earlier_one() {
    let mut sim = Sim::new(|_| ());
    sim.receive("o", "/000/s/xhr");
    sim.writes = false;
    for (poll, message) in [("a", "1"), ("b", "2")] {
        sim.receive(poll, "/000/s/xhr");
        sim.send(1, message).unwrap();
    }
    sim.written("b");
    sim.skip();
    sim.lost("a", true);
    sim.expect(&["+0.000s #1: closed Interrupted 1002 Connection interrupted, uncertain 2"]);
}

#[test]
fn what_is_handed_after_a_quiet_time_is_not_stalled_at_once() {
    let mut sim = stream();
    sim.advance(secs(24));
    sim.send(1, "x").unwrap();
    sim.advance(millis(9_999));
    assert_eq!(sim.endpoint.live(), 1);
    sim.skip();
    sim.advance(millis(1));
    sim.expect(&[
        "+34.000s #1: closed SlowConsumer 4500 Slow consumer, uncertain 1",
        "+34.000s a: c[4500,\\\"Slow consumer\\\"]\\n end",
    ]);
}

#[test]
fn the_report_names_the_lowest_grade_of_all_receivers() {
    for (grades, lowest) in [
        ([Grade::Socket, Grade::Socket], Grade::Socket),
        ([Grade::Taken, Grade::Socket], Grade::Taken),
        ([Grade::Socket, Grade::Taken], Grade::Taken),
    ] {
        let service = Service::new(settings()).unwrap();
        let quota = Quota::whole(&service.settings().limits);
        let mut endpoint = Endpoint::new(service.clone(), 0, quota, Seed::new(1));
        let mut events = Vec::new();
        for (round, grade) in grades.into_iter().enumerate() {
            let route = service.route(head(post("/0/s/xhr")), &Peer::new(None, grade), 0, START);
            let Route::Receive(permit) = route else { panic!("a receive request") };
            let Action::Poll { mut receiver, .. } = endpoint.handle_receive(permit, None, START)
            else {
                panic!("a poll")
            };
            let transmit = endpoint.poll_transmit(&mut receiver, &mut BytesMut::new());
            match transmit.and_then(|transmit| transmit.chunk) {
                Some(chunk) => endpoint.handle_written(chunk, START),
                None => endpoint.handle_gone(receiver, Gone::Disconnected, START),
            }
            events.extend(std::iter::from_fn(|| endpoint.poll_event()));
            assert_eq!(round == 1, endpoint.live() == 0);
        }
        let last = events.pop();
        let Some(Event::Closed(_, report)) = last else { panic!("{last:?}") };
        assert_eq!(report.grade, lowest);
    }
}
