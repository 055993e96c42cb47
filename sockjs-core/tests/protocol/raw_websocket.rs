//! PROTOCOL §7: the WebSocket without framing.

use crate::common::Sim;
use sockjs_core::{CloseReason, Message};

fn open() -> Sim {
    let mut sim = Sim::new(|_| ());
    sim.receive("w", "/websocket");
    sim
}

#[test]
fn nothing_is_framed() {
    let mut sim = open();
    sim.expect(&["+0.000s #1: opened by websocket-raw"]);
    sim.send(1, "a\"b").unwrap();
    sim.send(1, Message::binary(vec![0, 255])).unwrap();
    sim.send(1, "").unwrap();
    sim.expect(&["+0.000s w: a\\\"b", "+0.000s w: binary \\x00\\xff", "+0.000s w: "]);
}

#[test]
fn each_message_is_a_frame_even_if_they_queue() {
    let mut sim = Sim::new(|settings| settings.limits.window_bytes = 1);
    sim.writes = false;
    sim.receive("w", "/websocket");
    sim.send(1, "1").unwrap();
    sim.send(1, "2").unwrap();
    sim.send(1, "3").unwrap();
    sim.skip();
    sim.written("w");
    sim.expect(&["+0.000s w: 2"]);
    sim.written("w");
    sim.expect(&["+0.000s w: 3"]);
}

#[test]
fn messages_arrive_as_they_are() {
    let mut sim = open();
    let messages = [
        Message::text("[\"no payload\"]"),
        Message::text(""),
        Message::binary(vec![1, 2]),
        Message::binary(Vec::new()),
    ];
    for message in &messages {
        sim.message("w", message.clone());
    }
    for message in messages {
        assert_eq!(sim.recv(1), Some(message));
    }
}

#[test]
fn only_the_websocket_close_ends_it() {
    let mut sim = open();
    sim.send(1, "last").unwrap();
    sim.recv(1);
    sim.skip();
    sim.close(1, CloseReason::default());
    sim.expect(&[
        "+0.000s #1: readable",
        "+0.000s w: close 3000 Go away! end",
        "+0.000s #1: closed Application 3000 Go away!, written 1, uncertain 1",
    ]);
}

#[test]
fn all_that_the_window_lets_through_is_handed_at_once() {
    let mut sim = Sim::new(|settings| settings.limits.window_bytes = 10);
    sim.writes = false;
    sim.receive("w", "/websocket");
    for message in ["as long as the window", "1", "2"] {
        sim.send(1, message).unwrap();
    }
    sim.skip();
    sim.written("w");
    sim.expect(&["+0.000s w: 1", "+0.000s w: 2"]);
}
