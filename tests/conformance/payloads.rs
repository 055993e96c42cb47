//! PROTOCOL §6: which bodies are arrays of strings, and what they say.

use std::sync::Arc;

use sockjs_tests::client::{Frame, Message, Opcode, Response, Session, frame_of, messages_in};
use sockjs_tests::server::Server;

use super::support::server;

/// A way to send over HTTP.
#[derive(Clone, Copy, Debug)]
enum Way {
    Xhr,
    JsonpText,
    JsonpForm,
}

const WAYS: [Way; 3] = [Way::Xhr, Way::JsonpText, Way::JsonpForm];

fn send(session: &Session, way: Way, body: &[u8]) -> Response {
    match way {
        Way::Xhr => session.xhr_send(body),
        Way::JsonpText => session.jsonp_send("text/plain", body),
        Way::JsonpForm => {
            let encoded: String = body.iter().map(|byte| format!("%{byte:02X}")).collect();
            session.jsonp_send("application/x-www-form-urlencoded", format!("d={encoded}"))
        }
    }
}

/// Every way delivers exactly these messages.
#[track_caller]
fn expect_messages(server: &Arc<Server>, body: &str, messages: &[&str]) {
    for way in WAYS {
        let session = server.session("/echo").open();
        let answer = send(&session, way, body.as_bytes());
        assert!(matches!(answer.status(), 200 | 204), "{body:?} by {way:?}:\n{answer}");
        assert_eq!(session.poll(), frame_of(messages), "{body:?} by {way:?}");
    }
    let mut socket = server.websocket_session("/echo");
    socket.send_text(body);
    let mut received = Vec::new();
    while received.len() < messages.len() {
        received.extend(messages_in(&socket.text()));
    }
    assert_eq!(received, messages, "{body:?} by WebSocket");
}

