//! Clients that reset their connection after each byte of a poll's response.

use std::net::TcpStream;

use sockjs_core::Cause;
use sockjs_tests::client::{CALLBACK, Request, Session, Transport, frame_of};

use crate::faults::support::{Subject, eventually, read_exact, request, reset, timed};

const MESSAGE: &str = "is it there?";

/// A poll that is or will be answered with one message, of a session with this name.
fn answered_poll(subject: &Subject, transport: Transport, name: &str) -> TcpStream {
    let session = Session::new(subject.address(), "/echo");
    let opening = Request::post(session.target(&format!("xhr?name={name}")));
    session.exchange(&opening).expect_status(200).expect_body("o\n");
    let stream = subject.socket();
    request(
        &stream,
        &match transport {
            Transport::Jsonp => Request::get(session.target(&format!("jsonp?c={CALLBACK}"))),
            _ => Request::post(session.target("xhr")),
        },
    );
    session.send(&[MESSAGE]);
    stream
}

fn at_every_byte(transport: Transport) {
    let subject = Subject::start(|_| ());
    let name = |read: usize| format!("{}-{read}", transport.name());
    let frame = transport.wrap(&frame_of(&[MESSAGE])).into_bytes();
    let stream = answered_poll(&subject, transport, "whole");
    let mut whole = Vec::new();
    while !whole.ends_with(&frame) {
        whole.extend(read_exact(&stream, 1));
    }
    drop(stream);

    timed(&format!("{} resets", whole.len() + 1), || {
        for read in 0..=whole.len() {
            let stream = answered_poll(&subject, transport, &name(read));
            read_exact(&stream, read);
            reset(stream);
        }
    });
    for read in 0..=whole.len() {
        let mut record = None;
        eventually("the session ends", || {
            record = subject.record(&name(read));
            record.is_some()
        });
        let Some(record) = record else { continue };
        let causes = [Cause::ClientGone, Cause::Expired, Cause::Interrupted];
        assert!(causes.contains(&record.cause), "reset after {read} bytes: {record:?}");
        // A client that reads nothing may be gone before the application has answered it.
        let is_answered = read > 0 || record.accepted > 0;
        assert_eq!(record.accepted, u64::from(is_answered), "after {read} bytes: {record:?}");
        assert_eq!(record.confirmed, 0, "no request came after {read} bytes: {record:?}");
        if read == whole.len() {
            assert_eq!(record.unsent, 0, "the client has it: {record:?}");
        }
    }
    subject.expect_recovered();
}

#[test]
fn at_every_byte_of_an_xhr_poll() {
    at_every_byte(Transport::Xhr);
}

#[test]
fn at_every_byte_of_a_jsonp_poll() {
    at_every_byte(Transport::Jsonp);
}
