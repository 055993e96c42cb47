//! PROTOCOL §8: HTTP/1.0.

use sockjs_tests::client::{Connection, Request, Transport, frame_of};

use super::support::{GO_AWAY, INTERRUPTED, LIMIT_BYTES, server};

const GREETING: &str = "Welcome to SockJS!\n";

/// Reads a prelude that no chunk delimits.
#[track_caller]
fn read_prelude(connection: &mut Connection, transport: Transport) {
    let mut prelude = match transport {
        Transport::Htmlfile => connection.read_through(b"</script>\n"),
        Transport::XhrStreaming => connection.read_through(b"\n"),
        _ => Vec::new(),
    };
    if transport != Transport::XhrStreaming {
        prelude.extend(connection.read_through(b"\r\n"));
    }
    if transport == Transport::Htmlfile {
        prelude.extend(connection.read_through(b"\r\n"));
    }
    transport.check_prelude(&prelude);
}

#[test]
fn short_answers_have_a_length_and_the_connection_closes() {
    let server = server();
    let session = server.session("/echo").open();
    let requests = [
        Request::get("/echo"),
        Request::get("/echo/info"),
        Request::get("/echo/iframe.html"),
        Request::get("/echo/nothing"),
        Request::post("/echo"),
        Request::post(session.target("xhr_send")).body(r#"["x"]"#),
        Request::post(session.target("xhr")),
        Request::get(server.session("/echo").target("jsonp?c=x")),
    ];
    for request in requests {
        let mut connection = server.connect();
        let answer = connection.exchange(&request.http10());
        assert!(answer.status() == 204 || answer.get("Content-Length").is_some(), "{answer}");
        connection.expect_end();
    }
}

#[test]
fn keep_alive_is_answered_or_the_connection_closes() {
    let server = server();
    let request = Request::get("/echo").header("Connection", "keep-alive").http10();
    let mut connection = server.connect();
    let answer = connection.exchange(&request);
    answer.expect_status(200).expect_body(GREETING);
    let stays = answer.get("Connection").is_some_and(|value| {
        value.split(',').any(|option| option.trim().eq_ignore_ascii_case("keep-alive"))
    });
    if stays {
        connection.exchange(&request).expect_body(GREETING);
    } else {
        connection.expect_end();
    }
}

#[test]
fn no_host_is_needed() {
    let server = server();
    let mut connection = server.connect();
    connection.send("GET /echo HTTP/1.0\r\n\r\n");
    connection.read_response(&Request::get("/echo").http10()).expect_status(200);
}

#[test]
fn streams_end_by_closing() {
    let server = server();
    for keep_alive in [false, true] {
        for transport in Transport::STREAMING {
            let session = server.session("/echo");
            let mut request = transport.request(session.path()).http10();
            if keep_alive {
                request = request.header("Connection", "keep-alive");
            }
            let mut connection = server.connect();
            connection.send(request.to_bytes());
            let head = connection.read_head();
            transport.check_head(&head);
            head.expect_no_header("Transfer-Encoding").expect_no_header("Content-Length");
            read_prelude(&mut connection, transport);
            connection.expect_bytes(transport.wrap("o"));
            session.send(&["a"]);
            connection.expect_bytes(transport.wrap(r#"a["a"]"#));
            let filler = "x".repeat(LIMIT_BYTES);
            session.send(&[&filler]);
            connection.expect_bytes(transport.wrap(&frame_of(&[filler])));
            connection.expect_end();
            session.send(&["next"]);
            assert_eq!(session.poll(), r#"a["next"]"#);
        }
    }
}

#[test]
fn a_closed_session_ends_the_stream() {
    let server = server();
    for transport in Transport::STREAMING {
        let session = server.session("/close");
        let mut connection = server.connect();
        connection.send(transport.request(session.path()).http10().to_bytes());
        connection.read_head().expect_no_header("Transfer-Encoding");
        read_prelude(&mut connection, transport);
        connection.expect_bytes(transport.wrap("o"));
        connection.expect_bytes(transport.wrap(GO_AWAY));
        connection.expect_end();
    }
}

#[test]
fn breaking_off_is_noticed() {
    let server = server();
    let session = server.session("/echo");
    let mut connection = server.connect();
    connection.send(Transport::XhrStreaming.request(session.path()).http10().to_bytes());
    connection.read_head();
    read_prelude(&mut connection, Transport::XhrStreaming);
    connection.expect_bytes("o\n");
    drop(connection);
    session.expect(Transport::Xhr, &[INTERRUPTED]);
}
