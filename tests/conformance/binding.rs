//! PROTOCOL.md §6 and DESIGN.md §6: a session belongs to who opened it.

use sockjs_tests::client::{Receiver, Request, Response, Session, Transport};

use super::support::{expect_cors, server};

const OWN: &str = "http://own.example.com";
const OTHER: &str = "http://other.example.com";

fn send(session: &Session, origin: &str, body: &str) -> Response {
    session.exchange(&Request::post(session.target("xhr_send")).header("Origin", origin).body(body))
}

/// Opens the session with that origin.
#[track_caller]
fn opened_from_own(session: Session) -> Session {
    let open = Request::post(session.target("xhr")).header("Origin", OWN);
    session.exchange(&open).expect_status(200).expect_body("o\n");
    session
}

#[test]
fn another_origin_cannot_send() {
    let server = server();
    let session = opened_from_own(server.session("/echo"));
    let answer = send(&session, OTHER, r#"["forged"]"#);
    expect_cors(answer.expect_status(404).head(), Some(OTHER));
    let jsonp = Request::post(session.target("jsonp_send")).header("Origin", OTHER);
    let jsonp = jsonp.header("Content-Type", "text/plain").body(r#"["forged"]"#);
    session.exchange(&jsonp).expect_status(404);
    send(&session, "null", r#"["forged"]"#).expect_status(404);
    send(&session, OWN, r#"["genuine"]"#).expect_status(204);
    assert_eq!(session.poll(), r#"a["genuine"]"#);
}

#[test]
fn another_origin_cannot_receive() {
    let server = server();
    let session = opened_from_own(server.session("/echo"));
    send(&session, OWN, r#"["secret"]"#).expect_status(204);
    for transport in Transport::ALL {
        let request = transport.request(session.path()).header("Origin", OTHER);
        session.exchange(&request).expect_status(404);
    }
    let request = Request::post(session.target("xhr")).header("Origin", OWN);
    session.exchange(&request).expect_body("a[\"secret\"]\n");
}

#[test]
fn another_origin_does_not_disturb_an_attached_receiver() {
    let server = server();
    let session = server.session("/echo");
    let request = Transport::XhrStreaming.request(session.path()).header("Origin", OWN);
    let mut receiver = Receiver::request(session.connect(), Transport::XhrStreaming, request);
    receiver.expect("o");
    let forged = Request::post(session.target("xhr")).header("Origin", OTHER);
    session.exchange(&forged).expect_status(404);
    send(&session, OTHER, r#"["forged"]"#).expect_status(404);
    send(&session, OWN, r#"["x"]"#).expect_status(204);
    receiver.expect(r#"a["x"]"#);
}

#[test]
fn a_request_without_origin_contradicts_none() {
    let server = server();
    let session = opened_from_own(server.session("/echo"));
    session.send(&["a"]);
    session.jsonp_send("text/plain", r#"["b"]"#).expect_status(200);
    session.expect(Transport::Jsonp, &[r#"a["a","b"]"#]);

    let session = server.session("/echo").open();
    send(&session, OWN, r#"["x"]"#).expect_status(204);
    assert_eq!(session.poll(), r#"a["x"]"#);
}
