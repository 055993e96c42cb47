//! The server shuts down: PROTOCOL §6 and §7, DESIGN §4.

use crate::common::request::{head, peer, post, websocket};
use crate::common::{START, Sim, secs, settings};
use bytes::BytesMut;
use sockjs_core::{Action, Cause, CloseReason, Endpoint, Event, FrameKind, Quota, Seed, Service};

const GOING: &str = "c[1001,\\\"Server going away\\\"]";

#[test]
fn every_session_is_told_and_new_ones_are_refused() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/a/xhr_streaming");
    sim.receive("w", "/000/b/websocket");
    sim.receive("p", "/000/c/xhr");
    for session in 1..=3 {
        sim.recv(session);
        sim.post("q", "/000/a/xhr_send", "[]");
    }
    sim.send(3, "queued").unwrap();
    sim.skip();
    sim.shutdown();
    let lines = sim.take_transcript();
    for line in [
        &format!("+0.000s a: {GOING}\\n end"),
        "+0.000s #1: closed Shutdown 1001 Server going away",
        &format!("+0.000s w: {GOING}"),
        "+0.000s w: close 1001 Server going away end",
        "+0.000s #2: closed Shutdown 1001 Server going away",
    ] {
        assert!(lines.iter().any(|l| l == line), "{line} in {lines:#?}");
    }
    assert_eq!(sim.receive("n", "/000/n/xhr").unwrap().status(), 503);
    assert_eq!(sim.receive("n", "/000/n/websocket").unwrap().status(), 503);
    sim.skip();
    sim.receive("r", "/000/c/xhr");
    sim.receive("s", "/000/c/xhr");
    sim.expect(&[
        "+0.000s r: a[\\\"queued\\\"]\\n end",
        &format!("+0.000s s: {GOING}\\n end"),
        "+0.000s #3: closed Shutdown 1001 Server going away, written 1, confirmed 1",
    ]);
    sim.advance(secs(5));
    assert!(sim.endpoint.is_empty());
}

#[test]
fn one_that_nobody_asks_for_ends_with_the_disconnect_delay() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr");
    sim.send(1, "x").unwrap();
    sim.advance(secs(2));
    sim.shutdown();
    sim.skip();
    sim.advance(secs(5));
    sim.expect(&["+7.000s #1: closed Shutdown 1001 Server going away, unsent 1"]);
    assert!(sim.endpoint.is_empty());
}

#[test]
fn who_is_left_can_be_cut_off_and_is_reported_once() {
    let mut sim = Sim::new(|_| ());
    sim.receive("detached", "/000/a/xhr");
    sim.writes = false;
    sim.receive("stuck", "/000/b/xhr_streaming");
    sim.written("stuck");
    sim.send(1, "never fetched").unwrap();
    sim.send(2, "never written").unwrap();
    sim.shutdown();
    assert_eq!(sim.endpoint.live(), 2);
    sim.skip();
    sim.endpoint.cut_off();
    sim.timeout();
    assert_eq!(sim.endpoint.live(), 0);
    let report = sim.model.report(1).unwrap();
    assert_eq!((report.cause, report.reason.code()), (Cause::Shutdown, 1001));
    assert_eq!(report.unsent, ["never fetched"]);
    let report = sim.model.report(2).unwrap();
    assert_eq!((report.cause, report.accepted, report.uncertain()), (Cause::Shutdown, 1, 1));
    // Whoever comes late is told why, and nothing is reported again.
    sim.endpoint.cut_off();
    sim.skip();
    sim.writes = true;
    sim.receive("late", "/000/a/xhr");
    sim.expect(&["+0.000s late: c[1001,\\\"Server going away\\\"]\\n end"]);
}

#[test]
fn a_receiver_that_is_just_opening_gets_its_open_frame_first() {
    let service = Service::new(settings()).unwrap();
    let going = "c[1001,\"Server going away\"]";
    for (request, frames) in [
        (post("/000/s/xhr"), vec!["o\n".to_owned()]),
        (post("/000/s/xhr_streaming"), vec!["o\n".to_owned(), format!("{going}\n")]),
        (websocket("/0/s/websocket"), vec!["o".to_owned(), going.to_owned(), "1001".to_owned()]),
        (websocket("/websocket"), vec!["1001".to_owned()]),
    ] {
        let quota = Quota::whole(&service.settings().limits);
        let mut endpoint = Endpoint::new(service.clone(), 0, quota, Seed::new(1));
        let route = service.route(head(request), &peer(), 0, START);
        let mut receiver = match endpoint.handle_route(route, None, START) {
            Action::Poll { receiver, .. }
            | Action::Stream { receiver, .. }
            | Action::Upgrade { receiver, .. } => receiver,
            other => panic!("{other:?}"),
        };
        endpoint.shutdown(CloseReason::SERVER_GOING_AWAY);
        let mut got = Vec::new();
        let mut buf = BytesMut::new();
        while let Some(transmit) = endpoint.poll_transmit(&mut receiver, &mut buf) {
            let frame = String::from_utf8(buf.split().to_vec()).unwrap();
            got.push(match transmit.frame {
                FrameKind::Close(reason) => reason.code().to_string(),
                _ => frame,
            });
            transmit.chunk.into_iter().for_each(|chunk| endpoint.handle_written(chunk, START));
        }
        got.retain(|frame| !frame.starts_with("hhhh"));
        assert_eq!(got, frames);
        let events: Vec<_> = std::iter::from_fn(|| endpoint.poll_event()).collect();
        assert!(matches!(events.first(), Some(Event::Opened(..))), "{events:?}");
        endpoint.handle_timeout(START + secs(5));
        while endpoint.poll_event().is_some() {}
        assert!(endpoint.is_empty());
    }
}
