//! PROTOCOL §7: the framed WebSocket.

use crate::common::{Sim, secs};
use sockjs_core::CloseReason;

fn open() -> Sim {
    let mut sim = Sim::new(|_| ());
    sim.receive("w", "/000/s/websocket");
    sim.recv(1);
    sim
}

#[test]
fn frames_are_text_messages() {
    let mut sim = open();
    sim.expect(&["+0.000s w: o", "+0.000s #1: opened by websocket"]);
    sim.send(1, "x").unwrap();
    sim.expect(&["+0.000s w: a[\\\"x\\\"]"]);
}

#[test]
fn arrays_and_lone_strings_are_taken_and_empty_messages_ignored() {
    let mut sim = open();
    for message in ["[\"a\",\"b\"]", "\"c\"", "", "[]", "\"\""] {
        sim.message("w", message);
    }
    let all = std::iter::from_fn(|| sim.recv_text(1)).collect::<Vec<_>>();
    assert_eq!(all, ["a", "b", "c", ""]);
}

#[test]
fn the_peers_faults_end_it_without_a_close_frame() {
    for (message, report) in [
        ("{}", "closed ProtocolError 3000 Broken framing."),
        ("[\"a\",1]", "closed ProtocolError 3000 Broken framing."),
        ("\u{feff}[]", "closed ProtocolError 1007 Text is not UTF-8"),
    ] {
        let mut sim = open();
        sim.skip();
        sim.message("w", message);
        sim.expect(&[&format!("+0.000s #1: {report}")]);
        assert!(sim.endpoint.is_empty());
    }
}

#[test]
fn the_server_closes_with_a_close_frame_and_then_the_websocket() {
    for (code, websocket_code) in [(3000, 3000), (1000, 1000), (2010, 1000), (4999, 4999)] {
        let mut sim = open();
        sim.send(1, "last").unwrap();
        sim.skip();
        sim.close(1, CloseReason::new(code, "done"));
        sim.expect(&[
            "+0.000s #1: readable",
            &format!("+0.000s w: c[{code},\\\"done\\\"]"),
            &format!("+0.000s w: close {websocket_code} done end"),
            &format!("+0.000s #1: closed Application {code} done, written 1, uncertain 1"),
        ]);
        assert!(sim.endpoint.is_empty(), "nobody can ask for it again");
    }
}

#[test]
fn ids_may_repeat_and_never_meet_an_http_session() {
    let mut sim = Sim::new(|_| ());
    sim.receive("w", "/000/s/websocket");
    sim.receive("v", "/000/s/websocket");
    sim.receive("a", "/000/s/xhr");
    assert_eq!(sim.endpoint.live(), 3);
    sim.send(2, "two").unwrap();
    sim.skip();
    sim.disconnect("w");
    sim.send(3, "three").unwrap();
    sim.receive("b", "/000/s/xhr");
    sim.expect(&[
        "+0.000s #1: closed ClientGone 1002 Connection interrupted",
        "+0.000s b: a[\\\"three\\\"]\\n end",
    ]);
}

#[test]
fn one_that_takes_nothing_is_cut() {
    let mut sim = open();
    sim.writes = false;
    sim.send(1, "x").unwrap();
    sim.skip();
    sim.advance(secs(10));
    sim.expect(&[
        "+10.000s #1: closed SlowConsumer 4500 Slow consumer, uncertain 1",
        "+10.000s w: c[4500,\\\"Slow consumer\\\"]",
        "+10.000s w: close 4500 Slow consumer end",
    ]);
}

#[test]
fn one_that_ends_within_its_close_is_accounted_for_at_once() {
    use crate::common::request::{head, peer, websocket};
    use crate::common::{START, settings};
    use bytes::BytesMut;
    use sockjs_core::{Action, Endpoint, Event, Gone, Quota, Route, Seed, Service};

    let service = Service::new(settings()).unwrap();
    let quota = Quota::whole(&service.settings().limits);
    let mut endpoint = Endpoint::new(service.clone(), 0, quota, Seed::new(1));
    let parts = head(websocket("/000/s/websocket"));
    let Route::Websocket(permit) = service.route(parts, &peer(), 0, START) else {
        panic!("a handshake")
    };
    let Action::Upgrade { mut receiver, .. } = endpoint.handle_websocket(permit, None, START)
    else {
        panic!("an upgrade")
    };
    let mut buf = BytesMut::new();
    let open = endpoint.poll_transmit(&mut receiver, &mut buf).unwrap();
    endpoint.handle_written(open.chunk.unwrap(), START);
    endpoint.close(open.chunk.unwrap().session, CloseReason::default());
    let close = endpoint.poll_transmit(&mut receiver, &mut buf).unwrap();
    assert_eq!((&buf[..], close.fin), (&b"oc[3000,\"Go away!\"]"[..], false));
    endpoint.handle_gone(receiver, Gone::Disconnected, START);
    let last = std::iter::from_fn(|| endpoint.poll_event()).last();
    assert!(matches!(last, Some(Event::Closed(..))), "{last:?}");
    assert!(endpoint.is_empty());
}
