//! PROTOCOL §5 rule 7: a receiver that breaks off.

use crate::common::{START, Sim, millis, secs};
use sockjs_core::{ChunkId, CloseReason, Gone, Message, Refused, SendError};

const INTERRUPTED: &str = "c[1002,\\\"Connection interrupted\\\"]";

#[test]
fn the_session_ends_at_once_and_later_receivers_hear_of_it_for_one_delay() {
    for path in ["/000/s/xhr_streaming", "/000/s/xhr"] {
        let mut sim = Sim::new(|_| ());
        sim.receive("open", "/000/s/xhr");
        sim.receive("a", path);
        sim.advance(secs(1));
        sim.skip();
        sim.disconnect("a");
        sim.expect(&["+1.000s #1: closed ClientGone 1002 Connection interrupted"]);
        sim.advance(millis(4_999));
        sim.receive("b", "/000/s/xhr");
        sim.expect(&[&format!("+5.999s b: {INTERRUPTED}\\n end")]);
        assert_eq!(sim.post("p", "/000/s/xhr_send", "[]").unwrap().status(), 404);
        sim.skip();
        sim.advance(millis(1));
        sim.receive("c", "/000/s/xhr");
        sim.expect(&["+6.000s c: o\\n end", "+6.000s #2: opened by xhr"]);
    }
}

#[test]
fn a_connection_that_ends_after_its_response_means_nothing() {
    let mut sim = Sim::new(|_| ());
    sim.writes = false;
    sim.receive("a", "/000/s/xhr");
    sim.skip();
    sim.all_written("a");
    sim.disconnect("a");
    sim.expect(&[]);
    assert_eq!(sim.endpoint.live(), 1);
}

#[test]
fn an_old_receiver_cannot_end_what_a_new_one_holds() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr");
    sim.receive("b", "/000/s/xhr_streaming");
    sim.skip();
    sim.disconnect("a");
    sim.expect(&[]);
    assert!(sim.waits("b"));
}

#[test]
fn whoever_closed_first_is_the_cause() {
    let mut sim = Sim::new(|_| ());
    sim.writes = false;
    sim.receive("a", "/000/s/xhr_streaming");
    sim.close(1, CloseReason::default());
    sim.skip();
    sim.lost("a", true);
    sim.expect(&["+0.000s #1: closed Application 3000 Go away!"]);
    sim.receive("b", "/000/s/xhr");
    sim.expect(&["+0.000s b: c[3000,\\\"Go away!\\\"]\\n end"]);
}

#[test]
fn a_websocket_that_ends_leaves_nothing() {
    for (why, line) in [
        (Gone::Disconnected, "closed ClientGone 1002 Connection interrupted"),
        (Gone::Closed(Some(CloseReason::new(1000, "bye"))), "closed ClientGone 1000 bye"),
        (Gone::Closed(None), "closed ClientGone 1005 "),
        (Gone::Violation(CloseReason::BINARY), "closed ProtocolError 1003 Binary message"),
    ] {
        let mut sim = Sim::new(|_| ());
        sim.receive("w", "/000/s/websocket");
        sim.skip();
        sim.gone("w", why);
        sim.expect(&[&format!("+0.000s #1: {line}")]);
        assert!(sim.endpoint.is_empty());
        assert_eq!(sim.endpoint.poll_timeout(), None);
    }
}

#[test]
fn nothing_is_told_after_the_end() {
    let mut sim = Sim::new(|settings| settings.limits.outbox_bytes = 100);
    sim.writes = false;
    sim.receive("a", "/000/s/xhr_streaming");
    sim.send(1, "x").unwrap();
    sim.send(1, "y").unwrap_err();
    sim.skip();
    sim.disconnect("a");
    sim.expect(&["+0.000s #1: closed ClientGone 1002 Connection interrupted, uncertain 1"]);
}

#[test]
fn a_late_word_on_a_chunk_tells_nobody_after_the_end() {
    // The sender was told full; its session ended; then the chunk was written after all.
    let mut sim = Sim::new(|settings| settings.limits.outbox_bytes = 100);
    sim.writes = false;
    sim.receive("open", "/000/s/xhr");
    sim.receive("a", "/000/s/xhr");
    sim.send(1, "x").unwrap();
    sim.send(1, "y").unwrap_err();
    sim.receive("b", "/000/s/xhr");
    sim.disconnect("b");
    sim.skip();
    sim.written("a");
    sim.expect(&[]);
}

#[test]
fn keys_and_chunks_of_ended_sessions_are_harmless() {
    let mut sim = Sim::new(|_| ());
    sim.receive("w", "/000/s/websocket");
    let ended = sim.key(1);
    sim.disconnect("w");
    sim.receive("v", "/000/s/websocket");
    sim.skip();
    assert_ne!(sim.key(2), ended);
    let chunk = ChunkId { session: ended, seq: 0 };
    sim.endpoint.handle_written(chunk, START);
    sim.endpoint.handle_lost(chunk, START);
    sim.endpoint.handle_pong(ended, START);
    sim.endpoint.handle_panic(ended, START);
    sim.endpoint.close(ended, CloseReason::default());
    assert_eq!(sim.endpoint.recv(ended), None);
    let sent = sim.endpoint.send(ended, Message::text("x"));
    assert_eq!(sent, Err(SendError::Closed(Message::text("x"))));
    let mut batch = vec![Message::text("x")];
    assert_eq!(sim.endpoint.handle_messages(ended, &mut batch, START), Err(Refused::Gone));
    assert_eq!(batch.len(), 1);
    sim.drain();
    sim.expect(&[]);
    assert!(sim.waits("v"));
}
