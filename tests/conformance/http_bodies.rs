//! PROTOCOL.md §8: chunked requests, `Expect`, and requests in pieces.

use sockjs_tests::client::{Request, Response, Session, Transport, frame_of};

use super::support::{server, waiting_poll};

/// Sends this chunked encoding of a body to `xhr_send`.
#[track_caller]
fn send_chunked(session: &Session, encoded: &str) -> Response {
    let request = Request::post(session.target("xhr_send"))
        .header("Transfer-Encoding", "chunked")
        .body(encoded);
    let mut connection = session.connect();
    let answer = connection.exchange(&request);
    // Whatever came behind the body would be taken for a request now.
    connection.exchange(&Request::get("/echo")).expect_body("Welcome to SockJS!\n");
    answer
}

#[test]
fn chunked_bodies() {
    let server = server();
    let encodings = [
        "5\r\n[\"x\"]\r\n0\r\n\r\n",
        "1\r\n[\r\n3\r\n\"x\"\r\n1\r\n]\r\n0\r\n\r\n",
        "005\r\n[\"x\"]\r\n0000\r\n\r\n",
        "5;name\r\n[\"x\"]\r\n0\r\n\r\n",
        "2;a=b;c=\"d\"\r\n[\"\r\n3;e\r\nx\"]\r\n0;last=yes\r\n\r\n",
        "5\r\n[\"x\"]\r\n0\r\nTrailer: value\r\nAnother: one\r\n\r\n",
        "5;a=b\r\n[\"x\"]\r\n0;c\r\nX-Trailer: 7\r\n\r\n",
    ];
    for encoded in encodings {
        let session = server.session("/echo").open();
        let answer = send_chunked(&session, encoded);
        assert_eq!(answer.status(), 204, "{encoded:?}\n{answer}");
        assert_eq!(session.poll(), r#"a["x"]"#, "{encoded:?}");
    }
}

#[test]
fn chunk_sizes_are_hexadecimal() {
    let server = server();
    let session = server.session("/echo").open();
    let body = format!("[\"{}\"]", "x".repeat(0xab - 4));
    for size in ["ab", "AB", "aB", "00Ab"] {
        let answer = send_chunked(&session, &format!("{size}\r\n{body}\r\n0\r\n\r\n"));
        answer.expect_status(204);
        assert_eq!(session.poll(), format!("a{body}"));
    }
}

#[test]
fn an_empty_chunked_body_is_empty() {
    let server = server();
    let session = server.session("/echo").open();
    send_chunked(&session, "0\r\n\r\n").expect_status(500).expect_line("Payload expected.");
}

#[test]
fn a_chunked_receive_request() {
    let server = server();
    let session = server.session("/echo");
    let request = Request::post(session.target("xhr"))
        .header("Transfer-Encoding", "chunked")
        .body("3\r\nabc\r\n0\r\n\r\n");
    let mut connection = session.connect();
    connection.exchange(&request).expect_body("o\n");
    session.send(&["x"]);
    connection.exchange(&request).expect_body("a[\"x\"]\n");
}

#[test]
fn expect_100_continue() {
    let server = server();
    for name in ["xhr_send", "jsonp_send"] {
        let session = server.session("/echo").open();
        let request = Request::post(session.target(name))
            .header("Expect", "100-continue")
            .header("Content-Type", "text/plain")
            .header("Content-Length", "5");
        let mut connection = session.connect();
        connection.send(request.to_bytes());
        connection.read_head().expect_status(100);
        connection.send(r#"["x"]"#);
        let answer = connection.read_response(&request);
        assert!(matches!(answer.status(), 200 | 204), "{answer}");
        assert_eq!(session.poll(), r#"a["x"]"#);
    }
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
    let requests = [
        Request::post(session.target("xhr_send")).body(r#"["x"]"#),
        Request::post(session.target("xhr_send"))
            .header("Transfer-Encoding", "chunked")
            .body("5;a=b\r\n[\"y\"]\r\n0\r\nX: y\r\n\r\n"),
    ];
    let mut connection = session.connect();
    for request in requests {
        for byte in request.to_bytes() {
            connection.send([byte]);
        }
        connection.read_response(&request).expect_status(204);
    }
    assert_eq!(session.poll(), r#"a["x","y"]"#);
}

#[test]
fn requests_may_come_cut_anywhere() {
    let server = server();
    let session = server.session("/echo").open();
    let request = Request::post(session.target("xhr_send"))
        .header("Transfer-Encoding", "chunked")
        .body("2;x\r\n[\"\r\n3\r\na\"]\r\n0\r\nX: y\r\n\r\n");
    let bytes = request.to_bytes();
    let mut connection = session.connect();
    for at in 0..bytes.len() {
        connection.send(&bytes[..at]);
        connection.send(&bytes[at..]);
        connection.read_response(&request).expect_status(204);
    }
    let expected = vec!["a"; bytes.len()];
    assert_eq!(session.poll(), frame_of(&expected));
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
