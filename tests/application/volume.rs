//! A million messages through one server: all arrive in order, and its memory stays as it was.

use sockjs_tests::client::{
    Receiver, Request, Session, Transport, WebSocket, json_array, messages_in,
};
use sockjs_tests::server::Server;

use crate::adapter;

/// Messages in all.
const MESSAGE_COUNT: usize = 1_000_000;
/// So many batches are on their way at a time on each session.
const WINDOW: usize = 4;
const BATCH: usize = 50;
/// How much larger the server may be at the end than after a tenth of the work.
const GROWTH_BYTES: u64 = 8 << 20;

/// What the server holds in memory.
fn resident_bytes(server: &Server) -> u64 {
    const PAGE_BYTES: u64 = 4096;
    let path = format!("/proc/{}/statm", server.id());
    let statm = std::fs::read_to_string(path).expect("the server runs");
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.expect("statm has the resident pages") * PAGE_BYTES
}

/// The messages of a batch; each is unlike all others.
fn batch(number: usize) -> Vec<String> {
    (0..BATCH).map(|message| format!("{number}/{message}: some \"text\"")).collect()
}

/// Echoes batches over a WebSocket.
fn by_websocket(server: &Server, batches: usize) {
    let path = Session::new(server.address(), "/echo").target("websocket");
    let mut socket = WebSocket::open_session(server.address(), path);
    let (mut sent, mut received) = (0, Vec::new());
    for number in 0..batches {
        while sent < batches && sent < number + WINDOW {
            socket.send_text(&json_array(&batch(sent)));
            sent += 1;
        }
        while received.len() < BATCH {
            received.extend(messages_in(&socket.text()));
        }
        let later = received.split_off(BATCH);
        assert_eq!(received, batch(number));
        received = later;
    }
}

/// Echoes batches over streams and send requests, response after response.
fn by_streaming(server: &Server, batches: usize) {
    let session = Session::new(server.address(), "/disabled_websocket_echo");
    let mut stream = session.receive_first(Transport::XhrStreaming, "o");
    let mut sender = session.connect();
    let mut received = Vec::new();
    for number in 0..batches {
        let body = json_array(&batch(number));
        let request = Request::post(session.target("xhr_send")).body(body);
        sender.exchange(&request).expect_status(204);
        while received.len() < BATCH {
            match stream.next_frame() {
                Some(frame) => received.extend(messages_in(&frame)),
                // The response has reached its limit.
                None => {
                    let connection = stream.end();
                    stream = Receiver::open(connection, Transport::XhrStreaming, session.path());
                }
            }
        }
        let later = received.split_off(BATCH);
        assert_eq!(received, batch(number));
        received = later;
    }
}

/// Passes so many messages, half of them in each way, over sessions that end with it.
fn pass(server: &Server, messages: usize) {
    let batches = messages / BATCH / 2;
    std::thread::scope(|scope| {
        let streaming = scope.spawn(|| by_streaming(server, batches));
        by_websocket(server, batches);
        streaming.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

#[test]
fn a_million_messages_leave_nothing_behind() {
    let arguments = ["--runtime", adapter::RUNTIME, "--listen", "127.0.0.1:0"];
    let server = Server::start(adapter::PROGRAM, &arguments);
    let part = MESSAGE_COUNT / 10;
    pass(&server, part);
    let warm = resident_bytes(&server);
    for _ in 1..10 {
        pass(&server, part);
    }
    let end = resident_bytes(&server);
    let grown = end.saturating_sub(warm);
    assert!(grown < GROWTH_BYTES, "{warm} bytes after a tenth, {end} at the end");
}
