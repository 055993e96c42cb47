//! Handlers that panic, block their thread, or are dropped.

use sockjs_core::Cause;
use sockjs_tests::client::{Transport, WebSocket, frame_of};

use crate::faults::support::{Subject, eventually, processors};

/// A session whose handler was told to do this.
fn told(subject: &Subject, misdeed: &str) -> WebSocket {
    let mut socket = subject.server().websocket_session("/misbehave");
    socket.send_text(&format!("[{misdeed:?}]"));
    socket
}

#[test]
fn panics_end_their_sessions_only() {
    const COUNT: u64 = 100;
    let subject = Subject::that_may_panic(|_| ());
    let mut other = subject.server().websocket_session("/misbehave");
    for _ in 0..COUNT / 2 {
        let mut socket = told(&subject, "panic");
        assert!(socket.text().starts_with("c[1011,"));
        socket.expect_close(1011);
        let session = subject.server().session("/misbehave").open();
        session.send(&["panic"]);
        assert!(session.receive(Transport::Xhr).frame().starts_with("c[1011,"));
    }
    other.send_text(r#"["hello"]"#);
    other.expect_text(&frame_of(&["hello"]));
    drop(other);
    let account = subject.expect_recovered();
    assert_eq!(account.ended_by(Cause::HandlerPanic), COUNT, "{:?}", account.causes);
}

#[test]
fn a_blocked_thread_holds_up_its_session_only() {
    // Both runtimes have a thread for each processor; with one there is nobody else to go on.
    let threads = processors();
    if threads == 1 {
        return;
    }
    let subject = Subject::start(|_| ());
    let mut before = subject.server().websocket_session("/echo");
    let mut blocked: Vec<_> = (1..threads).map(|_| told(&subject, "block")).collect();
    for number in 0..100 {
        let message = format!("message {number}");
        before.send_text(&format!("[{message:?}]"));
        before.expect_text(&frame_of(&[message]));
        let mut fresh = subject.server().websocket_session("/echo");
        fresh.send_text(r#"["hello"]"#);
        fresh.expect_text(&frame_of(&["hello"]));
        let session = subject.server().session("/echo").open();
        session.send(&["hello"]);
        session.expect(Transport::Xhr, &[&frame_of(&["hello"])]);
    }
    drop(before);
    // What it was told comes back once it may go on, and not before.
    assert!(blocked.iter_mut().all(|socket| !socket.connection().is_readable()));
    subject.release();
    for socket in &mut blocked {
        socket.expect_text(&frame_of(&["block"]));
    }
    drop(blocked);
    subject.expect_recovered();
}

#[test]
fn dropped_handlers_end_their_sessions() {
    const COUNT: usize = 50;
    let subject = Subject::start(|_| ());
    let sockets: Vec<_> = (0..COUNT).map(|_| told(&subject, "be dropped")).collect();
    // The handler of a WebSocket is one task with its connection.
    for mut socket in sockets {
        socket.connection().expect_end();
    }
    eventually("all have ended", || subject.account().stats.open() == 0);
    subject.expect_recovered();
}
