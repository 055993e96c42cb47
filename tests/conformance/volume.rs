//! DESIGN §3 on the wire: many messages each way, in order, none lost, none twice.

use sockjs_tests::client::{
    Frame, Message, Opcode, Receiver, Request, Session, Transport, json_array, messages_in,
};

use super::support::server;

const MESSAGE_COUNT: usize = 5000;

/// Numbered messages of different lengths.
fn messages() -> Vec<String> {
    (0..MESSAGE_COUNT).map(|number| format!("{number}:{}", "%x".repeat(number % 50))).collect()
}

/// Posts all messages on one connection, in batches of different sizes.
fn send_all(session: &Session, name: &str, messages: &[String]) {
    let mut connection = session.connect();
    let mut rest = messages;
    for size in (1..=9).cycle() {
        if rest.is_empty() {
            return;
        }
        let (batch, later) = rest.split_at(size.min(rest.len()));
        let request = Request::post(session.target(name))
            .header("Content-Type", "text/plain")
            .body(json_array(batch));
        let answer = connection.exchange(&request);
        assert!(matches!(answer.status(), 200 | 204), "{answer}");
        rest = later;
    }
}

/// Receives on one connection, request after request.
fn receive_all(session: &Session, transport: Transport) -> Vec<String> {
    let mut received = Vec::new();
    let mut connection = session.connect();
    loop {
        let mut receiver = Receiver::open(connection, transport, session.path());
        while let Some(frame) = receiver.next_frame() {
            received.extend(messages_in(&frame));
            if received.len() >= MESSAGE_COUNT {
                return received;
            }
        }
        connection = receiver.end();
    }
}

#[track_caller]
fn expect_all(received: &[String], messages: &[String]) {
    let wrong = received.iter().zip(messages).find(|(own, expected)| own != expected);
    assert_eq!(wrong, None, "the first that is wrong");
    assert_eq!(received.len(), messages.len());
}

#[track_caller]
fn through(transport: Transport, name: &str) {
    let server = server();
    let session = server.session("/echo").open();
    let messages = messages();
    let received = std::thread::scope(|scope| {
        let receiving = scope.spawn(|| receive_all(&session, transport));
        send_all(&session, name, &messages);
        receiving.join()
    });
    let received = received.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    expect_all(&received, &messages);
}

#[test]
fn by_xhr() {
    through(Transport::Xhr, "xhr_send");
}

#[test]
fn by_xhr_streaming() {
    through(Transport::XhrStreaming, "xhr_send");
}

#[test]
fn by_eventsource() {
    through(Transport::Eventsource, "xhr_send");
}

#[test]
fn by_htmlfile() {
    through(Transport::Htmlfile, "xhr_send");
}

#[test]
fn by_jsonp() {
    through(Transport::Jsonp, "jsonp_send");
}

#[test]
fn by_changing_transports() {
    let server = server();
    let session = server.session("/echo").open();
    let messages = messages();
    let received = std::thread::scope(|scope| {
        scope.spawn(|| send_all(&session, "xhr_send", &messages));
        let mut received = Vec::new();
        for transport in Transport::ALL.into_iter().cycle() {
            let mut receiver = session.receive(transport);
            while let Some(frame) = receiver.next_frame() {
                received.extend(messages_in(&frame));
                if received.len() >= MESSAGE_COUNT {
                    return received;
                }
            }
        }
        received
    });
    expect_all(&received, &messages);
}

#[test]
fn by_websocket() {
    let server = server();
    let mut socket = server.websocket_session("/echo");
    let messages = messages();
    let mut received = Vec::new();
    for burst in messages.chunks(500) {
        let frames = burst.chunks(3).map(|batch| Frame::new(Opcode::TEXT, json_array(batch)));
        socket.connection().send(frames.flat_map(|frame| frame.to_bytes()).collect::<Vec<u8>>());
        let expected_count = received.len() + burst.len();
        while received.len() < expected_count {
            received.extend(messages_in(&socket.text()));
        }
    }
    expect_all(&received, &messages);
}

#[test]
fn by_raw_websocket() {
    let server = server();
    let mut socket = server.websocket("/echo/websocket");
    for burst in messages().chunks(500) {
        let frames = burst.iter().map(|message| Frame::new(Opcode::BINARY, message));
        socket.connection().send(frames.flat_map(|frame| frame.to_bytes()).collect::<Vec<u8>>());
        for message in burst {
            assert_eq!(socket.read(), Message::Binary(message.as_bytes().to_vec()));
        }
    }
}
