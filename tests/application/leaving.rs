//! Clients that leave without a word: the application hears of it at once, long before the
//! disconnect delay.

use std::time::Instant;

use sockjs_tests::client::{Connection, Transport};

use super::support::{App, SOON, report, wait};
use crate::adapter::{Cause, Session};

/// The receiver leaves; its application must notice.
#[track_caller]
fn expect_noticed(session: &mut Session, connection: Connection) {
    let left = Instant::now();
    drop(connection);
    assert_eq!(wait(session.recv()), None);
    let noticed = left.elapsed();
    assert!(noticed < SOON, "noticed after {noticed:?}");
    assert_eq!(report(session).cause, Cause::ClientGone);
}

#[test]
fn streams() {
    let app = App::start();
    for transport in Transport::STREAMING {
        let receiver = app.client().receive_first(transport, "o");
        expect_noticed(&mut app.session(), receiver.into_connection());
    }
}

#[test]
fn streams_with_a_pipelined_byte() {
    let app = App::start();
    for transport in Transport::STREAMING {
        let receiver = app.client().receive_first(transport, "o");
        let mut connection = receiver.into_connection();
        connection.send("G");
        expect_noticed(&mut app.session(), connection);
    }
}

#[test]
fn waiting_polls() {
    let app = App::start();
    for transport in Transport::POLLING {
        for pipelined in ["", "G"] {
            let (client, mut session) = app.open();
            let mut connection = client.waiting_poll(transport).into_connection();
            connection.send(pipelined);
            expect_noticed(&mut session, connection);
        }
    }
}

#[test]
fn websockets() {
    let app = App::start();
    let (mut socket, mut session) = app.websocket();
    socket.connection().half_close();
    assert_eq!(wait(session.recv()), None);
    assert_eq!(report(&session).cause, Cause::ClientGone);
    let (mut socket, mut session) = app.raw_websocket();
    socket.connection().half_close();
    assert_eq!(wait(session.recv()), None);
}

#[test]
fn senders_that_wait_hear_of_it_too() {
    let app = App::with(|builder| builder.limits(|limits| limits.outbox_bytes = 1));
    let (_client, receiver, session) = app.stream();
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let long = "x".repeat(100_000);
            std::iter::repeat_with(|| wait(session.send(long.as_str()))).find_map(Result::err)
        });
        drop(receiver);
        assert!(sender.join().expect("no panic").is_some());
    });
}
