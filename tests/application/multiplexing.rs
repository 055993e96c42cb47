//! Channels over a session, as the client of websocket-multiplex speaks of them.

use std::sync::mpsc::{Receiver, channel};

use futures_util::{SinkExt, StreamExt};
use smol::channel::Sender;
use sockjs_tests::client::{PATIENCE, Transport, WebSocket};

use super::support::{App, GO_AWAY, eventually, now, wait};
use crate::adapter::{
    Broadcast, Cause, Channel, CloseReason, Message, Multiplex, SendError, SessionHandle, Topic,
};

/// What a message costs of its queue beyond its length.
const OVERHEAD_BYTES: usize = 64;

/// A channel, and its handler, which runs as long as this is there.
struct Held {
    channel: Channel,
    _handler: Sender<()>,
}

/// A server whose channels are handed to the test.
struct Multiplexed {
    app: App,
    multiplex: Multiplex,
    channels: Receiver<Held>,
}

impl Multiplexed {
    fn start() -> Self {
        Self::with(|multiplex| multiplex)
    }

    fn with(change: impl FnOnce(Multiplex) -> Multiplex) -> Self {
        let (sender, channels) = channel();
        let hand_over = move |channel| {
            let sender = sender.clone();
            async move {
                let (handler, ended) = smol::channel::bounded(1);
                // A test that has ended takes no more.
                if sender.send(Held { channel, _handler: handler }).is_ok() {
                    let _ = ended.recv().await;
                }
            }
        };
        let multiplex = Multiplex::new()
            .topic("a", hand_over.clone())
            .topic("b", hand_over.clone())
            .topic("a,b €", hand_over)
            .topic("panic", |_| async { panic!("this topic's handler panics") });
        Self { app: App::start(), multiplex: change(multiplex), channels }
    }

    /// Serves the session that a client has opened.
    fn serve(&self) -> SessionHandle {
        let session = self.app.session();
        let handle = session.handle();
        self.app.server.spawn(self.multiplex.clone().run(session));
        handle
    }

    /// A client on a raw WebSocket, whose messages are what is on the wire.
    fn connect(&self) -> (WebSocket, SessionHandle) {
        let (socket, session) = self.app.raw_websocket();
        let handle = session.handle();
        self.app.server.spawn(self.multiplex.clone().run(session));
        (socket, handle)
    }

    #[track_caller]
    fn channel(&self) -> Held {
        self.channels.recv_timeout(PATIENCE).expect("a channel begins")
    }

    #[track_caller]
    fn subscribe(&self, socket: &mut WebSocket, wire: &str) -> Held {
        socket.send_text(&format!("sub,{wire}"));
        self.channel()
    }
}

#[track_caller]
fn expect_message(held: &mut Held, text: &str) {
    let message = wait(held.channel.recv());
    assert_eq!(message.as_ref().and_then(Message::as_text), Some(text), "next message");
}

#[track_caller]
fn expect_end(held: &mut Held) {
    assert_eq!(wait(held.channel.recv()), None);
    assert!(held.channel.is_closed());
}

