//! PROTOCOL §4: heads, preludes and chunks; [`Transport`] holds the exact bytes.

use sockjs_tests::client::{Framing, Request, Transport, frame_of};

use super::support::{WIDE_ECHO, server};

#[test]
fn every_transport_opens_with_o() {
    let server = server();
    for transport in Transport::ALL {
        let mut receiver = server.session("/echo").receive_first(transport, "o");
        if transport.is_polling() {
            assert_eq!(receiver.next_frame(), None);
        }
    }
}

#[test]
fn one_frame_answers_have_a_length() {
    let server = server();
    for transport in Transport::POLLING {
        let session = server.session("/echo");
        let mut connection = session.connect();
        for (frame, next) in [("o", "x"), (r#"a["x"]"#, "y"), (r#"a["y"]"#, "z")] {
            let answer = connection.exchange(&transport.request(session.path()));
            transport.check_head(answer.head());
            let expected = transport.wrap(frame);
            assert_eq!(answer.framing(), Framing::Length(expected.len()), "{answer}");
            answer.expect_body(&expected);
            session.send(&[next]);
        }
    }
}

#[test]
fn streams_have_a_chunk_a_frame() {
    let server = server();
    for transport in Transport::STREAMING {
        let session = server.session(WIDE_ECHO);
        let mut connection = session.connect();
        connection.send(transport.request(session.path()).to_bytes());
        connection.read_head().expect_header("Transfer-Encoding", "chunked");
        transport.check_prelude(&connection.read_chunk().unwrap_or_default());
        let mut expect_chunk = |frame: &str| {
            let chunk = connection.read_chunk().unwrap_or_default();
            assert_eq!(String::from_utf8_lossy(&chunk), transport.wrap(frame));
        };
        expect_chunk("o");
        for size in [1, 10, 100, 1000, 10_000, 30_000] {
            let message = "x".repeat(size);
            session.send(&[&message]);
            expect_chunk(&frame_of(&[message]));
        }
    }
}

#[test]
fn every_stream_has_its_prelude() {
    let server = server();
    for transport in Transport::STREAMING {
        let session = server.session("/echo").open();
        // The prelude alone comes at once; [`Receiver`] reads it before anything is sent.
        let mut receiver = session.receive(transport);
        session.send(&["x"]);
        receiver.expect(r#"a["x"]"#);
    }
}

#[test]
fn bytes_of_a_poll() {
    let server = server();
    let session = server.session("/echo");
    let answer = session.exchange(&Request::post(session.target("xhr")));
    answer
        .expect_status(200)
        .expect_header("Content-Type", "application/javascript; charset=UTF-8")
        .expect_header("Content-Length", "2")
        .expect_body("o\n");
}

#[test]
fn a_receive_request_may_have_a_body() {
    let server = server();
    let session = server.session("/echo");
    let mut connection = session.connect();
    let poll = Request::post(session.target("xhr")).body("ignored");
    connection.exchange(&poll).expect_status(200).expect_body("o\n");
    session.send(&["x"]);
    connection.exchange(&poll).expect_status(200).expect_body("a[\"x\"]\n");
}
