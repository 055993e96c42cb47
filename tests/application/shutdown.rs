//! The end of a service without loss.

use std::time::{Duration, Instant};

use sockjs_tests::client::{Request, Transport, WebSocket, messages_in};

use super::support::{App, LARGE_BYTES, NEVER, eventually, report, wait};
use crate::adapter::{Cause, CloseReason};

const GOING_AWAY: &str = r#"c[1001,"Server going away"]"#;

/// Starts to shut down, and waits until no new session is taken.
fn begin(app: &App, deadline: Duration) -> impl FnOnce() -> usize + use<> {
    let service = app.service.clone();
    let (sender, left) = std::sync::mpsc::channel();
    app.server.spawn(async move {
        let _ = sender.send(service.shutdown(CloseReason::SERVER_GOING_AWAY, deadline).await);
    });
    eventually("new sessions are refused", || {
        app.exchange(&Request::get("/app/info")).status() == 503
            && app.exchange(&WebSocket::request("/app/websocket")).status() == 503
    });
    move || left.recv_timeout(sockjs_tests::client::PATIENCE).expect("it ends")
}

#[test]
fn queued_messages_are_delivered_first() {
    let app = App::start();
    let (client, session) = app.open();
    wait(session.send("a")).expect("there is room");
    wait(session.send("b")).expect("there is room");
    let end = begin(&app, NEVER);
    client.expect(Transport::XhrStreaming, &[r#"a["a","b"]"#, GOING_AWAY]);
    assert_eq!(end(), 0);
    let report = report(&session);
    assert_eq!((report.cause, report.accepted, report.unsent.len()), (Cause::Shutdown, 2, 0));
    assert_eq!(report.reason, CloseReason::SERVER_GOING_AWAY);
}

#[test]
fn everyone_is_told() {
    let app = App::start();
    let (client, _session) = app.open();
    let mut poll = client.waiting_poll(Transport::Xhr);
    let (_client, mut stream, _session) = app.stream();
    let (mut socket, _session) = app.websocket();
    let (raw, _session) = app.raw_websocket();
    let end = begin(&app, NEVER);
    poll.expect(GOING_AWAY);
    stream.expect(GOING_AWAY);
    stream.end();
    socket.expect_text(GOING_AWAY);
    socket.expect_close_saying(1001, "Server going away");
    raw.expect_close_saying(1001, "Server going away");
    assert_eq!(end(), 0);
    assert_eq!(app.service.stats().closed[Cause::Shutdown], 4);
}

#[test]
fn new_sessions_are_refused_with_503() {
    let app = App::start();
    // One that nobody fetches keeps the service draining.
    let (client, mut session) = app.open();
    let _end = begin(&app, NEVER);
    app.exchange(&Request::get("/app/info")).expect_status(503);
    for transport in Transport::ALL {
        let answer = app.exchange(&transport.request(app.client().path()));
        answer.expect_status(503);
        assert!(answer.get("Retry-After").is_some(), "{answer}");
    }
    let target = app.client().target("websocket");
    app.exchange(&WebSocket::request(target)).expect_status(503);
    app.expect_no_session();
    // Those there were are known still.
    client.send(&["dropped"]);
    client.expect(Transport::Xhr, &[GOING_AWAY]);
    assert_eq!(wait(session.recv()), None);
}

#[test]
fn it_returns_at_its_deadline_and_cuts_off_what_is_left() {
    const DEADLINE: Duration = Duration::from_millis(300);
    let app = App::start();
    let (client, session) = app.open();
    let (_other, _session) = app.open();
    wait(session.send("never fetched")).expect("there is room");
    let started = Instant::now();
    let end = begin(&app, DEADLINE);
    assert_eq!(end(), 2, "nobody fetched their close frames");
    assert!(started.elapsed() >= DEADLINE);
    let report = report(&session);
    assert_eq!((report.cause, &report.reason), (Cause::Shutdown, &CloseReason::SERVER_GOING_AWAY));
    assert_eq!(report.unsent, ["never fetched"]);
    client.expect(Transport::Xhr, &[GOING_AWAY]);
}

#[test]
fn a_second_call_may_be_less_patient() {
    let app = App::start();
    let (_client, session) = app.open();
    let end = begin(&app, NEVER);
    let service = app.service.clone();
    let reason = CloseReason::new(4005, "too late to say");
    assert_eq!(app.run(async move { service.shutdown(reason, Duration::ZERO).await }), 1);
    assert_eq!(end(), 0, "the first one has nothing more to wait for");
    assert_eq!(report(&session).reason, CloseReason::SERVER_GOING_AWAY);
}

#[test]
fn no_client_can_keep_it_from_ending() {
    let app = App::with(|builder| {
        builder.limits(|limits| {
            limits.write_stall = NEVER;
            limits.outbox_bytes = usize::MAX;
        })
    });
    // One reads nothing of what it is to get, one never sends its body's end.
    let (_client, stuck, stuck_session) = app.stream();
    wait(stuck_session.send("x".repeat(LARGE_BYTES))).expect("there is room");
    let (sending, _session) = app.open();
    let mut unfinished = sending.connect();
    let request = Request::post(sending.target("xhr_send")).header("Content-Length", "100");
    unfinished.send(request.to_bytes());
    let end = begin(&app, Duration::from_millis(300));
    assert!(end() >= 1);
    assert_eq!(report(&stuck_session).cause, Cause::Shutdown);
    assert_eq!(app.service.stats().open(), 0);
    drop(stuck);
}

#[test]
fn it_returns_at_once_without_sessions() {
    let app = App::start();
    let service = app.service.clone();
    let left =
        app.run(async move { service.shutdown(CloseReason::SERVER_GOING_AWAY, NEVER).await });
    assert_eq!(left, 0);
}

#[test]
fn its_reason_is_the_applications() {
    let app = App::start();
    let (_client, mut stream, session) = app.stream();
    let service = app.service.clone();
    let reason = CloseReason::new(4005, "update");
    app.run(async move { service.shutdown(reason, NEVER).await });
    stream.expect(r#"c[4005,"update"]"#);
    assert_eq!(report(&session).reason, CloseReason::new(4005, "update"));
}

#[test]
fn all_that_was_accepted_is_delivered_while_it_drains() {
    const COUNT: usize = 2000;
    let app = App::with(|builder| builder.response_limit(usize::MAX));
    let (_client, mut stream, session) = app.stream();
    let sender = std::thread::spawn(move || {
        let sent = (0..COUNT).take_while(|n| wait(session.send(n.to_string())).is_ok()).count();
        (sent, report(&session))
    });
    let service = app.service.clone();
    app.server.spawn(async move {
        service.shutdown(CloseReason::SERVER_GOING_AWAY, NEVER).await;
    });
    let mut received = Vec::new();
    loop {
        match stream.frame() {
            frame if frame == GOING_AWAY => break,
            frame => received.extend(messages_in(&frame)),
        }
    }
    let (sent, report) = sender.join().expect("no panic");
    assert!(received.into_iter().eq((0..sent).map(|n| n.to_string())));
    assert_eq!((report.accepted, report.unsent.len()), (sent as u64, 0));
}
