//! A session as a `Stream` of messages and a `Sink` for them.

use futures_util::{SinkExt, StreamExt, future};
use sockjs_tests::client::Transport;

use super::support::{App, GO_AWAY, now, wait};
use crate::adapter::{CloseReason, Message, SendError};

#[test]
fn a_stream_of_messages_ends_with_the_session() {
    let app = App::start();
    let (mut socket, mut session) = app.websocket();
    socket.send_text(r#"["a","b","c"]"#);
    let mut first: Vec<Message> = Vec::new();
    wait(session.by_ref().take(2).for_each(|message| {
        first.push(message);
        future::ready(())
    }));
    assert_eq!(first, ["a", "b"]);
    drop(socket);
    assert_eq!(wait(session.collect::<Vec<_>>()), ["c"]);
}

#[test]
fn a_sink_takes_messages_and_flushes_them() {
    let app = App::start();
    let (_client, mut receiver, mut session) = app.stream();
    wait(SinkExt::send(&mut session, Message::text("a"))).expect("there is room");
    receiver.expect(r#"a["a"]"#);
}

#[test]
fn a_sink_waits_for_room() {
    let app = App::with(|builder| builder.limits(|limits| limits.outbox_bytes = 1));
    let (client, mut session) = app.open();
    wait(session.feed(Message::text("a"))).expect("the queue is empty");
    wait(session.feed(Message::text("b"))).expect("one may wait outside");
    assert!(now(session.feed(Message::text("c"))).is_none(), "but no second one");
    client.expect(Transport::Xhr, &[r#"a["a"]"#]);
    wait(SinkExt::flush(&mut session)).expect("there is room again");
    client.expect(Transport::Xhr, &[r#"a["b"]"#]);
}

#[test]
fn closing_a_sink_closes_the_session() {
    let app = App::start();
    let (client, mut session) = app.open();
    wait(session.feed(Message::text("last"))).expect("there is room");
    wait(SinkExt::close(&mut session)).expect("it is open");
    assert!(session.is_closed());
    client.expect(Transport::XhrStreaming, &[r#"a["last"]"#, GO_AWAY]);
}

#[test]
fn a_closed_sink_gives_the_message_back() {
    let app = App::start();
    let (_client, mut session) = app.open();
    session.close(CloseReason::GO_AWAY);
    let refused = wait(SinkExt::send(&mut session, Message::text("late")));
    assert_eq!(refused, Err(SendError::Closed(Message::text("late"))));
}

#[test]
fn an_echo_by_split_halves() {
    let app = App::start();
    let (mut socket, session) = app.websocket();
    let echo = std::thread::spawn(move || {
        let (sink, stream) = session.split();
        wait(stream.map(Ok).forward(sink))
    });
    for text in [r#"a["x"]"#, r#"a["y"]"#] {
        socket.send_text(&text[1..]);
        socket.expect_text(text);
    }
    drop(socket);
    echo.join().expect("no panic").expect("the stream ended first");
}
