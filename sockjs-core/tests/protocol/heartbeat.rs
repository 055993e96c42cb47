//! PROTOCOL §5 rule 8, and the ping beside it (DESIGN §4).

use std::time::Duration;

use crate::common::{Sim, millis, secs};

#[test]
fn an_idle_stream_gets_one_every_25_seconds() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr_streaming");
    sim.skip();
    sim.advance(secs(60));
    sim.expect(&["+25.000s a: h\\n", "+50.000s a: h\\n"]);
}

#[test]
fn anything_sent_puts_it_off() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/eventsource");
    sim.advance(secs(24));
    sim.send(1, "x").unwrap();
    sim.skip();
    sim.advance(secs(26));
    sim.expect(&["+49.000s a: data: h\\r\\n\\r\\n"]);
}

#[test]
fn it_ends_a_poll() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr");
    sim.advance(secs(1));
    sim.receive("b", "/000/s/xhr");
    sim.skip();
    sim.advance(secs(29));
    sim.expect(&["+26.000s b: h\\n end"]);
    sim.advance(secs(5));
    sim.expect(&["+31.000s #1: closed Expired 1002 Connection interrupted"]);
}

#[test]
fn jsonp_never_waits_longer_than_30_seconds() {
    for delay in [Some(secs(60)), None] {
        let mut sim = Sim::new(|settings| settings.heartbeat_delay = delay);
        sim.receive("a", "/000/s/jsonp");
        sim.receive("b", "/000/s/jsonp");
        sim.skip();
        sim.advance(secs(31));
        sim.expect(&["+30.000s b: /**/cb(\\\"h\\\");\\r\\n end"]);
    }
}

#[test]
fn none_at_all_can_be_asked_for() {
    for delay in [None, Some(Duration::MAX)] {
        let mut sim = Sim::new(|settings| settings.heartbeat_delay = delay);
        sim.receive("a", "/000/s/xhr_streaming");
        sim.receive("w", "/000/s/websocket");
        sim.skip();
        sim.advance(secs(1_000_000));
        sim.expect(&[]);
        assert_eq!(sim.endpoint.poll_timeout(), None);
    }
}

#[test]
fn a_late_call_sends_one_and_an_early_call_none() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr_streaming");
    sim.skip();
    sim.sleep(millis(24_999));
    sim.timeout();
    sim.expect(&[]);
    sim.sleep(secs(75));
    sim.timeout();
    sim.expect(&["+99.999s a: h\\n"]);
    sim.advance(secs(25));
    sim.expect(&["+124.999s a: h\\n"]);
}

#[test]
fn a_websocket_gets_a_ping_beside_it() {
    let mut sim = Sim::new(|_| ());
    sim.receive("w", "/000/s/websocket");
    sim.skip();
    sim.advance(secs(25));
    sim.expect(&["+25.000s w: h", "+25.000s w: ping"]);
    sim.advance(secs(9));
    sim.pong("w");
    sim.advance(secs(16));
    sim.expect(&["+50.000s w: h", "+50.000s w: ping"]);
}

#[test]
fn a_raw_websocket_gets_the_ping_alone() {
    let mut sim = Sim::new(|_| ());
    sim.receive("w", "/websocket");
    sim.skip();
    sim.advance(secs(25));
    sim.expect(&["+25.000s w: ping"]);
}

#[test]
fn a_websocket_that_is_never_idle_is_pinged_all_the_same() {
    for (path, frame) in [("/000/s/websocket", "w: a[\\\"x\\\"]"), ("/websocket", "w: x")] {
        let mut sim = Sim::new(|_| ());
        sim.receive("w", path);
        sim.skip();
        for _ in 0..26 {
            sim.advance(secs(1));
            sim.send(1, "x").unwrap();
        }
        let (pings, messages): (Vec<_>, Vec<_>) =
            sim.take_transcript().into_iter().partition(|line| line.ends_with("w: ping"));
        assert_eq!(pings, ["+25.000s w: ping"]);
        assert!(messages.len() == 26 && messages.iter().all(|line| line.ends_with(frame)));
        for _ in 0..10 {
            sim.advance(secs(1));
            let _ = sim.send(1, "x");
        }
        assert!(sim.take_transcript().iter().any(|line| line.contains("closed Heartbeat 3000")));
    }
}

