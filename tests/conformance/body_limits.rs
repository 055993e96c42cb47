//! PROTOCOL §6: bodies that are too large, and what happens to refused ones.

use sockjs_tests::client::{Connection, Request, Session, Transport, frame_of};

use super::support::{BODY_LIMIT_BYTES, WIDE_ECHO, server};

/// More than a server drains.
const LARGE_BYTES: usize = 1_000_000;

/// What it drains at least.
pub(super) const DRAINED_BYTES: usize = 64 * 1024;

/// An array of one message, as long as asked for.
pub(super) fn array_of(length_bytes: usize) -> String {
    format!("[\"{}\"]", "x".repeat(length_bytes - 4))
}

#[track_caller]
pub(super) fn expect_still_serving(connection: &mut Connection) {
    connection.exchange(&Request::get("/echo")).expect_body("Welcome to SockJS!\n");
}

#[track_caller]
pub(super) fn expect_still_open(session: &Session) {
    session.send(&["after"]);
    assert_eq!(session.poll(), r#"a["after"]"#);
}

#[test]
fn the_largest_body_passes() {
    let server = server();
    let session = server.session(WIDE_ECHO).open();
    let body = array_of(BODY_LIMIT_BYTES);
    let message = &body[2..body.len() - 2];
    session.xhr_send(&body).expect_status(204);
    session.expect(Transport::XhrStreaming, &[&frame_of(&[message])]);
    session.jsonp_send("text/plain", &body).expect_status(200);
    session.expect(Transport::Jsonp, &[&frame_of(&[message])]);
}

#[test]
fn an_announced_length_over_the_limit_is_413_at_once() {
    let server = server();
    for length in [(BODY_LIMIT_BYTES + 1).to_string(), "999999999999".to_owned()] {
        for name in ["xhr_send", "jsonp_send"] {
            let session = server.session("/echo").open();
            let mut connection = session.connect();
            let request = Request::post(session.target(name)).header("Content-Length", &length);
            // No byte of the body is ever sent.
            let answer = connection.exchange(&request);
            answer.expect_status(413).expect_header("Connection", "close");
            connection.expect_end();
            expect_still_open(&session);
        }
    }
}

#[test]
fn a_refused_body_is_drained() {
    let server = server();
    for length_bytes in [1, 1000, DRAINED_BYTES - 1, DRAINED_BYTES] {
        for name in ["xhr_send", "jsonp_send"] {
            let target = server.session("/echo").target(name);
            let mut connection = server.connect();
            let body = "x".repeat(length_bytes);
            connection.exchange(&Request::post(target).body(body)).expect_status(404);
            expect_still_serving(&mut connection);
        }
    }
}

#[test]
fn other_refusals_drain_too() {
    let server = server();
    let session = server.session("/echo").open();
    let requests = [
        (Request::post("/echo"), 405),
        (Request::post("/echo/nothing"), 404),
        (Request::post(session.target("nothing")), 404),
        (Request::new("PUT", session.target("xhr")), 405),
        (Request::post("/same_origin_echo/0/x/xhr_send").header("Origin", "http://a.b"), 403),
        (Request::post(session.target("xhr_send")), 500),
    ];
    for (request, status) in requests {
        let mut connection = server.connect();
        let answer = connection.exchange(&request.body("x".repeat(DRAINED_BYTES)));
        answer.expect_status(status);
        expect_still_serving(&mut connection);
    }
}

#[test]
fn a_large_refused_body_closes_the_connection() {
    let server = server();
    for name in ["xhr_send", "jsonp_send"] {
        let mut connection = server.connect();
        let request = Request::post(server.session("/echo").target(name))
            .header("Content-Length", LARGE_BYTES.to_string());
        let answer = connection.exchange(&request);
        answer.expect_status(404).expect_header("Connection", "close");
        connection.expect_end();
    }
}

#[test]
fn a_large_refused_body_under_way_does_not_hide_the_answer() {
    let server = server();
    let mut connection = server.connect();
    let request = Request::post(server.session("/echo").target("xhr_send"))
        .header("Content-Length", LARGE_BYTES.to_string());
    connection.send(request.to_bytes());
    // As much as is drained, so that nothing unread can turn the end into a reset.
    connection.send(vec![b'x'; DRAINED_BYTES / 2]);
    connection.read_response(&request).expect_status(404);
    connection.expect_end();
}
