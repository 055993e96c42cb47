//! PROTOCOL §8: bodies of requests, `Expect`, and requests in pieces.

use sockjs_tests::client::{Request, Session, Transport, frame_of};

use super::support::{server, waiting_poll};

/// Sends the message "a" by this request, cut in two at each of its bytes.
#[track_caller]
pub(super) fn send_cut_anywhere(session: &Session, request: &Request) {
    let bytes = request.to_bytes();
    let mut connection = session.connect();
    for at in 0..bytes.len() {
        connection.send(&bytes[..at]);
        connection.send(&bytes[at..]);
        connection.read_response(request).expect_status(204);
    }
    assert_eq!(session.poll(), frame_of(&vec!["a"; bytes.len()]));
}

#[test]
fn expect_100_continue_with_the_body_at_once() {
    let server = server();
    let session = server.session("/echo").open();
    let request =
        Request::post(session.target("xhr_send")).header("Expect", "100-continue").body("[\"x\"]");
    let mut connection = session.connect();
    connection.exchange(&request).expect_status(204);
    connection.exchange(&request).expect_status(204);
    assert_eq!(session.poll(), r#"a["x","x"]"#);
}

#[test]
fn a_refusal_does_not_wait_for_the_expected_body() {
    let server = server();
    let request = Request::post(server.session("/echo").target("xhr_send"))
        .header("Expect", "100-continue")
        .header("Content-Length", "1000000");
    server.exchange(&request).expect_status(404);
}

#[test]
fn requests_may_come_byte_by_byte() {
    let server = server();
    let session = server.session("/echo").open();
    let request = Request::post(session.target("xhr_send")).body(r#"["x"]"#);
    let mut connection = session.connect();
    for byte in request.to_bytes() {
        connection.send([byte]);
    }
    connection.read_response(&request).expect_status(204);
    assert_eq!(session.poll(), r#"a["x"]"#);
}

#[test]
fn requests_may_come_cut_anywhere() {
    let server = server();
    let session = server.session("/echo").open();
    let request = Request::post(session.target("xhr_send")).body(r#"["a"]"#);
    send_cut_anywhere(&session, &request);
}

#[test]
fn a_body_under_way_does_not_hold_its_session() {
    let server = server();
    let session = server.session("/echo").open();
    let mut slow = session.connect();
    let request = Request::post(session.target("xhr_send")).header("Content-Length", "8");
    slow.send(request.to_bytes());
    slow.send("[\"sl");
    let mut receiver = waiting_poll(&session, Transport::Xhr);
    session.send(&["quick"]);
    receiver.expect(r#"a["quick"]"#);
    slow.send("ow\"]");
    slow.read_response(&request).expect_status(204);
    assert_eq!(session.poll(), r#"a["slow"]"#);
}
