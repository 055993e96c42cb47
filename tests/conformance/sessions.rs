//! PROTOCOL §5, rules 1–3 and 9: sessions and what is queued in them.

use sockjs_tests::client::{Session, Transport, frame_of, fresh_id, messages_in};

use super::support::{LIMIT_BYTES, WIDE_ECHO, server};

/// Opens a session with this transport, and leaves it without a receiver.
#[track_caller]
fn opened_by(session: Session, transport: Transport) -> Session {
    let mut receiver = session.receive_first(transport, "o");
    if !transport.is_polling() {
        let filler = "x".repeat(LIMIT_BYTES);
        session.send(&[&filler]);
        receiver.expect(&frame_of(&[filler]));
    }
    receiver.end();
    session
}

#[test]
fn polls_get_one_frame_each() {
    let server = server();
    for transport in Transport::POLLING {
        let session = server.session("/echo");
        session.expect(transport, &["o"]);
        session.send(&["a"]);
        session.expect(transport, &[r#"a["a"]"#]);
        let mut waiting = session.receive(transport);
        session.send(&["b"]);
        waiting.expect(r#"a["b"]"#);
    }
}

#[test]
fn transports_and_senders_mix() {
    let server = server();
    for opener in Transport::ALL {
        for receiver in Transport::ALL {
            let session = opened_by(server.session("/echo"), opener);
            session.send(&["by xhr"]);
            session.jsonp_send("text/plain", r#"["by jsonp"]"#).expect_status(200);
            let form = "application/x-www-form-urlencoded";
            session.jsonp_send(form, "d=%5B%22by+form%22%5D").expect_status(200);
            session.receive_first(receiver, r#"a["by xhr","by jsonp","by form"]"#);
        }
    }
}

#[test]
fn one_session_goes_through_all_transports() {
    let server = server();
    let session = server.session("/echo").open();
    for transport in Transport::ALL.into_iter().cycle().take(20) {
        let message = transport.name().repeat(LIMIT_BYTES / 3);
        session.send(&[&message]);
        session.expect(transport, &[&frame_of(&[message])]);
    }
}

#[test]
fn queued_messages_are_one_frame() {
    let server = server();
    for transport in Transport::ALL {
        let session = server.session("/echo").open();
        session.send(&["a", "b"]);
        session.send(&["c"]);
        session.send::<&str>(&[]);
        session.send(&["", "d"]);
        session.receive_first(transport, r#"a["a","b","c","","d"]"#);
    }
}

#[test]
fn a_frame_of_queued_messages_ends_at_64_kibibytes() {
    let server = server();
    let messages: Vec<String> =
        ["a", "b", "c", "d", "e"].map(|letter| letter.repeat(30_000)).into();
    let pairs = [frame_of(&messages[..2]), frame_of(&messages[2..4]), frame_of(&messages[4..])];
    for transport in Transport::ALL {
        let session = server.session(WIDE_ECHO).open();
        for message in &messages {
            session.send(&[message]);
        }
        if transport.is_polling() {
            for pair in &pairs {
                session.expect(transport, &[pair]);
            }
        } else {
            let mut receiver = session.receive(transport);
            receiver.expect(&pairs[0]).expect(&pairs[1]).expect(&pairs[2]);
        }
    }
}

#[test]
fn a_large_message_is_a_frame_of_its_own() {
    let server = server();
    for transport in Transport::ALL {
        let session = server.session(WIDE_ECHO).open();
        let large = "x".repeat(100_000);
        session.send(&["small"]);
        session.send(&[&large]);
        session.send(&["tiny"]);
        session.expect(Transport::Xhr, &[r#"a["small"]"#]);
        session.receive_first(transport, &frame_of(&[large]));
    }
}

#[test]
fn a_waiting_stream_gets_everything_in_order() {
    let server = server();
    for transport in Transport::STREAMING {
        let session = server.session(WIDE_ECHO);
        let mut receiver = session.receive_first(transport, "o");
        let expected: Vec<String> = (0..100).map(|number| format!("message {number}")).collect();
        for batch in expected.chunks(7) {
            session.send(batch);
        }
        let mut received = Vec::new();
        while received.len() < expected.len() {
            received.extend(messages_in(&receiver.frame()));
        }
        assert_eq!(received, expected);
    }
}

#[test]
fn services_do_not_share_sessions() {
    let server = server();
    let id = fresh_id();
    let at = |base: &str| Session::at(server.address(), format!("{base}/000/{id}"));
    let (echo, wide) = (at("/echo").open(), at(WIDE_ECHO));
    wide.xhr_send(r#"["x"]"#).expect_status(404);
    let wide = wide.open();
    echo.send(&["echo"]);
    wide.send(&["wide"]);
    assert_eq!(echo.poll(), r#"a["echo"]"#);
    assert_eq!(wide.poll(), r#"a["wide"]"#);
    at("/a/b/echo").xhr_send(r#"["x"]"#).expect_status(404);
}

#[test]
fn sessions_do_not_mix() {
    let server = server();
    let sessions: Vec<Session> = (0..50).map(|_| server.session("/echo").open()).collect();
    for session in &sessions {
        session.send(&[session.id()]);
    }
    for session in &sessions {
        assert_eq!(session.poll(), frame_of(&[session.id()]));
    }
}
