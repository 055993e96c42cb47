//! The client against canned bytes: it must see what is wrong.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use super::{
    Connection, Frame, Framing, Head, Message, Opcode, Receiver, Request, Transport, WebSocket,
    accept_for, frame_of, messages_in, quote,
};

/// Answers the first request on one connection with these bytes, then closes.
fn canned(answer: impl Into<Vec<u8>>) -> SocketAddr {
    let answer = answer.into();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("a client");
        let _ = socket.read(&mut [0; 4096]);
        socket.write_all(&answer).expect("the client reads");
    });
    address
}

fn exchange(answer: &str) -> super::Response {
    Connection::open(canned(answer)).exchange(&Request::get("/"))
}

#[test]
fn bodies_by_length_and_by_chunks() {
    let answer = exchange("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!((answer.framing(), answer.text()), (Framing::Length(3), "abc"));
    let answer = exchange(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
         2\r\nab\r\nA\r\ncdefghijkl\r\n0\r\n\r\n",
    );
    assert_eq!(answer.chunks(), [b"ab".to_vec(), b"cdefghijkl".to_vec()]);
}

#[test]
fn bad_heads_are_seen() {
    let bad = [
        "HTTP/1.1 200 OK\r\nA: b\r\na: c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno header\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "200 OK\r\n\r\n",
    ];
    for head in bad {
        assert!(Head::parse(head.as_bytes()).is_err(), "{head:?}");
    }
}

#[test]
#[should_panic(expected = "unknown length")]
fn a_body_of_unknown_length_is_seen() {
    exchange("HTTP/1.1 200 OK\r\n\r\nabc");
}

#[test]
#[should_panic(expected = "3 bytes were expected")]
fn a_body_cut_short_is_seen() {
    exchange("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab");
}

#[test]
#[should_panic(expected = "connection closed")]
fn a_stream_cut_short_is_seen() {
    exchange("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n");
}

#[test]
#[should_panic(expected = "cannot read")]
fn silence_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mut connection = Connection::open(listener.local_addr().expect("it is bound"));
    connection.set_patience(Duration::from_millis(50));
    connection.exchange(&Request::get("/"));
}

#[test]
fn frames_come_out_of_their_wrapping() {
    for transport in Transport::ALL {
        for frame in ["o", "h", "a[\"<%41\\\"\\\\\"]", "c[3000,\"Go away!\"]"] {
            assert_eq!(transport.unwrap(transport.wrap(frame).as_bytes()), frame);
        }
    }
}

#[test]
#[should_panic(expected = "wrapping")]
fn a_bare_percent_sign_is_seen() {
    Transport::Eventsource.unwrap(b"data: a[\"%\"]\r\n\r\n");
}

#[test]
#[should_panic(expected = "wrapping")]
fn a_bare_tag_is_seen() {
    Transport::Htmlfile.unwrap(b"<script>\np(\"a[\\\"<\\\"]\");\n</script>\r\n");
}

#[test]
#[should_panic(expected = "encoding of a message frame")]
fn a_space_in_a_frame_is_seen() {
    messages_in(r#"a["x", "y"]"#);
}

#[test]
#[should_panic(expected = "data: o")]
fn a_prelude_that_shares_its_chunk_is_seen() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Accel-Buffering: no\r\n\
                Cache-Control: no-store, no-cache, no-transform, must-revalidate, max-age=0\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    let body = "d\r\n\r\ndata: o\r\n\r\n\r\n0\r\n\r\n";
    let connection = Connection::open(canned(format!("{head}{body}")));
    Receiver::open(connection, Transport::Eventsource, "/echo/0/x");
}

#[test]
fn strings_are_quoted() {
    assert_eq!(
        quote("\"\\/\n\u{1f}é\u{200c}\u{ffff}😀<"),
        "\"\\\"\\\\/\\n\\u001fé\\u200c\\uffff😀<\""
    );
    assert_eq!(frame_of(&["x", ""]), r#"a["x",""]"#);
}

#[test]
fn frames_are_written() {
    let frame = Frame::new(Opcode::TEXT, "ab").unmasked();
    assert_eq!(frame.to_bytes(), b"\x81\x02ab");
    assert_eq!(frame.clone().more().reserved(0x40).to_bytes(), b"\x41\x02ab");
    assert_eq!(frame.announcing(300).to_bytes(), b"\x81\x7e\x01\x2cab");
    let large = Frame::new(Opcode::BINARY, "").announcing(1 << 16).unmasked();
    assert_eq!(large.to_bytes(), b"\x82\x7f\0\0\0\0\0\x01\0\0");
    assert_eq!(Frame::new(Opcode::TEXT, "ab").to_bytes(), b"\x81\x82\x1f\xe2\x53\x84\x7e\x80");
}

#[test]
fn messages_are_read() {
    let mut answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
        Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        .to_vec();
    answer.extend_from_slice(b"\x81\x01o\x01\x01a\x89\x00\x80\x01b\x8a\x01p\x88\x05\x0b\xb8bye");
    let mut socket = WebSocket::open(canned(answer), "/echo/websocket");
    socket.expect_text("o").expect_text("ab");
    assert_eq!(socket.read(), Message::Pong(b"p".to_vec()));
    assert_eq!(socket.read(), Message::Close(Some((3000, "bye".to_owned()))));
    assert_eq!(accept_for(super::KEY), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}
