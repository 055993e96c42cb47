//! PROTOCOL §5 rule 6: no receiver for the disconnect delay.

use crate::common::{Sim, millis, secs};

#[test]
fn a_session_without_receiver_ends_after_5_seconds_and_is_unknown_again() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr");
    sim.skip();
    sim.advance(millis(4_999));
    sim.expect(&[]);
    sim.advance(millis(1));
    sim.expect(&["+5.000s #1: closed Expired 1002 Connection interrupted"]);
    assert!(sim.endpoint.is_empty());
    assert_eq!(sim.endpoint.poll_timeout(), None);
    assert_eq!(sim.post("p", "/000/s/xhr_send", "[]").unwrap().status(), 404);
    sim.skip();
    sim.receive("b", "/000/s/xhr");
    sim.expect(&["+5.000s b: o\\n end", "+5.000s #2: opened by xhr"]);
}

#[test]
fn a_poll_in_time_keeps_it() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr");
    sim.skip();
    for round in 0..5 {
        sim.advance(millis(4_999));
        sim.receive(&format!("p{round}"), "/000/s/xhr");
        sim.send(1, "x").unwrap();
    }
    assert_eq!(sim.endpoint.live(), 1);
}

#[test]
fn sends_do_not_count() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr");
    sim.skip();
    sim.advance(secs(4));
    sim.post("p", "/000/s/xhr_send", "[\"x\"]");
    sim.advance(secs(1));
    sim.expect(&[
        "+4.000s p: 204",
        "+4.000s #1: readable",
        "+5.000s #1: closed Expired 1002 Connection interrupted, unread 1",
    ]);
}

#[test]
fn an_attached_receiver_keeps_it_for_good() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr_streaming");
    sim.advance(secs(3_600));
    assert_eq!(sim.endpoint.live(), 1);
}

#[test]
fn the_delay_begins_when_the_last_response_is_on_its_way() {
    let mut sim = Sim::new(|_| ());
    sim.writes = false;
    sim.receive("a", "/000/s/xhr");
    sim.skip();
    sim.advance(secs(6));
    sim.expect(&[]);
    sim.written("a");
    sim.advance(millis(4_999));
    sim.expect(&[]);
    sim.advance(millis(1));
    sim.expect(&["+11.000s #1: closed Expired 1002 Connection interrupted"]);
}

#[test]
fn what_waited_is_in_the_report() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr");
    sim.send(1, "x").unwrap();
    sim.send(1, "y").unwrap();
    sim.skip();
    sim.advance(secs(5));
    sim.expect(&["+5.000s #1: closed Expired 1002 Connection interrupted, unsent 2"]);
    let report = sim.model.report(1).unwrap();
    assert_eq!(report.unsent, ["x", "y"].map(sockjs_core::Message::text));
}

#[test]
fn a_late_timeout_ends_it_once() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr");
    sim.skip();
    sim.sleep(secs(100));
    sim.timeout();
    sim.timeout();
    sim.expect(&["+100.000s #1: closed Expired 1002 Connection interrupted"]);
}

#[test]
fn an_older_time_counts_as_the_latest_one_seen() {
    let mut sim = Sim::new(|_| ());
    sim.advance(secs(10));
    sim.timeout();
    let request = crate::common::request::post("/000/s/xhr");
    let route = sim.service().route(
        crate::common::request::head(request),
        &crate::common::request::peer(),
        0,
        crate::common::START,
    );
    let sockjs_core::Route::Receive(permit) = route else { panic!("a receive request") };
    let action = sim.endpoint.handle_receive(permit, None, crate::common::START);
    assert!(matches!(action, sockjs_core::Action::Poll { .. }));
    assert!(sim.endpoint.poll_event().is_none());
    let heartbeat = sim.endpoint.poll_timeout();
    assert_eq!(heartbeat, Some(crate::common::START + secs(35)));
}
