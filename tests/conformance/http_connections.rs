//! PROTOCOL §8: connections that stay, close, or are half closed; pipelining.

use sockjs_tests::client::{Receiver, Request, Transport, frame_of};

use super::support::{GO_AWAY, LIMIT_BYTES, server};

const GREETING: &str = "Welcome to SockJS!\n";

#[test]
fn short_answers_keep_the_connection() {
    let server = server();
    let session = server.session("/echo");
    let mut connection = server.connect();
    for _ in 0..3 {
        connection.exchange(&Request::get("/echo")).expect_status(200);
        connection.exchange(&Request::get("/echo/info")).expect_status(200);
        connection.exchange(&Request::options("/echo/info")).expect_status(204);
        connection.exchange(&Request::get("/echo/iframe.html")).expect_status(200);
        connection.exchange(&Request::get("/echo/nothing")).expect_status(404);
        connection.exchange(&Request::post("/echo")).expect_status(405);
        connection.exchange(&Request::get(session.target("jsonp"))).expect_status(500);
        connection.exchange(&Request::post(session.target("xhr_send"))).expect_status(404);
    }
    let poll = Request::post(session.target("xhr"));
    connection.exchange(&poll).expect_body("o\n");
    for _ in 0..3 {
        let send = Request::post(session.target("xhr_send"));
        connection.exchange(&send).expect_status(500);
        connection.exchange(&send.clone().body("[")).expect_status(500);
        connection.exchange(&send.body(r#"["x"]"#)).expect_status(204);
        connection.exchange(&poll).expect_body("a[\"x\"]\n");
    }
}

#[test]
fn a_stream_that_ended_keeps_the_connection() {
    let server = server();
    for transport in Transport::STREAMING {
        let session = server.session("/echo");
        let mut receiver = session.receive_first(transport, "o");
        for _ in 0..5 {
            let filler = "x".repeat(LIMIT_BYTES);
            session.send(&[&filler]);
            receiver.expect(&frame_of(&[filler]));
            let mut connection = receiver.end();
            connection.exchange(&Request::get("/echo")).expect_body(GREETING);
            receiver = Receiver::open(connection, transport, session.path());
        }
    }
}

#[test]
fn connection_close_closes() {
    let server = server();
    let session = server.session("/echo");
    let requests = [
        Request::get("/echo"),
        Request::get("/echo/nothing"),
        Request::post(session.target("xhr")),
        Request::post(session.target("xhr_send")).body(r#"["x"]"#),
        Request::post(session.target("xhr")),
        Request::options(session.target("xhr")),
    ];
    for request in requests {
        let mut connection = server.connect();
        let answer = connection.exchange(&request.header("Connection", "close"));
        answer.expect_header("Connection", "close");
        connection.expect_end();
    }
}

#[test]
fn a_stream_with_connection_close_is_chunked_and_closes() {
    let server = server();
    for transport in Transport::STREAMING {
        let session = server.session("/close");
        let request = transport.request(session.path()).header("Connection", "close");
        let mut receiver = Receiver::request(session.connect(), transport, request);
        receiver.expect("o").expect(GO_AWAY);
        receiver.end().expect_end();
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = server();
    let session = server.session("/echo");
    let requests = [
        Request::post(session.target("xhr")),
        Request::get("/echo"),
        Request::post(session.target("xhr_send")).body(r#"["a"]"#),
        Request::options("/echo/info"),
        Request::post(session.target("xhr_send")).body(r#"["b"]"#),
        Request::head("/echo"),
        Request::post(session.target("xhr")),
        Request::get("/echo/nothing"),
    ];
    let expected = [
        (200, "o\n"),
        (200, GREETING),
        (204, ""),
        (204, ""),
        (204, ""),
        (200, ""),
        (200, "a[\"a\",\"b\"]\n"),
    ];
    let mut connection = server.connect();
    connection.send(requests.iter().flat_map(Request::to_bytes).collect::<Vec<u8>>());
    for (request, (status, body)) in requests.iter().zip(expected) {
        connection.read_response(request).expect_status(status).expect_body(body);
    }
    connection.read_response(&requests[7]).expect_status(404);
}

#[test]
fn a_request_behind_a_waiting_poll_waits() {
    let server = server();
    let session = server.session("/echo").open();
    let requests = [Request::post(session.target("xhr")), Request::get("/echo")];
    let mut connection = server.connect();
    connection.send(requests.iter().flat_map(Request::to_bytes).collect::<Vec<u8>>());
    session.send(&["x"]);
    connection.read_response(&requests[0]).expect_body("a[\"x\"]\n");
    connection.read_response(&requests[1]).expect_body(GREETING);
}

#[test]
fn a_request_behind_a_stream_waits() {
    let server = server();
    let session = server.session("/echo");
    let request = Transport::XhrStreaming.request(session.path());
    let greeting = Request::get("/echo");
    let mut connection = server.connect();
    connection.send([request.to_bytes(), greeting.to_bytes()].concat());
    let mut receiver = Receiver::sent(connection, Transport::XhrStreaming, request);
    receiver.expect("o");
    let filler = "x".repeat(LIMIT_BYTES);
    session.send(&[&filler]);
    receiver.expect(&frame_of(&[filler]));
    receiver.end().read_response(&greeting).expect_body(GREETING);
}

#[test]
fn half_closed_short_requests_are_served() {
    let server = server();
    let session = server.session("/echo").open();
    let requests = [
        (Request::get("/echo"), 200),
        (Request::get("/echo/info"), 200),
        (Request::get("/echo/iframe.html"), 200),
        (Request::options("/echo/info"), 204),
        (Request::get("/echo/nothing"), 404),
        (Request::post(session.target("xhr_send")).body(r#"["x"]"#), 204),
        (Request::post(session.target("jsonp_send")).body(r#"["y"]"#), 200),
    ];
    for (request, status) in requests {
        let request = request.header("Content-Type", "text/plain");
        let mut connection = server.connect();
        connection.send(request.to_bytes());
        connection.half_close();
        connection.read_response(&request).expect_status(status);
        connection.expect_end();
    }
    assert_eq!(session.poll(), r#"a["x","y"]"#);
}

#[test]
fn half_closed_pipelined_requests_are_served() {
    let server = server();
    let requests = [Request::get("/echo"), Request::get("/echo/info"), Request::get("/echo/")];
    let mut connection = server.connect();
    connection.send(requests.iter().flat_map(Request::to_bytes).collect::<Vec<u8>>());
    connection.half_close();
    for request in &requests {
        connection.read_response(request).expect_status(200);
    }
    connection.expect_end();
}
