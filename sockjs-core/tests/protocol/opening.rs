//! PROTOCOL §4 and §5 rule 1: what the first request of a session gets.

use crate::common::request::{head, peer, post};
use crate::common::{START, Sim, secs};
use bytes::BytesMut;
use sockjs_core::{Action, Route};

#[test]
fn a_polling_response_ends_with_the_open_frame() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr");
    sim.expect(&["+0.000s a: o\\n end", "+0.000s #1: opened by xhr"]);
    sim.receive("b", "/000/t/jsonp");
    sim.expect(&["+0.000s b: /**/cb(\\\"o\\\");\\r\\n end", "+0.000s #2: opened by jsonp"]);
}

#[test]
fn a_stream_goes_on_after_the_open_frame() {
    for (path, frame) in [
        ("/000/s/xhr_streaming", "o\\n"),
        ("/000/s/eventsource", "data: o\\r\\n\\r\\n"),
        ("/000/s/htmlfile", "<script>\\np(\\\"o\\\");\\n</script>\\r\\n"),
    ] {
        let mut sim = Sim::new(|_| ());
        sim.receive("a", path);
        let transport = path.rsplit('/').next().unwrap();
        sim.expect(&[
            "+0.000s a: prelude",
            &format!("+0.000s a: {frame}"),
            &format!("+0.000s #1: opened by {transport}"),
        ]);
        assert!(sim.waits("a"));
    }
}

#[test]
fn the_prelude_is_a_chunk_of_its_own_and_asks_for_no_word() {
    let mut sim = Sim::new(|_| ());
    let Route::Receive(permit) =
        sim.service().route(head(post("/000/s/xhr_streaming")), &peer(), 0, START)
    else {
        panic!("a receive request")
    };
    let action = sim.endpoint.handle_receive(permit, None, START);
    let Action::Stream { mut receiver, .. } = action else { panic!("a stream") };
    let mut buf = BytesMut::new();
    let prelude = sim.endpoint.poll_transmit(&mut receiver, &mut buf).unwrap();
    assert_eq!((buf.len(), prelude.chunk, prelude.fin), (2049, None, false));
    assert!(sim.endpoint.poll_event().is_none(), "the application waits for `o`");
    let open = sim.endpoint.poll_transmit(&mut receiver, &mut buf).unwrap();
    assert_eq!((&buf[2049..], open.chunk.is_some(), open.fin), (&b"o\n"[..], true, false));
}

#[test]
fn the_next_poll_gets_the_next_frame() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr");
    sim.send(1, "x").unwrap();
    sim.skip();
    sim.receive("b", "/000/s/xhr");
    sim.expect(&["+0.000s b: a[\\\"x\\\"]\\n end"]);
}

#[test]
fn only_the_session_part_of_the_path_identifies() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr");
    sim.receive("b", "/999/s/xhr");
    sim.receive("c", "/000/S/xhr");
    sim.receive("d", "/000/%73/xhr");
    sim.expect(&[
        "+0.000s a: o\\n end",
        "+0.000s #1: opened by xhr",
        "+0.000s c: o\\n end",
        "+0.000s #2: opened by xhr",
        "+0.000s d: o\\n end",
        "+0.000s #3: opened by xhr",
    ]);
    assert!(sim.waits("b"), "the same session as a");
}

#[test]
fn a_client_that_leaves_before_the_open_frame_leaves_nothing() {
    let mut sim = Sim::new(|_| ());
    let service = sim.service();
    let Route::Receive(permit) = service.route(head(post("/000/s/xhr")), &peer(), 0, START) else {
        panic!("a receive request")
    };
    let Action::Poll { receiver, .. } = sim.endpoint.handle_receive(permit, None, START) else {
        panic!("a poll")
    };
    sim.endpoint.handle_gone(receiver, sockjs_core::Gone::Disconnected, START);
    assert!(sim.endpoint.poll_event().is_none() && sim.endpoint.is_empty());
    sim.advance(secs(60));
    assert_eq!(sim.endpoint.poll_timeout(), None);
}
