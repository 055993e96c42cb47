//! PROTOCOL §4, *Response limit*.

use crate::common::Sim;

#[test]
fn the_response_ends_with_the_frame_that_reaches_the_limit() {
    // `o\n` is 2 bytes, `a["x"]\n` 7: the third message makes 23.
    for (limit, frames) in [(22, 3), (23, 3), (24, 4), (2, 0), (3, 1)] {
        let mut sim = Sim::new(|settings| settings.response_limit = limit);
        sim.receive("a", "/000/s/xhr_streaming");
        let mut handed = 0;
        while sim.waits("a") {
            sim.send(1, "x").unwrap();
            handed += 1;
        }
        assert_eq!(handed, frames, "limit {limit}");
        assert!(sim.take_transcript().iter().any(|line| line.ends_with(" end")));
    }
}

#[test]
fn wrapping_counts_and_the_prelude_does_not() {
    // `data: o\r\n\r\n` is 11 bytes, `data: a["x"]\r\n\r\n` 16.
    for (limit, frames) in [(26, 1), (27, 1), (28, 2)] {
        let mut sim = Sim::new(|settings| settings.response_limit = limit);
        sim.receive("a", "/000/s/eventsource");
        let mut handed = 0;
        while sim.waits("a") {
            sim.send(1, "x").unwrap();
            handed += 1;
        }
        assert_eq!(handed, frames, "limit {limit}");
    }
}

#[test]
fn the_session_waits_for_the_next_receiver() {
    let mut sim = Sim::new(|settings| settings.response_limit = 10);
    sim.receive("a", "/000/s/xhr_streaming");
    sim.send(1, "longer than the limit").unwrap();
    sim.send(1, "next").unwrap();
    sim.skip();
    sim.receive("b", "/000/s/xhr_streaming");
    sim.expect(&["+0.000s b: prelude", "+0.000s b: a[\\\"next\\\"]\\n end"]);
    assert!(sim.endpoint.live() == 1);
}

#[test]
fn a_websocket_has_no_limit() {
    let mut sim = Sim::new(|settings| settings.response_limit = 1);
    sim.receive("w", "/000/s/websocket");
    sim.send(1, "x").unwrap();
    assert!(sim.waits("w"));
}
