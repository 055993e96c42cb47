//! PROTOCOL §5 rules 2 and 3: messages, and the transports in any mix.

use crate::common::{Sim, secs};

#[test]
fn all_that_is_queued_goes_out_in_one_frame_and_in_order() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr");
    for message in ["1", "", "3"] {
        sim.send(1, message).unwrap();
    }
    sim.skip();
    sim.receive("b", "/000/s/xhr");
    sim.expect(&["+0.000s b: a[\\\"1\\\",\\\"\\\",\\\"3\\\"]\\n end"]);
}

#[test]
fn a_poll_waits_for_a_message() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr");
    sim.receive("b", "/000/s/xhr");
    sim.skip();
    sim.advance(secs(7));
    sim.expect(&[]);
    sim.send(1, "late").unwrap();
    sim.expect(&["+7.000s b: a[\\\"late\\\"]\\n end"]);
}

#[test]
fn a_stream_gets_a_frame_for_each_message_that_finds_it_waiting() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr_streaming");
    sim.skip();
    sim.send(1, "x").unwrap();
    sim.send(1, "y").unwrap();
    sim.expect(&["+0.000s a: a[\\\"x\\\"]\\n", "+0.000s a: a[\\\"y\\\"]\\n"]);
}

#[test]
fn every_transport_serves_the_same_session() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr");
    sim.skip();
    for (name, transport, frame) in [
        ("b", "jsonp", "/**/cb(\\\"a[\\\\\\\"m\\\\\\\"]\\\");\\r\\n end"),
        ("c", "xhr", "a[\\\"m\\\"]\\n end"),
    ] {
        sim.send(1, "m").unwrap();
        sim.receive(name, &format!("/000/s/{transport}"));
        sim.expect(&[&format!("+0.000s {name}: {frame}")]);
    }
    sim.receive("d", "/000/s/eventsource");
    sim.send(1, "%41").unwrap();
    sim.expect(&["+0.000s d: prelude", "+0.000s d: data: a[\\\"%2541\\\"]\\r\\n\\r\\n"]);
    sim.post("e", "/000/s/jsonp_send", "[\"x\"]");
    sim.post("f", "/000/s/xhr_send", "[\"y\"]");
    assert_eq!(sim.recv_text(1).as_deref(), Some("x"));
    assert_eq!(sim.recv_text(1).as_deref(), Some("y"));
}

#[test]
fn a_frame_has_64_kib_at_most_and_the_rest_follows() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr");
    // `a["…","…"]`: exactly 64 KiB with the first two.
    let half = "x".repeat(32 * 1024 - 5);
    sim.send(1, format!("{half}xx")).unwrap();
    sim.send(1, half.as_str()).unwrap();
    sim.send(1, "rest").unwrap();
    sim.skip();
    sim.receive("b", "/000/s/xhr");
    let frame = sim.take_transcript().concat();
    assert_eq!(frame.matches("x\\\"").count(), 2, "both halves");
    sim.receive("c", "/000/s/xhr");
    sim.expect(&["+0.000s c: a[\\\"rest\\\"]\\n end"]);
}

#[test]
fn escapes_count_towards_the_frame() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr");
    // 12,000 bytes in memory, 72,000 in the frame.
    for _ in 0..2 {
        sim.send(1, "\u{1}".repeat(6_000)).unwrap();
    }
    sim.skip();
    sim.receive("b", "/000/s/xhr");
    assert_eq!(sim.take_transcript().concat().matches("u0001").count(), 6_000);
    sim.receive("c", "/000/s/xhr");
    assert_eq!(sim.take_transcript().concat().matches("u0001").count(), 6_000);
}

#[test]
fn a_message_over_the_frame_limit_goes_alone_and_whole() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr_streaming");
    sim.skip();
    sim.send(1, "y".repeat(70_000)).unwrap();
    sim.send(1, "z").unwrap();
    let lines = sim.take_transcript();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0].matches('y').count(), 70_000);
    assert_eq!(lines[1], "+0.000s a: a[\\\"z\\\"]\\n");
}

#[test]
fn no_limit_means_no_limit() {
    let mut sim = Sim::new(|settings| settings.limits.window_bytes = usize::MAX);
    sim.receive("a", "/000/s/xhr");
    sim.send(1, "1").unwrap();
    sim.send(1, "2").unwrap();
    sim.skip();
    sim.receive("b", "/000/s/xhr");
    sim.expect(&["+0.000s b: a[\\\"1\\\",\\\"2\\\"]\\n end"]);
}
