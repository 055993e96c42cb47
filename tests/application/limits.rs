//! The limits, each reached and just not reached.

use std::time::Duration;

use sockjs_tests::client::{
    Connection, Frame, Opcode, Request, Session as Client, Transport, json_array,
};

use super::support::{App, eventually, expect_message, now, report, wait};
use crate::adapter::{Cause, Limits, Refusal, SendError, Session};

/// What a message costs of its queue beyond its length.
const OVERHEAD_BYTES: usize = 64;

fn limited(change: impl FnOnce(&mut Limits)) -> App {
    App::with(|builder| builder.limits(change))
}

/// Refused for want of room.
#[track_caller]
fn expect_unavailable(app: &App, request: &Request) {
    let answer = app.exchange(request);
    answer.expect_status(503);
    let retry = answer.get("Retry-After").expect("a client is told when to try again");
    assert!(retry.parse::<u32>().is_ok(), "{answer}");
}

#[test]
fn so_many_sessions_and_no_more() {
    let app = limited(|limits| limits.sessions = 2);
    let (_first, stream, _) = app.stream();
    let (_socket, _) = app.websocket();
    for transport in Transport::ALL {
        expect_unavailable(&app, &transport.request(app.client().path()));
    }
    let target = app.client().target("websocket");
    expect_unavailable(&app, &sockjs_tests::client::WebSocket::request(target));
    app.expect_no_session();
    assert_eq!(app.service.stats().refused[Refusal::Sessions], 6);
    drop(stream);
    eventually("room for one more", || {
        let request = Request::post(app.client().target("xhr"));
        app.exchange(&request).status() == 200
    });
}

