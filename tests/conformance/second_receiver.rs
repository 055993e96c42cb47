//! PROTOCOL §5, rule 4: a second receiver while one is attached.

use sockjs_tests::client::Transport;

use super::support::{INTERRUPTED, STILL_OPEN, WIDE_ECHO, server, waiting_poll};

#[test]
fn beside_a_stream_it_gets_2010() {
    let server = server();
    for attached in Transport::STREAMING {
        let session = server.session(WIDE_ECHO);
        let mut first = session.receive_first(attached, "o");
        for second in Transport::ALL {
            session.expect(second, &[STILL_OPEN]);
        }
        session.send(&["undisturbed"]);
        first.expect(r#"a["undisturbed"]"#);
    }
}

#[test]
fn beside_a_waiting_poll_it_gets_2010() {
    let server = server();
    for attached in Transport::POLLING {
        let session = server.session("/echo").open();
        let mut first = waiting_poll(&session, attached);
        for second in Transport::ALL {
            session.expect(second, &[STILL_OPEN]);
        }
        session.send(&["undisturbed"]);
        first.expect(r#"a["undisturbed"]"#);
        first.end();
        session.send(&["next"]);
        assert_eq!(session.poll(), r#"a["next"]"#);
    }
}

#[test]
fn a_refused_receiver_ends_nothing() {
    let server = server();
    let session = server.session(WIDE_ECHO);
    let mut first = session.receive_first(Transport::XhrStreaming, "o");
    for second in Transport::ALL.into_iter().cycle().take(25) {
        // Left in the middle, where its stream has only begun.
        let mut connection = session.connect();
        connection.send(second.request(session.path()).to_bytes());
        connection.read_head();
        drop(connection);
        session.send(&["x"]);
        first.expect(r#"a["x"]"#);
    }
}

#[test]
fn an_ended_poll_is_no_receiver() {
    let server = server();
    for transport in Transport::POLLING {
        let session = server.session("/echo").open();
        for _ in 0..100 {
            session.send(&["x"]);
            session.expect(transport, &[r#"a["x"]"#]);
        }
    }
}

#[test]
fn a_receiver_that_left_is_noticed_before_the_answer() {
    let server = server();
    for attached in Transport::STREAMING {
        for second in Transport::ALL {
            let session = server.session("/echo");
            drop(session.receive_first(attached, "o"));
            session.expect(second, &[INTERRUPTED]);
        }
    }
    for attached in Transport::POLLING {
        for second in Transport::ALL {
            let session = server.session("/echo").open();
            drop(waiting_poll(&session, attached));
            session.expect(second, &[INTERRUPTED]);
        }
    }
}