/// While the application lags its client's pong is not read, and nothing is to be sent; proxies
/// must hear something all the same.
#[test]
fn a_raw_websocket_whose_application_lags_is_pinged_again() {
    let mut sim = Sim::new(|settings| settings.limits.inbox_bytes = 100);
    sim.receive("w", "/websocket");
    sim.message("w", "x".repeat(50));
    sim.message("w", "waits");
    sim.skip();
    sim.advance(secs(60));
    sim.expect(&["+25.000s w: ping", "+50.000s w: ping"]);
    assert_eq!(sim.recv_text(1).map(|text| text.len()), Some(50));
    sim.pong("w");
    sim.skip();
    sim.advance(secs(15));
    sim.expect(&["+75.000s w: ping"]);
    sim.advance(secs(10));
    let end = "#1: closed Heartbeat 3000 No response from heartbeat, unread 1";
    sim.expect(&[
        "+85.000s w: close 3000 No response from heartbeat end",
        &format!("+85.000s {end}"),
    ]);
}

/// A frame sets a deadline that comes before one that is kept already.
#[test]
fn what_a_frame_is_waited_for_is_not_forgotten_over_what_is_waited_for_before() {
    let has = |sim: &mut Sim, expected| {
        let lines = sim.take_transcript();
        assert!(lines.iter().any(|line| line.starts_with(expected)), "{lines:?}");
    };
    let mut sim = Sim::new(|settings| settings.limits.pong_deadline = secs(2));
    sim.receive("w", "/000/s/websocket");
    sim.advance(secs(24));
    sim.writes = false;
    sim.send(1, "x").unwrap();
    sim.skip();
    sim.advance(secs(4));
    has(&mut sim, "+27.000s w: c[3000");

    let mut sim = Sim::new(|settings| settings.limits.write_stall = secs(2));
    sim.receive("w", "/000/s/websocket");
    sim.advance(secs(16));
    sim.writes = false;
    sim.send(1, "x").unwrap();
    sim.skip();
    sim.advance(secs(4));
    has(&mut sim, "+18.000s #1: closed SlowConsumer");
}

#[test]
fn no_pong_within_10_seconds_closes() {
    let mut sim = Sim::new(|_| ());
    sim.receive("w", "/000/s/websocket");
    sim.receive("r", "/websocket");
    sim.advance(secs(25));
    sim.skip();
    sim.advance(secs(11));
    let mut lines = sim.take_transcript();
    lines.sort();
    assert_eq!(
        lines,
        [
            "+35.000s #1: closed Heartbeat 3000 No response from heartbeat",
            "+35.000s #1: readable",
            "+35.000s #2: closed Heartbeat 3000 No response from heartbeat",
            "+35.000s #2: readable",
            "+35.000s r: close 3000 No response from heartbeat end",
            "+35.000s w: c[3000,\\\"No response from heartbeat\\\"]",
            "+35.000s w: close 3000 No response from heartbeat end",
        ]
    );
}

#[test]
fn who_shows_life_otherwise_has_time_for_the_pong() {
    let mut sim = Sim::new(|_| ());
    sim.receive("w", "/000/s/websocket");
    sim.advance(secs(34));
    let key = sim.key(1);
    sim.endpoint.handle_alive(key, sim.now());
    sim.skip();
    sim.advance(millis(9_999));
    sim.expect(&[]);
    sim.advance(millis(1));
    assert_eq!(sim.endpoint.live(), 0);
}

#[test]
fn a_raw_websocket_that_is_not_read_gets_pings_all_the_same() {
    let mut sim = Sim::new(|settings| settings.limits.inbox_bytes = 65);
    sim.receive("r", "/websocket");
    sim.message("r", "1");
    sim.message("r", "2");
    sim.skip();
    sim.advance(secs(50));
    sim.expect(&["+25.000s r: ping", "+50.000s r: ping"]);
}

#[test]
fn a_pong_that_nobody_asked_for_changes_nothing() {
    let mut sim = Sim::new(|_| ());
    sim.receive("w", "/000/s/websocket");
    sim.pong("w");
    sim.skip();
    sim.advance(secs(25));
    sim.expect(&["+25.000s w: h", "+25.000s w: ping"]);
}

#[test]
fn a_pong_cannot_be_missed_while_the_websocket_is_not_read() {
    let mut sim = Sim::new(|settings| settings.limits.inbox_bytes = 65);
    sim.receive("w", "/000/s/websocket");
    sim.message("w", "\"1\"");
    sim.message("w", "\"2\"");
    sim.advance(secs(60));
    assert_eq!(sim.endpoint.live(), 1);
    while sim.recv(1).is_some() {}
    sim.advance(secs(10));
    assert_eq!(sim.endpoint.live(), 0, "now it would have been read");
}
