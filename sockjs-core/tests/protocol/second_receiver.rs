//! PROTOCOL §5 rule 4: a second receiver while one is attached.

use crate::common::request::{for_path, head, peer};
use crate::common::{START, Sim, secs, settings};
use bytes::BytesMut;
use sockjs_core::{
    Action, Endpoint, Gone, Quota, ReceivePermit, Route, Seed, Service, SessionKey, Timestamp,
};

const STILL_OPEN: &str = "c[2010,\\\"Another connection still open\\\"]";

#[test]
fn it_gets_2010_in_full_form_and_disturbs_nothing() {
    for first in ["xhr", "xhr_streaming", "jsonp", "eventsource", "htmlfile"] {
        let mut sim = Sim::new(|_| ());
        sim.receive("open", "/000/s/xhr");
        sim.receive("first", &format!("/000/s/{first}"));
        sim.skip();
        sim.receive("b", "/000/s/xhr");
        sim.receive("c", "/000/s/xhr_streaming");
        sim.receive("d", "/000/s/eventsource");
        sim.receive("e", "/000/s/htmlfile");
        sim.receive("f", "/000/s/jsonp");
        let script = STILL_OPEN.replace("\\\"", "\\\\\\\"");
        sim.expect(&[
            &format!("+0.000s b: {STILL_OPEN}\\n end"),
            "+0.000s c: prelude",
            &format!("+0.000s c: {STILL_OPEN}\\n end"),
            "+0.000s d: prelude",
            &format!("+0.000s d: data: {STILL_OPEN}\\r\\n\\r\\n end"),
            "+0.000s e: prelude",
            &format!("+0.000s e: <script>\\np(\\\"{script}\\\");\\n</script>\\r\\n end"),
            &format!("+0.000s f: /**/cb(\\\"{script}\\\");\\r\\n end"),
        ]);
        assert!(sim.waits("first"));
        sim.send(1, "still here").unwrap();
        assert!(sim.take_transcript().concat().contains("still here"));
    }
}

#[test]
fn one_that_was_refused_may_leave_without_a_trace() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr_streaming");
    sim.receive("b", "/000/s/xhr");
    sim.skip();
    sim.disconnect("b");
    sim.expect(&[]);
    assert!(sim.waits("a"));
}

#[test]
fn a_finished_response_frees_its_session_before_its_last_byte_leaves() {
    let mut sim = Sim::new(|_| ());
    sim.writes = false;
    sim.receive("a", "/000/s/xhr");
    sim.receive("b", "/000/s/xhr");
    sim.skip();
    sim.send(1, "x").unwrap();
    sim.expect(&["+0.000s b: a[\\\"x\\\"]\\n end"]);
    sim.receive("c", "/000/s/xhr");
    assert!(sim.waits("c"));
    sim.expect(&[]);
}

#[test]
fn a_driver_can_ask_whether_the_session_is_occupied() {
    let mut sim = Sim::new(|_| ());
    let permit = |sim: &Sim| {
        let parts = head(for_path("/000/s/xhr"));
        let Route::Receive(permit) = sim.service().route(parts, &peer(), 0, START) else {
            panic!("a receive request")
        };
        permit
    };
    assert!(!sim.endpoint.is_occupied(&mut permit(&sim)));
    sim.receive("a", "/000/s/xhr");
    assert!(!sim.endpoint.is_occupied(&mut permit(&sim)), "the response has ended");
    sim.receive("b", "/000/s/xhr");
    assert!(sim.endpoint.is_occupied(&mut permit(&sim)));
    sim.disconnect("b");
    assert!(!sim.endpoint.is_occupied(&mut permit(&sim)), "it would get the close frame");
    sim.advance(secs(5));
}

/// A receive request, which attaches and takes a frame if there is one.
fn receive(endpoint: &mut Endpoint, permit: Box<ReceivePermit>, now: Timestamp) -> SessionKey {
    let Action::Poll { mut receiver, .. } = endpoint.handle_receive(permit, None, now) else {
        panic!("a poll")
    };
    let key = receiver.session().unwrap();
    match endpoint.poll_transmit(&mut receiver, &mut BytesMut::new()) {
        Some(transmit) => endpoint.handle_written(transmit.chunk.unwrap(), now),
        None => endpoint.handle_gone(receiver, Gone::Disconnected, now),
    }
    while endpoint.poll_event().is_some() {}
    key
}

#[test]
fn what_a_permit_keeps_in_mind_may_be_gone() {
    for is_opened_anew in [false, true] {
        let settings = settings();
        let quota = Quota::whole(&settings.limits);
        let service = Service::new(settings).unwrap();
        let permit = || match service.route(head(for_path("/000/s/xhr")), &peer(), 0, START) {
            Route::Receive(permit) => permit,
            other => panic!("{other:?}"),
        };
        let mut endpoint = Endpoint::new(service.clone(), 0, quota, Seed::new(1));
        let first = receive(&mut endpoint, permit(), START);
        let mut kept = permit();
        assert!(!endpoint.is_occupied(&mut kept));
        let later = START + secs(3600);
        endpoint.handle_timeout(later);
        while endpoint.poll_event().is_some() {}
        assert!(endpoint.is_empty());
        let second = is_opened_anew.then(|| receive(&mut endpoint, permit(), later));
        let third = receive(&mut endpoint, kept, later);
        assert_ne!(third, first);
        assert_eq!(second.unwrap_or(third), third);
    }
}