#[test]
fn the_limit_of_sessions_does_not_harm_those_there_are() {
    let app = limited(|limits| limits.sessions = 1);
    let (client, mut session) = app.open();
    expect_unavailable(&app, &Request::post(app.client().target("xhr")));
    client.send(&["x"]);
    expect_message(&mut session, "x");
    wait(session.send("y")).expect("there is room");
    client.expect(Transport::Xhr, &[r#"a["y"]"#]);
}

#[test]
fn so_many_unconfirmed_sessions_and_no_more() {
    let app = limited(|limits| limits.unconfirmed_sessions = 2);
    let (first, _session) = app.open();
    let (second, _session) = app.open();
    expect_unavailable(&app, &Request::post(app.client().target("xhr")));
    // Those that hold a connection do not count.
    app.stream();
    app.websocket();
    // A second request confirms, whichever it is.
    first.send(&["x"]);
    app.open();
    expect_unavailable(&app, &Request::post(app.client().target("xhr")));
    let _waiting = second.waiting_poll(Transport::Xhr);
    app.open();
}

#[test]
fn a_body_of_the_limit_and_one_beyond() {
    let app = limited(|limits| limits.message_bytes = 1000);
    let (client, mut session) = app.open();
    let fits = "x".repeat(1000 - r#"[""]"#.len());
    client.send(&[&fits]);
    expect_message(&mut session, &fits);
    client.xhr_send(json_array(&[format!("{fits}x")])).expect_status(413);
    let form = client.jsonp_send("text/plain", json_array(&[format!("{fits}x")]));
    form.expect_status(413);
    client.send(&["unharmed"]);
    expect_message(&mut session, "unharmed");
}

#[test]
fn a_websocket_message_of_the_limit_and_one_beyond() {
    let app = limited(|limits| limits.message_bytes = 1000);
    let (mut socket, mut session) = app.websocket();
    let fits = "x".repeat(1000 - r#"[""]"#.len());
    socket.send_text(&json_array(&[&fits]));
    expect_message(&mut session, &fits);
    socket.send_text(&json_array(&[format!("{fits}x")]));
    socket.expect_close(1009);
    let report = report(&session);
    assert_eq!((report.cause, report.reason.code()), (Cause::ProtocolError, 1009));

    let (mut socket, mut session) = app.raw_websocket();
    socket.send_text(&"x".repeat(1000));
    expect_message(&mut session, &"x".repeat(1000));
    socket.send(&Frame::new(Opcode::BINARY, [0; 1001]));
    socket.expect_close(1009);
}

#[test]
fn an_inbox_of_the_limit_and_one_beyond() {
    let app = limited(|limits| {
        limits.inbox_bytes = 1000;
        limits.send_patience = Duration::from_millis(200);
    });
    let (client, mut session) = app.open();
    let half = "x".repeat(500 - OVERHEAD_BYTES);
    client.send(&[&half]);
    client.send(&[&half]);
    client.xhr_send(r#"[""]"#).expect_status(503);
    client.expect(Transport::Xhr, &[r#"c[1002,"Connection interrupted"]"#]);
    assert_eq!(report(&session).cause, Cause::SlowApplication);
    expect_message(&mut session, &half);
    expect_message(&mut session, &half);
    assert_eq!(wait(session.recv()), None);
}

#[test]
fn a_full_inbox_delays_senders_until_the_application_takes() {
    let app = limited(|limits| limits.inbox_bytes = 1);
    let (client, mut session) = app.open();
    client.send(&["fills it"]);
    let mut connection = client.connect();
    let request = Request::post(client.target("xhr_send")).body(r#"["waits"]"#);
    connection.send(request.to_bytes());
    assert!(!connection.is_readable(), "the answer waits");
    expect_message(&mut session, "fills it");
    expect_message(&mut session, "waits");
    connection.read_response(&request).expect_status(204);
}

#[test]
fn a_full_inbox_stops_its_websocket_until_the_application_takes() {
    const COUNT: usize = 100;
    let app = limited(|limits| limits.inbox_bytes = 1);
    let (mut socket, mut session) = app.websocket();
    for number in 0..COUNT {
        socket.send_text(&json_array(&[number.to_string()]));
    }
    for number in 0..COUNT {
        expect_message(&mut session, &number.to_string());
    }
}

#[test]
fn a_payload_of_countless_tiny_messages_is_too_large() {
    let app = limited(|limits| {
        limits.inbox_bytes = 1000;
        limits.message_bytes = 1000;
    });
    // Each costs its overhead, and takes three bytes on the wire.
    let payload = |count: usize| json_array(&vec![""; count]);
    let (client, _session) = app.open();
    client.xhr_send(payload(2000 / OVERHEAD_BYTES)).expect_status(204);
    client.xhr_send(payload(2000 / OVERHEAD_BYTES + 1)).expect_status(413);
    let (mut socket, session) = app.websocket();
    socket.send_text(&payload(2000 / OVERHEAD_BYTES + 1));
    socket.expect_close(1009);
    assert_eq!(report(&session).cause, crate::adapter::Cause::ProtocolError);
}

#[test]
fn a_client_that_leaves_is_noticed_while_the_application_lags() {
    let app = limited(|limits| limits.inbox_bytes = 1);
    let (mut socket, session) = app.websocket();
    for text in [r#"["fills it"]"#, r#"["waits"]"#, r#"["unread"]"#] {
        socket.send_text(text);
    }
    drop(socket);
    let report = report(&session);
    assert_eq!(report.cause, crate::adapter::Cause::ClientGone);
    assert_eq!(report.unread, ["fills it", "waits", "unread"]);
}

#[test]
fn what_came_with_the_end_is_not_lost_to_a_full_inbox() {
    let app = limited(|limits| limits.inbox_bytes = 1);
    let (mut socket, mut session) = app.websocket();
    let mut burst = Frame::new(Opcode::TEXT, r#"["a","b"]"#).to_bytes();
    burst.extend(Frame::new(Opcode::TEXT, r#"["c"]"#).to_bytes());
    burst.extend(Frame::close(1000, "").to_bytes());
    socket.send_text(r#"["fills it"]"#);
    socket.connection().send(burst);
    for text in ["fills it", "a", "b", "c"] {
        expect_message(&mut session, text);
    }
    assert_eq!(wait(session.recv()), None);
    assert_eq!(report(&session).cause, crate::adapter::Cause::ClientGone);
}

#[test]
fn an_outbox_of_the_limit_and_one_beyond() {
    let app = limited(|limits| limits.outbox_bytes = 1000);
    let (client, session) = app.open();
    let half = "x".repeat(500 - OVERHEAD_BYTES);
    session.try_send(half.as_str()).expect("half of it");
    session.try_send(half.as_str()).expect("all of it");
    assert!(matches!(session.try_send(""), Err(SendError::Full(_))));
    client.expect(Transport::Xhr, &[&format!("a[{half:?},{half:?}]")]);
    wait(session.send("")).expect("there is room again");
}

#[test]
fn the_total_over_all_sessions() {
    let app = limited(|limits| limits.total_bytes = 1000);
    let (first, one) = app.open();
    let (second, other) = app.open();
    one.try_send("x".repeat(900 - OVERHEAD_BYTES)).expect("the total has room");
    other.try_send("x".repeat(100 - OVERHEAD_BYTES)).expect("it fits exactly");
    assert!(matches!(other.try_send(""), Err(SendError::Full(_))));
    assert!(now(other.send("waits")).is_none());
    assert_eq!(app.service.stats().queued_bytes, 1000);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| wait(other.send("waits")));
        // The room that one session's client makes is everyone's.
        first.poll();
        waiting.join().expect("no panic").expect("there is room again");
    });
    assert_eq!(second.poll(), format!("a[{:?},\"waits\"]", "x".repeat(100 - OVERHEAD_BYTES)));
}

#[test]
fn what_the_application_does_not_ask_for_is_in_the_total() {
    let app = limited(|_| ());
    let (client, mut session) = app.open();
    // It waits for a message, and then it is busy elsewhere.
    assert!(now(session.recv()).is_none());
    let long = "x".repeat(20_000);
    for count in 1..=3 {
        client.send(&[&long]);
        assert!(app.service.stats().queued_bytes >= count * long.len());
    }
    for _ in 1..=3 {
        expect_message(&mut session, &long);
    }
    assert_eq!(app.service.stats().queued_bytes, 0);
}

/// A message that takes so many bytes on the wire.
fn array_of(length_bytes: usize) -> String {
    json_array(&["x".repeat(length_bytes - 4)])
}

/// The budget of these tests for what is on its way.
const INCOMING_BYTES: usize = 50_000;

/// What each may hold beside the budget.
const FREE_BYTES: usize = 16 * 1024;

/// Starts to send until that takes the budget: until others are refused, and not this one itself,
/// which was unlucky if it met a part of another in the budget.
fn take_budget<T>(
    mut start: impl FnMut() -> T,
    connection: impl Fn(&mut T) -> &mut Connection,
    mut is_other_refused: impl FnMut() -> bool,
) -> T {
    loop {
        let mut started = start();
        eventually("the budget is taken", || {
            connection(&mut started).is_readable() || is_other_refused()
        });
        if !connection(&mut started).is_readable() {
            return started;
        }
    }
}

/// Sends; what is taken is taken out again, so that the session's own queue stays empty.
fn is_refused(client: &Client, request: &Request, session: &mut Session) -> bool {
    let status = client.exchange(request).status();
    assert_eq!(status == 204, now(session.recv()).is_some());
    status == 503
}

#[test]
fn bodies_on_their_way_have_a_budget_over_all_sessions() {
    let app = limited(|limits| limits.incoming_bytes = INCOMING_BYTES);
    let (one, mut session) = app.open();
    let (other, mut other_session) = app.open();
    // All but the last byte of one that takes the budget exactly.
    let body = array_of(INCOMING_BYTES + FREE_BYTES);
    let request = Request::post(one.target("xhr_send")).body(&body);
    let bytes = request.to_bytes();
    let (last, most) = bytes.split_last().expect("it is not empty");
    let long = Request::post(other.target("xhr_send")).body(array_of(FREE_BYTES + 2));
    let start = || {
        let mut connection = one.connect();
        connection.send(most);
        connection
    };
    let mut connection =
        take_budget(start, |it| it, || is_refused(&other, &long, &mut other_session));
    expect_unavailable(&app, &long);
    other.xhr_send(array_of(FREE_BYTES)).expect_status(204);
    wait(other_session.recv()).expect("short ones pass");
    connection.send([*last]);
    connection.read_response(&request).expect_status(204);
    expect_message(&mut session, &body[2..body.len() - 2]);
    other.exchange(&long).expect_status(204);
    wait(other_session.recv()).expect("there is room again");
}

#[test]
fn websocket_messages_on_their_way_share_that_budget() {
    let app = limited(|limits| limits.incoming_bytes = INCOMING_BYTES);
    let body = array_of(INCOMING_BYTES + FREE_BYTES - 100);
    let frame = Frame::new(Opcode::TEXT, &body).to_bytes();
    let (last, most) = frame.split_last().expect("it is not empty");
    let long = Frame::new(Opcode::TEXT, array_of(FREE_BYTES + 1000)).to_bytes();
    let half = long.len() - 1;
    let start = || {
        let (mut one, session) = app.websocket();
        one.connection().send(most);
        (one, session)
    };
    let is_other_refused = || {
        let (mut other, other_session) = app.websocket();
        other.connection().send(&long[..half]);
        let is_refused = other.connection().is_readable();
        if is_refused {
            other.expect_close_saying(1013, "Server is busy");
            assert_eq!(report(&other_session).reason.code(), 1013);
        }
        is_refused
    };
    let (mut one, mut session) = take_budget(start, |it| it.0.connection(), is_other_refused);
    let (mut short, mut short_session) = app.websocket();
    short.send_text(&array_of(1000));
    wait(short_session.recv()).expect("short ones pass");
    one.connection().send([*last]);
    expect_message(&mut session, &body[2..body.len() - 2]);
    // The application has the message a moment before its bytes leave the budget.
    eventually("there is room again", || {
        let (mut other, mut other_session) = app.websocket();
        other.connection().send(&long);
        wait(other_session.recv()).is_some()
    });
}

#[test]
fn what_waits_before_a_full_queue_counts_as_on_its_way() {
    let app = limited(|limits| {
        limits.incoming_bytes = INCOMING_BYTES;
        limits.inbox_bytes = 1;
    });
    let (client, mut session) = app.open();
    client.send(&["fills it"]);
    let waits = Request::post(client.target("xhr_send")).body(array_of(INCOMING_BYTES));
    let (other, mut other_session) = app.open();
    let long = Request::post(other.target("xhr_send")).body(array_of(2 * FREE_BYTES + 100));
    let start = || {
        let mut connection = client.connect();
        connection.send(waits.to_bytes());
        connection
    };
    let mut connection =
        take_budget(start, |it| it, || is_refused(&other, &long, &mut other_session));
    expect_message(&mut session, "fills it");
    connection.read_response(&waits).expect_status(204);
}
