//! PROTOCOL §2: no caching, on every answer of a session; and one body length on each.

use sockjs_tests::client::{Framing, Request, Transport, WebSocket};

use super::support::{expect_no_caching, server};

#[test]
fn answers_of_a_session_are_not_cached() {
    let server = server();
    for transport in Transport::ALL {
        let session = server.session("/echo");
        let mut receiver = session.receive_first(transport, "o");
        expect_no_caching(receiver.head());
        expect_no_caching(session.xhr_send(r#"["x"]"#).head());
        expect_no_caching(session.jsonp_send("text/plain", r#"["y"]"#).head());
        if !transport.is_polling() {
            receiver.frame();
        }
    }
}

#[test]
fn errors_of_a_session_are_not_cached() {
    let server = server();
    let session = server.session("/echo").open();
    for body in ["", "x", "[1]"] {
        expect_no_caching(session.xhr_send(body).expect_status(500).head());
        expect_no_caching(session.jsonp_send("text/plain", body).expect_status(500).head());
    }
    for name in ["jsonp", "htmlfile", "jsonp?c=%20", "htmlfile?c=("] {
        let answer = session.exchange(&Request::get(session.target(name)));
        expect_no_caching(answer.expect_status(500).head());
    }
    let unknown = server.session("/echo");
    expect_no_caching(unknown.xhr_send(r#"["x"]"#).expect_status(404).head());
    expect_no_caching(unknown.jsonp_send("text/plain", r#"["x"]"#).expect_status(404).head());
    let nothing = unknown.exchange(&Request::get(unknown.target("nothing")));
    expect_no_caching(nothing.expect_status(404).head());
}

#[test]
fn refused_handshakes_are_not_cached() {
    let server = server();
    let path = server.session("/echo").target("websocket");
    expect_no_caching(server.get(&path).expect_status(400).head());
    let request = Request::get(&path)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "8");
    expect_no_caching(server.exchange(&request).expect_status(426).head());
    let elsewhere = server.session("/same_origin_echo").target("websocket");
    let foreign = WebSocket::request(elsewhere).header("Origin", "http://foreign.example.com");
    expect_no_caching(server.exchange(&foreign).expect_status(403).head());
}

#[test]
fn complete_answers_have_a_length() {
    let server = server();
    let session = server.session("/echo").open();
    let complete = [
        Request::get("/echo"),
        Request::get("/echo/info"),
        Request::get("/echo/iframe.html"),
        Request::get("/echo/nothing"),
        Request::new("PUT", "/echo"),
        Request::get("/nowhere"),
        Request::post(session.target("xhr_send")),
        Request::post(session.target("jsonp_send")).body(r#"["x"]"#).header("Content-Type", "x/y"),
        Request::get(session.target("jsonp")),
        Request::get(session.target("jsonp?c=x")),
    ];
    for request in complete {
        let answer = server.exchange(&request);
        assert!(matches!(answer.framing(), Framing::Length(_)), "{answer}");
    }
    let sent = session.xhr_send(r#"["x"]"#);
    sent.expect_status(204).expect_header("Content-Type", "text/plain; charset=UTF-8");
    assert_eq!(sent.framing(), Framing::Empty);
}