/// Every way over HTTP refuses the whole body.
#[track_caller]
fn expect_refusal(server: &Arc<Server>, body: &[u8]) {
    let shown = body.get(..80).unwrap_or(body).escape_ascii();
    for way in WAYS {
        let session = server.session("/echo").open();
        let answer = send(&session, way, body);
        assert_eq!(answer.status(), 500, "{shown} by {way:?}:\n{answer}");
        answer.expect_line("Broken JSON encoding.");
        session.send(&["after"]);
        assert_eq!(session.poll(), r#"a["after"]"#, "after {shown} by {way:?}");
    }
}

/// A WebSocket is closed for it, without a close frame of SockJS and without any message.
#[track_caller]
fn expect_broken_framing(server: &Arc<Server>, body: &[u8]) {
    let mut socket = server.websocket_session("/echo");
    socket.send(&Frame::new(Opcode::TEXT, body));
    socket.expect_close_saying(3000, "Broken framing.");
}

#[test]
fn arrays_of_strings() {
    let server = server();
    let bodies: [(&str, &[&str]); 8] = [
        (r#"["x"]"#, &["x"]),
        (r#"["a","b","c"]"#, &["a", "b", "c"]),
        (r#"["","",""]"#, &["", "", ""]),
        (r#"["[\"nested\"]"]"#, &[r#"["nested"]"#]),
        ("[\"ünïcödé 😀\"]", &["ünïcödé 😀"]),
        ("[\"\u{7f}\u{2028}\u{ffff}\u{feff}\"]", &["\u{7f}\u{2028}\u{ffff}\u{feff}"]),
        (r#"["\"\\\/\b\f\n\r\t"]"#, &["\"\\/\u{8}\u{c}\n\r\t"]),
        (r#"["\u0041\u00e9\u4E2d\u0000"]"#, &["Aé中\0"]),
    ];
    for (body, messages) in bodies {
        expect_messages(&server, body, messages);
    }
}

#[test]
fn json_white_space() {
    let server = server();
    expect_messages(
        &server,
        " \t\r\n[ \t\r\n\"a\" \t\r\n, \t\r\n\"b\" \t\r\n] \t\r\n",
        &["a", "b"],
    );
}

#[test]
fn escaped_surrogates() {
    let server = server();
    let bodies: [(&str, &[&str]); 8] = [
        (r#"["\ud83d\ude00"]"#, &["😀"]),
        (r#"["\uD83D\uDE00\udbff\udfff"]"#, &["😀\u{10ffff}"]),
        (r#"["a\ud800b"]"#, &["a\u{fffd}b"]),
        (r#"["a\udfffb"]"#, &["a\u{fffd}b"]),
        (r#"["\ude00\ud83d"]"#, &["\u{fffd}\u{fffd}"]),
        (r#"["\ud83d\ud83d\ude00"]"#, &["\u{fffd}😀"]),
        (
            r#"["\ud83d","\ude00","\ud83d\n\ude00"]"#,
            &["\u{fffd}", "\u{fffd}", "\u{fffd}\n\u{fffd}"],
        ),
        (r#"["\ud83d\u0041"]"#, &["\u{fffd}A"]),
    ];
    for (body, messages) in bodies {
        expect_messages(&server, body, messages);
    }
}

const NO_JSON: [&str; 32] = [
    "x",
    "[",
    "]",
    "[\"x\"",
    "[\"x",
    "[x]",
    "['x']",
    "[\"x\",]",
    "[,\"x\"]",
    "[,]",
    "[\"x\"]]",
    "[\"x\"]x",
    "[\"x\"][\"y\"]",
    "[\"a\" \"b\"]",
    "[\"x\"],",
    "{\"x\"}",
    "\"x",
    "[\"\\x\"]",
    "[\"\\u12\"]",
    "[\"\\u12g4\"]",
    "[\"\\ud83d\\u\"]",
    "[\"\n\"]",
    "[\"\0\"]",
    "[\"\u{1f}\"]",
    "[\"\t\"]",
    "\0[\"x\"]",
    "[\"x\"]\0",
    "\u{a0}[\"x\"]",
    "\u{c}[\"x\"]",
    "[\"\\U0041\"]",
    "[\"x\"] // y",
    "NaN",
];

const NO_STRINGS: [&str; 14] = [
    "{}",
    "{\"0\":\"x\"}",
    "1",
    "null",
    "true",
    "[1]",
    "[null]",
    "[true]",
    "[[]]",
    "[{}]",
    "[[\"x\"]]",
    "[\"x\",1]",
    "[\"x\",null,\"y\"]",
    "[\"x\",[\"y\"]]",
];

#[test]
fn what_is_no_json_is_refused() {
    let server = server();
    for body in NO_JSON {
        expect_refusal(&server, body.as_bytes());
    }
}

#[test]
fn what_is_no_array_of_strings_is_refused_whole() {
    let server = server();
    for body in NO_STRINGS {
        expect_refusal(&server, body.as_bytes());
    }
    expect_refusal(&server, br#""a lone string""#);
}

#[test]
fn a_websocket_is_closed_for_it() {
    let server = server();
    for body in NO_JSON.into_iter().chain(NO_STRINGS) {
        expect_broken_framing(&server, body.as_bytes());
    }
}

#[test]
fn a_lone_string_serves_on_websocket() {
    let server = server();
    let mut socket = server.websocket_session("/echo");
    socket.send_text(r#""x""#);
    socket.expect_text(r#"a["x"]"#);
    socket.send_text(" \"a \\ud83d\\ude00 \\ud800\"\n");
    socket.expect_text("a[\"a 😀 \\ufffd\"]");
}

#[test]
fn invalid_utf8_and_a_bom_are_refused() {
    let server = server();
    let bodies: [&[u8]; 8] = [
        b"[\"\x80\"]",
        b"[\"\xff\"]",
        b"[\"\xc3\"]",
        b"[\"\xc0\x80\"]",
        b"[\"\xed\xa0\x80\"]",
        b"[\"\xf4\x90\x80\x80\"]",
        b"[\"x\"]\xff",
        b"\xef\xbb\xbf[\"x\"]",
    ];
    for body in bodies {
        expect_refusal(&server, body);
    }
}

#[test]
fn a_bom_closes_a_websocket() {
    let server = server();
    let mut socket = server.websocket_session("/echo");
    socket.send_text("\u{feff}[\"x\"]");
    let Message::Close(Some((code, _))) = socket.read() else {
        panic!("a close was expected");
    };
    assert_eq!(code, 1007);
}

#[test]
fn nesting_has_no_depth_that_hurts() {
    let server = server();
    let deep = "[".repeat(500_000);
    expect_refusal_by_xhr(&server, &deep);
    expect_refusal_by_xhr(&server, &format!("[\"x\",{deep}"));
    expect_refusal_by_xhr(&server, &"{\"a\":".repeat(200_000));
    expect_broken_framing(&server, deep.as_bytes());
}

#[track_caller]
fn expect_refusal_by_xhr(server: &Arc<Server>, body: &str) {
    let session = server.session("/echo").open();
    session.xhr_send(body).expect_status(500).expect_line("Broken JSON encoding.");
}
