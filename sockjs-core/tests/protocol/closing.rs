//! PROTOCOL §5 rule 5: the application closes.

use crate::common::{Sim, millis, secs};
use sockjs_core::CloseReason;

const GO_AWAY: &str = "c[3000,\\\"Go away!\\\"]";
const CLOSED: &str = "#1: closed Application 3000 Go away!";

/// An open polling session, nothing attached.
fn open() -> Sim {
    let mut sim = Sim::new(|_| ());
    sim.receive("open", "/000/s/xhr");
    sim.recv(1);
    sim.skip();
    sim
}

#[test]
fn an_attached_poll_gets_the_close_frame_at_once() {
    let mut sim = open();
    sim.receive("a", "/000/s/xhr");
    sim.advance(secs(3));
    sim.close(1, CloseReason::default());
    sim.expect(&[
        "+3.000s #1: readable",
        &format!("+3.000s a: {GO_AWAY}\\n end"),
        &format!("+3.000s {CLOSED}"),
    ]);
}

#[test]
fn queued_messages_go_first_through_as_many_responses_as_it_takes() {
    let mut sim = open();
    sim.send(1, "last words").unwrap();
    sim.close(1, CloseReason::new(4001, "done"));
    sim.skip();
    sim.receive("a", "/000/s/xhr");
    sim.expect(&["+0.000s a: a[\\\"last words\\\"]\\n end"]);
    sim.receive("b", "/000/s/xhr");
    sim.expect(&[
        "+0.000s b: c[4001,\\\"done\\\"]\\n end",
        "+0.000s #1: closed Application 4001 done, written 1, confirmed 1",
    ]);
}

#[test]
fn a_stream_gets_both_and_ends() {
    let mut sim = open();
    sim.send(1, "last words").unwrap();
    sim.close(1, CloseReason::default());
    sim.skip();
    sim.receive("a", "/000/s/eventsource");
    sim.expect(&[
        "+0.000s a: prelude",
        "+0.000s a: data: a[\\\"last words\\\"]\\r\\n\\r\\n",
        &format!("+0.000s a: data: {GO_AWAY}\\r\\n\\r\\n end"),
        &format!("+0.000s {CLOSED}, written 1, uncertain 1"),
    ]);
}

#[test]
fn a_close_right_after_opening_goes_into_the_next_poll() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr");
    sim.close(1, CloseReason::default());
    sim.expect(&["+0.000s a: o\\n end", "+0.000s #1: opened by xhr", "+0.000s #1: readable"]);
    sim.receive("b", "/000/s/xhr");
    sim.expect(&[&format!("+0.000s b: {GO_AWAY}\\n end"), &format!("+0.000s {CLOSED}")]);
}

#[test]
fn later_receivers_get_the_close_frame_in_full_form_and_never_2010() {
    let mut sim = open();
    sim.receive("a", "/000/s/xhr_streaming");
    sim.close(1, CloseReason::default());
    sim.skip();
    sim.advance(millis(4_999));
    sim.receive("b", "/000/s/xhr");
    sim.receive("c", "/000/s/xhr_streaming");
    sim.expect(&[
        &format!("+4.999s b: {GO_AWAY}\\n end"),
        "+4.999s c: prelude",
        &format!("+4.999s c: {GO_AWAY}\\n end"),
    ]);
    // The delay counts from the last receiver.
    sim.advance(millis(4_999));
    sim.post("p", "/000/s/xhr_send", "[\"dropped\"]");
    sim.expect(&["+9.998s p: 204"]);
    assert_eq!(sim.endpoint.stats().dropped, 1);
    sim.advance(millis(1));
    sim.receive("d", "/000/s/xhr");
    sim.expect(&["+9.999s d: o\\n end", "+9.999s #2: opened by xhr"]);
}

#[test]
fn without_a_receiver_the_close_frame_is_kept_for_one_disconnect_delay_after_the_close() {
    let mut sim = open();
    sim.advance(secs(3));
    sim.close(1, CloseReason::default());
    sim.skip();
    sim.advance(millis(4_999));
    sim.expect(&[]);
    sim.advance(millis(1));
    sim.expect(&[&format!("+8.000s {CLOSED}")]);
    assert!(sim.endpoint.is_empty(), "not for a second delay");
    sim.receive("b", "/000/s/xhr");
    sim.expect(&["+8.000s b: o\\n end", "+8.000s #2: opened by xhr"]);
}

#[test]
fn what_nobody_came_for_is_reported() {
    let mut sim = open();
    sim.send(1, "x").unwrap();
    sim.close(1, CloseReason::default());
    sim.skip();
    sim.advance(secs(5));
    sim.expect(&[&format!("+5.000s {CLOSED}, unsent 1")]);
}

#[test]
fn closing_again_changes_nothing_and_sending_is_refused() {
    let mut sim = open();
    sim.close(1, CloseReason::new(4000, "first"));
    sim.close(1, CloseReason::new(4001, "second"));
    let error = sim.send(1, "x").unwrap_err();
    assert_eq!(error.into_message(), "x");
    sim.skip();
    sim.receive("a", "/000/s/xhr");
    sim.expect(&[
        "+0.000s a: c[4000,\\\"first\\\"]\\n end",
        "+0.000s #1: closed Application 4000 first",
    ]);
}

#[test]
fn a_panic_ends_the_session_with_1011() {
    let mut sim = open();
    sim.receive("a", "/000/s/xhr");
    sim.panic(1);
    sim.expect(&[
        "+0.000s #1: readable",
        "+0.000s a: c[1011,\\\"Internal error\\\"]\\n end",
        "+0.000s #1: closed HandlerPanic 1011 Internal error",
    ]);
}

#[test]
fn the_closing_detaches_the_receiver_in_the_same_step() {
    let mut sim = open();
    sim.writes = false;
    sim.receive("a", "/000/s/xhr_streaming");
    sim.close(1, CloseReason::default());
    sim.skip();
    sim.receive("b", "/000/s/xhr");
    sim.expect(&[&format!("+0.000s b: {GO_AWAY}\\n end")]);
    sim.all_written("a");
    sim.all_written("open");
    sim.expect(&[&format!("+0.000s {CLOSED}")]);
}

#[test]
fn what_the_application_has_not_taken_is_reported() {
    let mut sim = open();
    sim.post("p", "/000/s/xhr_send", "[\"a\",\"b\"]");
    sim.recv(1);
    sim.close(1, CloseReason::default());
    assert_eq!(sim.recv(1), None);
    sim.skip();
    sim.receive("a", "/000/s/xhr");
    sim.expect(&[&format!("+0.000s a: {GO_AWAY}\\n end"), &format!("+0.000s {CLOSED}, unread 1")]);
}
