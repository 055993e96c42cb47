//! Tombstones (PROTOCOL §5 rule 6, invariant 13): ended ids answer for longer.

use crate::common::{Sim, millis, secs};
use sockjs_core::CloseReason;

fn sim() -> Sim {
    Sim::new(|settings| settings.tombstones = Some(secs(60)))
}

#[test]
fn an_expired_session_answers_its_close_frame() {
    let mut sim = sim();
    sim.receive("a", "/000/s/xhr");
    sim.advance(secs(5));
    sim.skip();
    sim.advance(millis(59_999));
    sim.receive("b", "/000/s/xhr");
    sim.expect(&["+64.999s b: c[1002,\\\"Connection interrupted\\\"]\\n end"]);
    assert_eq!(sim.post("p", "/000/s/xhr_send", "[]").unwrap().status(), 404);
    sim.skip();
    sim.advance(millis(1));
    sim.receive("c", "/000/s/xhr");
    sim.expect(&["+65.000s c: o\\n end", "+65.000s #2: opened by xhr"]);
}

#[test]
fn so_does_one_that_was_closed_or_broke_off() {
    let mut sim = sim();
    sim.receive("a", "/000/s/xhr_streaming");
    sim.receive("b", "/000/t/xhr_streaming");
    sim.close(1, CloseReason::default());
    sim.disconnect("b");
    sim.skip();
    sim.advance(millis(59_999));
    sim.receive("c", "/000/s/xhr");
    sim.receive("d", "/000/t/xhr");
    sim.expect(&[
        "+59.999s c: c[3000,\\\"Go away!\\\"]\\n end",
        "+59.999s d: c[1002,\\\"Connection interrupted\\\"]\\n end",
    ]);
}

#[test]
fn a_websocket_leaves_none() {
    let mut sim = sim();
    sim.receive("w", "/000/s/websocket");
    sim.disconnect("w");
    assert!(sim.endpoint.is_empty());
}
