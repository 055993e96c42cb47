//! PROTOCOL §6 and §8: chunked requests.

use sockjs_tests::client::{Request, Response, Session, Transport, frame_of};

use super::body_limits::{DRAINED_BYTES, array_of, expect_still_open, expect_still_serving};
use super::http_bodies::send_cut_anywhere;
use super::support::{BODY_LIMIT_BYTES, WIDE_ECHO, server};

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

/// A chunked request with this body in chunks.
fn chunked(target: String, body: &[u8]) -> Request {
    let mut encoded = Vec::new();
    for chunk in body.chunks(50_000) {
        encoded.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        encoded.extend_from_slice(chunk);
        encoded.extend_from_slice(b"\r\n");
    }
    encoded.extend_from_slice(b"0\r\n\r\n");
    Request::post(target).header("Transfer-Encoding", "chunked").body(encoded)
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
fn chunks_may_come_byte_by_byte() {
    let server = server();
    let session = server.session("/echo").open();
    let request = Request::post(session.target("xhr_send"))
        .header("Transfer-Encoding", "chunked")
        .body("5;a=b\r\n[\"y\"]\r\n0\r\nX: y\r\n\r\n");
    let mut connection = session.connect();
    for byte in request.to_bytes() {
        connection.send([byte]);
    }
    connection.read_response(&request).expect_status(204);
    assert_eq!(session.poll(), r#"a["y"]"#);
}

#[test]
fn chunks_may_come_cut_anywhere() {
    let server = server();
    let session = server.session("/echo").open();
    let request = Request::post(session.target("xhr_send"))
        .header("Transfer-Encoding", "chunked")
        .body("2;x\r\n[\"\r\n3\r\na\"]\r\n0\r\nX: y\r\n\r\n");
    send_cut_anywhere(&session, &request);
}

#[test]
fn the_largest_body_passes() {
    let server = server();
    let session = server.session(WIDE_ECHO).open();
    let body = array_of(BODY_LIMIT_BYTES);
    let request = chunked(session.target("xhr_send"), body.as_bytes());
    session.exchange(&request).expect_status(204);
    session.expect(Transport::Xhr, &[&frame_of(&[&body[2..body.len() - 2]])]);
}

#[test]
fn chunks_over_the_limit_are_413() {
    let server = server();
    for name in ["xhr_send", "jsonp_send"] {
        for more_bytes in [1, 5000] {
            let session = server.session("/echo").open();
            let body = array_of(BODY_LIMIT_BYTES + more_bytes);
            let request = chunked(session.target(name), body.as_bytes());
            session.exchange(&request).expect_status(413);
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
            connection.exchange(&chunked(target, body.as_bytes())).expect_status(404);
            expect_still_serving(&mut connection);
        }
    }
}