#[test]
fn messages_go_both_ways_on_every_transport() {
    let server = Multiplexed::start();
    for transport in Transport::ALL {
        let client = server.app.client().open();
        server.serve();
        client.send(&["sub,a", "msg,a,1,2"]);
        let mut held = server.channel();
        expect_message(&mut held, "1,2");
        wait(held.channel.send("3,\u{2028}")).expect("it is open");
        client.receive_first(transport, r#"a["msg,a,3,\u2028"]"#);
    }
    let (mut socket, session) = server.app.websocket();
    server.app.server.spawn(server.multiplex.clone().run(session));
    socket.send_text(r#"["sub,a","msg,a,x"]"#);
    let mut held = server.channel();
    expect_message(&mut held, "x");
    wait(held.channel.send("y")).expect("it is open");
    socket.expect_text(r#"a["msg,a,y"]"#);
}

#[test]
fn channels_of_a_session_are_apart() {
    let server = Multiplexed::start();
    let (mut socket, _) = server.connect();
    let mut a = server.subscribe(&mut socket, "a");
    let mut b = server.subscribe(&mut socket, "b");
    for text in ["msg,b,1", "msg,a,2", "msg,b,3"] {
        socket.send_text(text);
    }
    expect_message(&mut a, "2");
    expect_message(&mut b, "1");
    expect_message(&mut b, "3");
    assert!(now(a.channel.recv()).is_none());
    assert_eq!((a.channel.topic().name(), b.channel.topic().name()), ("a", "b"));
    drop(a);
    socket.expect_text("uns,a");
    wait(b.channel.send("still here")).expect("it is open");
    socket.expect_text("msg,b,still here");
}

#[test]
fn topics_are_escaped() {
    let server = Multiplexed::start();
    let (mut socket, _) = server.connect();
    let held = server.subscribe(&mut socket, "a%2Cb%20%u20AC");
    assert_eq!(held.channel.topic().name(), "a,b €");
    wait(held.channel.send("x")).expect("it is open");
    socket.expect_text("msg,a%2Cb%20%u20AC,x");
    drop(held);
    socket.expect_text("uns,a%2Cb%20%u20AC");
}

#[test]
fn what_makes_no_sense_is_ignored() {
    let server = Multiplexed::start();
    let (mut socket, _) = server.connect();
    for text in ["", "sub,unknown", "msg,a,too early", "uns,a", "hello", "sub"] {
        socket.send_text(text);
    }
    let mut held = server.subscribe(&mut socket, "a");
    socket.send_text("sub,a");
    socket.send_text("msg,a,x");
    expect_message(&mut held, "x");
    assert!(server.channels.try_recv().is_err(), "a second subscription is none");
    wait(held.channel.send("y")).expect("it is open");
    socket.expect_text("msg,a,y");
}

#[test]
fn other_topics_may_have_a_handler() {
    let server = Multiplexed::with(|multiplex| {
        multiplex.others(|channel: Channel| async move {
            let name = channel.topic().name().to_owned();
            let _ = channel.send(name).await;
        })
    });
    let (mut socket, _) = server.connect();
    socket.send_text("sub,%E4");
    socket.expect_text("msg,%E4,ä");
    socket.expect_text("uns,%E4");
    let _held = server.subscribe(&mut socket, "a");
}

#[test]
fn the_client_unsubscribes() {
    let server = Multiplexed::start();
    let (mut socket, _) = server.connect();
    let mut held = server.subscribe(&mut socket, "a");
    for text in ["msg,a,last", "uns,a", "msg,a,late"] {
        socket.send_text(text);
    }
    expect_message(&mut held, "last");
    expect_end(&mut held);
    let late = wait(held.channel.send("late"));
    assert_eq!(late, Err(SendError::Closed(Message::text("late"))), "the payload, not the frame");
    let mut again = server.subscribe(&mut socket, "a");
    drop(held);
    socket.send_text("msg,a,x");
    expect_message(&mut again, "x");
    wait(again.channel.send("y")).expect("it is open");
    socket.expect_text("msg,a,y");
}

#[test]
fn the_application_closes() {
    let server = Multiplexed::start();
    let (mut socket, session) = server.connect();
    let mut held = server.subscribe(&mut socket, "a");
    let handle = held.channel.handle();
    wait(held.channel.send("last")).expect("it is open");
    handle.close();
    handle.close();
    expect_end(&mut held);
    assert!(matches!(wait(handle.send("late")), Err(SendError::Closed(_))));
    socket.expect_text("msg,a,last");
    socket.expect_text("uns,a");
    drop(held);
    assert!(!session.is_closed(), "the session is another matter");
    let again = server.subscribe(&mut socket, "a");
    wait(again.channel.send("x")).expect("it is open");
    socket.expect_text("msg,a,x");
}

#[test]
fn channels_end_with_their_session() {
    let server = Multiplexed::start();
    let (mut socket, session) = server.connect();
    let mut a = server.subscribe(&mut socket, "a");
    let mut b = server.subscribe(&mut socket, "b");
    socket.send_text("msg,a,last");
    eventually("its arrival", || server.app.service.stats().messages_in == 3);
    drop(socket);
    expect_message(&mut a, "last");
    expect_end(&mut a);
    expect_end(&mut b);
    assert_eq!(wait(session.closed()).cause, Cause::ClientGone);
}

#[test]
fn a_channel_can_close_its_session() {
    let server = Multiplexed::start();
    let client = server.app.client().open();
    server.serve();
    client.send(&["sub,a"]);
    let mut held = server.channel();
    held.channel.session().close(CloseReason::GO_AWAY);
    expect_end(&mut held);
    client.expect(Transport::Xhr, &[GO_AWAY]);
}

#[test]
fn a_panic_ends_its_session_with_1011() {
    let server = Multiplexed::start();
    let (mut socket, session) = server.connect();
    let mut other = server.subscribe(&mut socket, "a");
    socket.send_text("sub,panic");
    let report = wait(session.closed());
    assert_eq!((report.cause, report.reason), (Cause::HandlerPanic, CloseReason::INTERNAL_ERROR));
    expect_end(&mut other);
}

#[test]
fn so_many_channels_and_no_more() {
    let server = Multiplexed::with(|it| it.limits(|limits| limits.channels = 1));
    let (mut socket, _) = server.connect();
    let held = server.subscribe(&mut socket, "a");
    socket.send_text("sub,b");
    socket.expect_text("uns,b");
    // Unsubscribing makes no room while the handler runs on: else a client could start any number.
    socket.send_text("uns,a");
    socket.send_text("sub,b");
    socket.expect_text("uns,b");
    drop(held);
    let held = loop {
        socket.send_text("sub,b");
        if let Ok(held) = server.channels.recv_timeout(std::time::Duration::from_millis(20)) {
            break held;
        }
    };
    assert_eq!(held.channel.topic().name(), "b");
}

#[test]
fn a_topic_so_long_and_no_longer() {
    let server = Multiplexed::with(|it| it.limits(|limits| limits.topic_bytes = 0));
    let (mut socket, _) = server.connect();
    socket.send_text("sub,a");
    let server =
        Multiplexed { multiplex: server.multiplex.limits(|it| it.topic_bytes = 1), ..server };
    let (mut second, _) = server.connect();
    let _held = server.subscribe(&mut second, "a");
    assert!(server.channels.try_recv().is_err());
}

#[test]
fn a_channel_that_lags_stops_its_client() {
    // So long that a session takes no second one out of its queue in advance.
    let long = |text: &str| text.repeat(16 * 1024);
    let limit = 2 * (long("1").len() + OVERHEAD_BYTES);
    let server = Multiplexed::with(|it| it.inbox_bytes(limit));
    let (mut socket, _) = server.connect();
    let mut a = server.subscribe(&mut socket, "a");
    let mut b = server.subscribe(&mut socket, "b");
    for (topic, text) in [("a", "1"), ("a", "2"), ("a", "3"), ("b", "4")] {
        socket.send_text(&format!("msg,{topic},{}", long(text)));
    }
    // Two wait in the channel's queue, and two in the session's.
    let waiting = 2 * ("msg,a,".len() + long("1").len() + OVERHEAD_BYTES);
    eventually("the queue", || server.app.service.stats().queued_bytes == waiting);
    assert!(now(b.channel.recv()).is_none());
    for text in ["1", "2", "3"] {
        expect_message(&mut a, &long(text));
    }
    expect_message(&mut b, &long("4"));
    assert_eq!(server.app.service.stats().queued_bytes, 0);
}

#[test]
fn a_channel_that_lags_does_not_hide_the_end_from_others() {
    let server = Multiplexed::with(|it| it.inbox_bytes(1));
    let (mut socket, session) = server.connect();
    let mut a = server.subscribe(&mut socket, "a");
    let mut b = server.subscribe(&mut socket, "b");
    for text in ["msg,a,1", "msg,a,2", "msg,b,3"] {
        socket.send_text(text);
    }
    eventually("their arrival", || server.app.service.stats().messages_in == 5);
    drop(socket);
    wait(session.closed());
    expect_message(&mut b, "3");
    expect_end(&mut b);
    expect_message(&mut a, "1");
    expect_message(&mut a, "2");
    expect_end(&mut a);
}

#[test]
fn what_a_closed_channel_left_makes_room() {
    let server = Multiplexed::with(|it| it.inbox_bytes(1));
    let (mut socket, _) = server.connect();
    let a = server.subscribe(&mut socket, "a");
    let mut b = server.subscribe(&mut socket, "b");
    for text in ["msg,a,1", "msg,b,2"] {
        socket.send_text(text);
    }
    eventually("their arrival", || server.app.service.stats().messages_in == 4);
    a.channel.close();
    expect_message(&mut b, "2");
}

#[test]
fn sending_waits_for_room_in_the_session() {
    let server = Multiplexed {
        app: App::with(|builder| builder.limits(|limits| limits.outbox_bytes = 1)),
        ..Multiplexed::start()
    };
    let client = server.app.client().open();
    server.serve();
    client.send(&["sub,a"]);
    let held = server.channel();
    held.channel.try_send("1").expect("the queue is empty");
    let full = held.channel.try_send("2");
    assert_eq!(full, Err(SendError::Full(Message::text("2"))), "the payload, not the frame");
    assert!(now(held.channel.send("2")).is_none());
    // Nor is there room for the word that it ended; it is sent when there is.
    held.channel.close();
    client.expect(Transport::Xhr, &[r#"a["msg,a,1"]"#]);
    client.expect(Transport::Xhr, &[r#"a["uns,a"]"#]);
}

#[test]
fn bytes_are_given_back() {
    let server = Multiplexed::start();
    let (mut socket, _) = server.connect();
    let held = server.subscribe(&mut socket, "a");
    let bytes = Message::binary(vec![1]);
    assert_eq!(held.channel.try_send(bytes.clone()), Err(SendError::NotText(bytes.clone())));
    assert_eq!(wait(held.channel.send(bytes.clone())), Err(SendError::NotText(bytes)));
}

#[test]
fn a_channel_is_a_stream_and_a_sink() {
    let server = Multiplexed::start();
    let (mut socket, _) = server.connect();
    let mut held = server.subscribe(&mut socket, "a");
    wait(held.channel.feed(Message::text("1"))).expect("it is open");
    wait(SinkExt::close(&mut held.channel)).expect("it is open");
    socket.expect_text("msg,a,1");
    socket.expect_text("uns,a");
    let mut held = server.subscribe(&mut socket, "b");
    for text in ["msg,b,2", "msg,b,3", "uns,b"] {
        socket.send_text(text);
    }
    let messages: Vec<Message> = wait(held.channel.by_ref().collect());
    assert_eq!(messages, ["2", "3"]);
    let late = wait(SinkExt::send(&mut held.channel, Message::text("late")));
    assert_eq!(late, Err(SendError::Closed(Message::text("late"))));
}

#[test]
fn subscribers_of_a_topic_can_be_a_group() {
    let server = Multiplexed::start();
    let group = Broadcast::new();
    let mut clients = Vec::new();
    for _ in 0..3 {
        let (mut socket, _) = server.connect();
        let held = server.subscribe(&mut socket, "a%2Cb%20%u20AC");
        group.join(held.channel.session());
        clients.push((socket, held));
    }
    assert_eq!(group.send(Topic::new("a,b €").message("news")).count, 3);
    for (socket, _) in &mut clients {
        socket.expect_text("msg,a%2Cb%20%u20AC,news");
    }
}
