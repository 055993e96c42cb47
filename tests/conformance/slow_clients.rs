//! PROTOCOL §6: slow or oversized heads and bodies.

use std::time::{Duration, Instant};

use sockjs_tests::client::{Connection, PATIENCE, Request, Transport};

use super::support::{server, server_with};

/// Sends a byte now and then until there is an answer, which must come long before the last.
#[track_caller]
fn dribble(connection: &mut Connection, bytes: &[u8]) {
    let started = Instant::now();
    for byte in bytes {
        if connection.is_readable() {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "no end to patience with a slow client");
        let _ = connection.try_send([*byte]);
        std::thread::sleep(Duration::from_millis(20));
    }
    connection.fail("all was sent, slowly, and taken");
}

#[test]
fn a_slow_body_is_408() {
    let server = server_with(&["--body-timeout", "300ms", "--disconnect", "60s"]);
    for name in ["xhr_send", "jsonp_send"] {
        let session = server.session("/echo").open();
        let request = Request::post(session.target(name))
            .header("Content-Type", "text/plain")
            .header("Content-Length", "100000");
        let mut connection = session.connect();
        connection.send(request.to_bytes());
        connection.send("[\"never complete");
        connection.read_response(&request).expect_status(408);

        let mut connection = session.connect();
        connection.send(request.to_bytes());
        dribble(&mut connection, &[b'x'; 100_000]);
        connection.read_response(&request).expect_status(408);

        session.send(&["unharmed"]);
        assert_eq!(session.poll(), r#"a["unharmed"]"#);
    }
}

#[test]
fn a_slow_head_is_408() {
    let server = server_with(&["--head-timeout", "300ms", "--disconnect", "60s"]);
    let get = Request::get("/echo");
    let mut connection = server.connect();
    connection.send("GET /echo HTTP/1.1\r\nHost: loc");
    connection.read_response(&get).expect_status(408);

    let mut connection = server.connect();
    connection.send("GET /echo HTTP/1.1\r\nHost: ");
    dribble(&mut connection, &[b'x'; 100_000]);
    connection.read_response(&get).expect_status(408);
}

#[test]
fn the_head_timeout_does_not_end_a_stream() {
    let server = server_with(&["--head-timeout", "300ms", "--disconnect", "60s"]);
    let session = server.session("/echo");
    let mut receiver = session.receive_first(Transport::XhrStreaming, "o");
    // Another connection tells that the time is over.
    let mut slow = server.connect();
    slow.send("GET ");
    slow.read_to_end();
    session.send(&["x"]);
    receiver.expect(r#"a["x"]"#);
}

#[test]
fn an_oversized_head_is_431() {
    let server = server();
    let request = Request::get("/echo").header("X-Large", "x".repeat(20_000));
    server.exchange(&request).expect_status(431);
    let many = (0..70)
        .fold(Request::get("/echo"), |request, number| request.header(&format!("X-{number}"), "x"));
    server.exchange(&many).expect_status(431);
}

#[test]
fn an_oversized_target_is_414() {
    let server = server();
    let answer = server.get(format!("/echo?{}", "x".repeat(20_000)));
    assert!(matches!(answer.status(), 414 | 431), "{answer}");
}

#[test]
fn a_large_head_within_the_limit_passes() {
    let server = server();
    let many = (0..40).fold(Request::get("/echo"), |request, number| {
        request.header(&format!("X-{number}"), "x".repeat(200))
    });
    server.exchange(&many).expect_status(200);
    server.get(format!("/echo?{}", "x".repeat(8000))).expect_status(200);
}
