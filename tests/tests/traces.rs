//! What a server records of real connections is replayed to the same outputs (invariant 9).
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sockjs_core::trace::{Entry, Input, Output, Seen, Text, entries, replay};
use sockjs_tests::client::{Frame, Opcode, PATIENCE, Transport, WebSocket, frame_of};
use sockjs_tests::server::Server;

const TEXT: &str = "a secret % < \u{2028} \" \u{1F600} \n";

/// A server that records, and what it has recorded at its end.
struct Recorded {
    server: Server,
    path: PathBuf,
}

impl Recorded {
    fn start(runtime: &str, how: &str) -> Self {
        let name = format!("sockjs-{runtime}{how}-{}.trace", std::process::id());
        let path = std::env::temp_dir().join(name);
        let file = path.to_str().expect("a path of text");
        let arguments = ["--runtime", runtime, "--listen", "127.0.0.1:0", how, file];
        let delays = ["--disconnect", "3s"];
        let server = env!("CARGO_BIN_EXE_conformance-server");
        let server = Server::start(server, &[&arguments[..], &delays].concat()).may_panic();
        Self { server, path }
    }

    fn end(self) -> Vec<u8> {
        drop(self.server);
        let trace = std::fs::read(&self.path).expect("the server has written it");
        std::fs::remove_file(&self.path).expect("it was there");
        trace
    }
}

/// Sessions of every transport, ending in every way that a client can bring about.
fn some_sessions(server: &Server) {
    for transport in Transport::ALL {
        let session = server.session("/echo");
        let mut receiver = session.receive_first(transport, "o");
        session.send(&[TEXT, ""]);
        if transport.is_polling() {
            receiver.end();
            receiver = session.receive(transport);
        }
        let echo = serde_json::from_str::<Vec<String>>(&receiver.frame()[1..]).expect("messages");
        assert_eq!(echo[0], TEXT);
        session.xhr_send("[broken").expect_status(500);
    }
    server.session("/close").open().expect(Transport::Xhr, &[r#"c[3000,"Go away!"]"#]);
    let session = server.session("/echo").open();
    let waiting = session.waiting_poll(Transport::Xhr);
    drop(waiting);
    server.session("/echo").xhr_send(r#"["x"]"#).expect_status(404);
    let streamed = server.session("/amplify");
    let mut stream = streamed.receive_first(Transport::XhrStreaming, "o");
    streamed.send(&["17"]);
    stream.frame();
    websockets(server);
    expire(server);
}

fn expire(server: &Server) {
    let left = server.session("/echo").open();
    let began = Instant::now();
    while left.xhr_send("[]").head().status() != 404 {
        assert!(began.elapsed() < PATIENCE, "the session does not expire");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn websockets(server: &Server) {
    let mut socket = server.websocket_session("/echo");
    socket.send_text(&serde_json::to_string(&[TEXT]).expect("text"));
    socket.expect_text(&frame_of(&[TEXT]));
    socket.send(&Frame::close(3001, "a secret reason"));
    socket.expect_close(3001);
    let mut raw = WebSocket::open(server.address(), "/echo/websocket");
    raw.send_text(TEXT);
    raw.expect_text(TEXT);
    raw.send(&Frame::new(Opcode::BINARY, b"secret bytes"));
    raw.read();
    drop(raw);
    let mut panicking = server.websocket_session("/panic");
    panicking.send_text(r#"["x"]"#);
    panicking.expect_text(r#"c[1011,"Internal error"]"#);
}

fn steps(trace: &[u8]) -> impl Iterator<Item = (Input, Output)> {
    entries(trace).filter_map(|entry| match entry {
        Ok(Entry::Step { input, output, .. }) => Some((input, output)),
        _ => None,
    })
}

/// Transports and causes that the trace has seen, and what of its inputs is text.
fn look(trace: &[u8]) -> (BTreeSet<String>, Vec<Text>) {
    let (mut seen, mut texts) = (BTreeSet::new(), Vec::new());
    for (input, output) in steps(trace) {
        if let Input::Messages { batch, .. } | Input::LastMessages { batch, .. } = input {
            texts.extend(batch);
        }
        match output {
            Output::Event(Some(Seen::Opened { transport, .. })) => {
                seen.insert(transport.to_string());
            }
            Output::Event(Some(Seen::Closed { cause, .. })) => {
                seen.insert(format!("{cause:?}"));
            }
            _ => {}
        }
    }
    (seen, texts)
}

const SEEN: [&str; 12] = [
    "Application",
    "ClientGone",
    "Expired",
    "HandlerPanic",
    "Shutdown",
    "eventsource",
    "htmlfile",
    "jsonp",
    "websocket",
    "websocket-raw",
    "xhr",
    "xhr_streaming",
];

fn a_mix_of_sessions_is_replayed_on(runtime: &str) {
    let recorded = Recorded::start(runtime, "--record");
    some_sessions(&recorded.server);
    let open_at_the_end = recorded.server.session("/echo").open();
    let _held = open_at_the_end.receive(Transport::XhrStreaming);
    let trace = recorded.end();
    let replayed = replay(&trace).unwrap_or_else(|error| panic!("{error}"));
    assert!(replayed.sessions >= 12 && replayed.inputs > 300, "{replayed:?}");
    let (seen, texts) = look(&trace);
    assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), SEEN);
    assert!(texts.contains(&Text::Plain(TEXT.into())));
}

#[test]
fn a_mix_of_sessions_is_replayed_on_tokio() {
    a_mix_of_sessions_is_replayed_on("tokio");
}

#[test]
fn a_mix_of_sessions_is_replayed_on_async_std() {
    a_mix_of_sessions_is_replayed_on("async-std");
}

#[test]
fn a_redacted_mix_is_replayed_and_tells_nothing() {
    let recorded = Recorded::start("tokio", "--record-redacted");
    some_sessions(&recorded.server);
    let trace = recorded.end();
    let replayed = replay(&trace).unwrap_or_else(|error| panic!("{error}"));
    assert!(replayed.sessions >= 12, "{replayed:?}");
    // Ids of this client's sessions begin so.
    let id = format!("id-{}", std::process::id());
    for secret in ["secret", &id] {
        assert!(!trace.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret}");
    }
}

/// Sessions of sockjs-client in Chromium, on every transport, recorded at the conformance server by
/// `tests/browser/record.sh`. A core that does anything else with what this browser did fails here:
/// if it should, record them anew.
#[test]
fn sessions_of_a_browser_are_replayed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces/chromium.trace");
    let trace = std::fs::read(path).expect("it is committed");
    let replayed = replay(&trace).unwrap_or_else(|error| panic!("{error}"));
    assert!(replayed.sessions > 40 && replayed.inputs > 1_000, "{replayed:?}");
    let (seen, texts) = look(&trace);
    for transport in Transport::ALL.map(Transport::name).into_iter().chain(["websocket"]) {
        assert!(seen.contains(transport), "{transport}");
    }
    // Redacted, and escaped as what was sent.
    let is_escaped = |text: &Text| matches!(text, Text::Plain(text) if text.contains('\u{2028}'));
    assert!(texts.iter().any(is_escaped));
}
