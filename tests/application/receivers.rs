//! How receivers come and go, as far as an application notices: expiry and heartbeats.

use std::time::{Duration, Instant};

use sockjs_tests::client::{Transport, messages_in};

use super::support::{App, NEVER, report, wait};
use crate::adapter::Cause;

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_millis(500);

/// Tries until the machine was quick enough for a proof.
#[track_caller]
fn prove(mut attempt: impl FnMut() -> bool) {
    assert!((0..20).any(|_| attempt()), "this machine is too slow to tell");
}

#[test]
fn a_session_without_receiver_expires_after_the_disconnect_delay() {
    let app = App::with(|builder| builder.disconnect_delay(LONG));
    let client = app.client();
    let before = Instant::now();
    client.expect(Transport::Xhr, &["o"]);
    let session = app.session();
    assert_eq!(report(&session).cause, Cause::Expired);
    assert!(before.elapsed() >= LONG);
    client.xhr_send("[]").expect_status(404);
}

#[test]
fn sends_do_not_keep_a_session() {
    let app = App::with(|builder| builder.disconnect_delay(SHORT));
    let (client, session) = app.open();
    while client.xhr_send("[]").status() == 204 {}
    assert_eq!(report(&session).cause, Cause::Expired);
}

#[test]
fn an_attached_session_survives_expiry() {
    let app = App::with(|builder| builder.disconnect_delay(SHORT).heartbeat_delay(SHORT));
    let (_client, mut receiver, session) = app.stream();
    let opened = Instant::now();
    while opened.elapsed() < 4 * SHORT {
        receiver.expect("h");
    }
    wait(session.send("alive")).expect("it is open");
    while receiver.frame() != r#"a["alive"]"# {}
    assert!(!session.is_closed());
}

#[test]
fn detaching_restarts_the_window() {
    prove(|| {
        let app = App::with(|builder| builder.disconnect_delay(LONG));
        let (client, session) = app.open();
        let opened = Instant::now();
        let mut detached = opened;
        while opened.elapsed() < 3 * LONG {
            std::thread::sleep(LONG / 5);
            let _ = session.try_send("x");
            let (before, frame) = (Instant::now(), client.poll());
            if detached.elapsed() >= LONG {
                return false;
            }
            assert_eq!(frame, r#"a["x"]"#, "{:?} after its receiver left", detached.elapsed());
            detached = before;
        }
        true
    });
}

#[test]
fn what_waits_is_flushed_to_the_receiver_that_comes() {
    let app = App::start();
    let (client, session) = app.open();
    for text in ["a", "b"] {
        wait(session.send(text)).expect("there is room");
    }
    client.expect(Transport::Xhr, &[r#"a["a","b"]"#]);
    let mut receiver = client.receive(Transport::XhrStreaming);
    wait(session.send("c")).expect("there is room");
    receiver.expect(r#"a["c"]"#);
}

#[test]
fn a_second_receiver_is_refused_and_disturbs_nothing() {
    let app = App::start();
    let (client, mut receiver, session) = app.stream();
    for transport in Transport::ALL {
        client.expect(transport, &[r#"c[2010,"Another connection still open"]"#]);
    }
    wait(session.send("x")).expect("it is open");
    receiver.expect(r#"a["x"]"#);
}

#[test]
fn an_idle_receiver_gets_heartbeats() {
    let app = App::with(|builder| builder.heartbeat_delay(SHORT));
    for transport in Transport::STREAMING {
        let before = Instant::now();
        let mut receiver = app.client().receive_first(transport, "o");
        receiver.expect("h").expect("h");
        assert!(before.elapsed() >= 2 * SHORT);
    }
    let (client, _session) = app.open();
    client.expect(Transport::Xhr, &["h"]);
}

#[test]
fn traffic_delays_the_heartbeat() {
    const COUNT: u32 = 15;
    prove(|| {
        let app = App::with(|builder| builder.heartbeat_delay(LONG));
        let mut last = Instant::now();
        let (_client, mut receiver, session) = app.stream();
        for number in 0..COUNT {
            std::thread::sleep(LONG / 5);
            let before = Instant::now();
            wait(session.send(number.to_string())).expect("it is open");
            let frame = receiver.frame();
            if last.elapsed() >= LONG {
                return false;
            }
            assert_eq!(messages_in(&frame), [number.to_string()]);
            last = before;
        }
        true
    });
}

#[test]
fn no_heartbeat_waits_for_a_receiver_that_left() {
    let app = App::with(|builder| builder.heartbeat_delay(SHORT));
    let (client, session) = app.open();
    client.expect(Transport::Xhr, &["h"]);
    std::thread::sleep(3 * SHORT);
    wait(session.send("x")).expect("it is open");
    client.expect(Transport::Xhr, &[r#"a["x"]"#]);
}

#[test]
fn heartbeats_can_be_switched_off() {
    let app = App::with(|builder| builder.heartbeat_delay(None));
    let other = App::with(|builder| builder.heartbeat_delay(SHORT));
    let (_client, mut receiver, session) = app.stream();
    let mut clock = other.client().receive_first(Transport::XhrStreaming, "o");
    clock.expect("h").expect("h").expect("h");
    wait(session.send("x")).expect("it is open");
    receiver.expect(r#"a["x"]"#);
}

#[test]
fn heartbeats_do_not_reach_the_application() {
    let app = App::with(|builder| builder.heartbeat_delay(SHORT).disconnect_delay(NEVER));
    let (mut socket, mut session) = app.websocket();
    socket.expect_text("h").expect_text("h");
    socket.send_text(r#""first""#);
    super::support::expect_message(&mut session, "first");
    assert_eq!(app.service.stats().messages_in, 1);
}
