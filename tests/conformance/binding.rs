//! PROTOCOL §6 and DESIGN §6: a session belongs to who opened it.

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

/// What is compared of an answer: all but the date.
fn without_date(answer: &Response) -> String {
    let headers = answer.head().headers().iter();
    let lines = headers.filter(|(name, _)| !name.eq_ignore_ascii_case("date"));
    let lines: Vec<_> = lines.map(|(name, value)| format!("{name}: {value}")).collect();
    format!("{} {lines:?} {:?}", answer.status(), answer.text())
}

#[test]
fn the_answer_to_a_stranger_is_that_of_an_unknown_session() {
    let server = server();
    let session = server.session("/echo");
    let request = Transport::XhrStreaming.request(session.path()).header("Origin", OWN);
    let _attached = Receiver::request(session.connect(), Transport::XhrStreaming, request);
    let unknown = server.session("/echo");
    let asked = |session: &Session, name: &str| {
        let request = Request::post(session.target(name)).header("Origin", OTHER);
        without_date(&session.exchange(&request.body(r#"["forged"]"#)))
    };
    for name in ["xhr_send", "jsonp_send"] {
        assert_eq!(asked(&session, name), asked(&unknown, name));
    }
    // A receive request for an unknown session opens it, so the stranger's is as for a send.
    assert_eq!(asked(&session, "xhr"), asked(&unknown, "xhr_send"));
    assert_eq!(asked(&session, "xhr_streaming"), asked(&unknown, "xhr_send"));
}

#[test]
fn a_session_over_http_and_one_over_a_websocket_never_meet() {
    let server = server();
    let session = opened_from_own(server.session("/echo"));
    let mut socket = server.websocket(session.target("websocket"));
    socket.expect_text("o");
    send(&session, OWN, r#"["for http"]"#).expect_status(204);
    socket.send_text(r#"["for the socket"]"#);
    socket.expect_text(r#"a["for the socket"]"#);
    assert_eq!(session.poll(), r#"a["for http"]"#);
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
