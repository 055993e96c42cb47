//! What a service and its server count.

use sockjs_tests::client::{Frame, Request, Transport as Way, json_array};

use super::support::{App, GO_AWAY, eventually, expect_message, report, wait};
use crate::adapter::{Cause, CloseReason, Refusal, Transport};

/// Sessions now open that were opened by that transport.
fn open_by(app: &App, transport: Transport) -> u64 {
    app.service.stats().sessions[transport]
}

/// Sessions that ended by that cause.
fn closed_by(app: &App, cause: Cause) -> u64 {
    app.service.stats().closed[cause]
}

#[test]
fn sessions_by_transport() {
    let app = App::start();
    assert_eq!(app.service.stats().open(), 0);
    let (_client, polling) = app.open();
    let streams = [(); 2].map(|()| app.stream());
    let (_socket, _session) = app.websocket();
    assert_eq!(open_by(&app, Transport::Xhr), 1);
    assert_eq!(open_by(&app, Transport::XhrStreaming), 2);
    assert_eq!(open_by(&app, Transport::Websocket), 1);
    assert_eq!((app.service.stats().open(), app.service.stats().opened.total()), (4, 4));
    for (client, mut receiver, session) in streams {
        session.close(CloseReason::GO_AWAY);
        receiver.expect(GO_AWAY);
        wait(session.closed());
        drop(client);
    }
    assert_eq!(open_by(&app, Transport::XhrStreaming), 0);
    assert!(!polling.is_closed());
    assert_eq!((app.service.stats().open(), app.service.stats().opened.total()), (2, 4));
}

#[test]
fn sessions_ended_by_cause() {
    let app = App::start();
    let (client, session) = app.open();
    session.close(CloseReason::GO_AWAY);
    assert_eq!(app.service.stats().open(), 1, "open until its client knows");
    client.expect(Way::Xhr, &[GO_AWAY]);
    wait(session.closed());
    for _ in 0..2 {
        let (mut socket, session) = app.websocket();
        socket.send(&Frame::close(1000, ""));
        wait(session.closed());
    }
    let (mut socket, session) = app.websocket();
    socket.send_text("{}");
    wait(session.closed());
    let stats = app.service.stats();
    assert_eq!(closed_by(&app, Cause::Application), 1);
    assert_eq!(closed_by(&app, Cause::ClientGone), 2);
    assert_eq!(closed_by(&app, Cause::ProtocolError), 1);
    assert_eq!((stats.closed.total(), stats.opened.total(), stats.open()), (4, 4, 0));
}

#[test]
fn messages_in_and_out() {
    let app = App::start();
    let (client, mut session) = app.open();
    let (mut socket, other) = app.websocket();
    client.send(&["a", "b"]);
    socket.send_text(&json_array(&["c"]));
    expect_message(&mut session, "a");
    eventually("the third arrives", || app.service.stats().messages_in == 3);
    for text in ["x", "y"] {
        wait(session.send(text)).expect("there is room");
    }
    wait(other.send("z")).expect("there is room");
    assert_eq!(app.service.stats().messages_out, 3);
    socket.expect_text(r#"a["z"]"#);
    client.expect(Way::Xhr, &[r#"a["x","y"]"#]);
}

#[test]
fn bytes_in_and_out() {
    let app = App::start();
    let (client, mut session) = app.open();
    client.send(&["four", "\u{20ac}"]);
    expect_message(&mut session, "four");
    wait(session.send("x\n")).expect("there is room");
    let stats = app.service.stats();
    assert_eq!((stats.bytes_in, stats.bytes_out), (7, 2), "without framing or escapes");
}

#[test]
fn requests_turned_away_by_reason() {
    let app = App::start();
    let (client, stream, _session) = app.stream();
    client.expect(Way::Xhr, &[r#"c[2010,"Another connection still open"]"#]);
    let unknown = app.client();
    unknown.xhr_send("[]").expect_status(404);
    app.exchange(&Request::post(unknown.target("nonsense"))).expect_status(404);
    let stats = app.service.stats();
    assert_eq!(stats.refused[Refusal::SecondReceiver], 1);
    assert_eq!(stats.refused[Refusal::UnknownSession], 1);
    assert_eq!(stats.refused[Refusal::NotFound], 1);
    assert_eq!(stats.refused.total(), 3);
    drop(stream);
}

#[test]
fn frames_handed_out() {
    let app = App::start();
    let (client, session) = app.open();
    wait(session.send("a")).expect("there is room");
    wait(session.send("b")).expect("there is room");
    client.expect(Way::Xhr, &[r#"a["a","b"]"#]);
    session.close(CloseReason::GO_AWAY);
    client.expect(Way::Xhr, &[GO_AWAY]);
    wait(session.closed());
    assert_eq!(app.service.stats().frames_out, 3, "open, messages, close");
}

#[test]
fn bytes_that_wait() {
    const OVERHEAD_BYTES: usize = 64;
    let app = App::start();
    let (client, mut session) = app.open();
    assert_eq!(app.service.stats().queued_bytes, 0);
    client.send(&["x".repeat(100)]);
    wait(session.send("y".repeat(50))).expect("there is room");
    assert_eq!(app.service.stats().queued_bytes, 150 + 2 * OVERHEAD_BYTES);
    wait(session.recv());
    assert_eq!(app.service.stats().queued_bytes, 50 + OVERHEAD_BYTES);
    client.poll();
    eventually("nothing waits", || app.service.stats().queued_bytes == 0);
}

#[test]
fn rates_over_the_last_seconds() {
    let app = App::start();
    let (client, session) = app.open();
    client.send(&["a", "b", "c"]);
    wait(session.send("x")).expect("there is room");
    // The second that runs is not counted; after some more it is forgotten again.
    eventually("it counts", || {
        let stats = app.service.stats();
        (stats.per_second.messages_in, stats.per_second.messages_out) == (0.3, 0.1)
    });
}

#[test]
fn connections() {
    let app = App::start();
    let connections = app.server.connections().clone();
    assert_eq!((connections.opened(), connections.open()), (0, 0));
    let idle = app.connect();
    let (mut socket, session) = app.websocket();
    let (_client, stream, _session) = app.stream();
    eventually("three are accepted", || connections.opened() == 3);
    assert_eq!(connections.open(), 3, "upgraded ones as well");
    drop(idle);
    drop(stream);
    eventually("one is left", || connections.open() == 1);
    socket.send(&Frame::close(1000, ""));
    assert_eq!(report(&session).cause, Cause::ClientGone);
    drop(socket);
    eventually("none is left", || connections.open() == 0);
    assert_eq!(connections.opened(), 3);
}
