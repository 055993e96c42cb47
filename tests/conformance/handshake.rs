//! PROTOCOL §7: the handshake.

use sockjs_tests::client::{
    Frame, KEY, Message, Opcode, Request, Response, WebSocket, accept_for, fresh_id,
};

use super::support::{expect_method_not_allowed, server};

const NO_REQUEST: &str = "Not a valid websocket request";

/// The two paths of each test: framed and raw.
fn paths() -> [String; 2] {
    let framed = format!("/echo/000/{}/websocket", fresh_id());
    [framed, "/echo/websocket".to_owned()]
}

/// A handshake with these four headers, an empty one left out.
fn handshake(path: &str, headers: [&str; 4]) -> Request {
    let names = ["Connection", "Upgrade", "Sec-WebSocket-Version", "Sec-WebSocket-Key"];
    names
        .into_iter()
        .zip(headers)
        .filter(|(_, value)| !value.is_empty())
        .fold(Request::get(path), |request, (name, value)| request.header(name, value))
}

#[track_caller]
fn expect_no_request(answer: &Response) {
    answer.expect_status(400);
    assert!(answer.text().contains(NO_REQUEST), "{answer}");
}

#[test]
fn the_answer_is_101() {
    let server = server();
    for path in paths() {
        let socket = server.websocket(path);
        socket.head().expect_no_header("Content-Length").expect_no_header("Transfer-Encoding");
    }
    // RFC 6455 §1.3 gives this pair.
    assert_eq!(accept_for(KEY), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[test]
fn header_values_have_other_spellings() {
    let server = server();
    let spellings = [
        ("upgrade", "websocket"),
        ("UPGRADE", "WebSocket"),
        ("keep-alive, Upgrade", "WEBSOCKET"),
        ("Upgrade, keep-alive", "websocket"),
        ("keep-alive ,upgrade,x", "websocket"),
    ];
    for path in paths() {
        for (connection_list, upgrade) in spellings {
            let mut connection = server.connect();
            let request = handshake(&path, [connection_list, upgrade, "13", KEY]);
            connection.send(request.to_bytes());
            WebSocket::upgrade(connection);
        }
    }
}

#[test]
fn what_is_no_upgrade_is_400() {
    let server = server();
    for path in paths() {
        let requests = [
            handshake(&path, ["", "", "", ""]),
            handshake(&path, ["", "", "13", KEY]),
            handshake(&path, ["Upgrade", "", "13", KEY]),
            handshake(&path, ["", "websocket", "13", KEY]),
            handshake(&path, ["keep-alive", "websocket", "13", KEY]),
            handshake(&path, ["Upgrade", "h2c", "13", KEY]),
            handshake(&path, ["Upgradex", "websocket", "13", KEY]),
            handshake(&path, ["close", "websocket", "", ""]),
            handshake(&path, ["keep-alive", "websocket", "8", "x"]),
            handshake(&path, ["Upgrade", "websocket", "13", KEY]).http10(),
        ];
        for request in requests {
            expect_no_request(&server.exchange(&request));
        }
    }
}

#[test]
fn versions() {
    let server = server();
    for path in paths() {
        let asking = |version: &str, key: &str| {
            server.exchange(&handshake(&path, ["Upgrade", "websocket", version, key]))
        };
        asking("", KEY).expect_status(400);
        asking("", "").expect_status(400);
        for version in ["8", "7", "0", "14", "12", "1", "x"] {
            for key in [KEY, "", "broken"] {
                let answer = asking(version, key);
                answer.expect_status(426).expect_header("Sec-WebSocket-Version", "13");
            }
        }
    }
}

#[test]
fn keys_are_16_bytes_of_base64() {
    let server = server();
    let keys = [
        "",
        "x",
        "AAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAAA=",
        "AAAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAA!A==",
        "AAAAAAAAAAAAAAAAAAAAAA==AAAAAAAAAAAAAAAAAAAAAA==",
    ];
    for path in paths() {
        for key in keys {
            let answer = server.exchange(&handshake(&path, ["Upgrade", "websocket", "13", key]));
            assert_eq!(answer.status(), 400, "key {key:?}\n{answer}");
        }
    }
}

#[test]
fn other_methods_are_405() {
    let server = server();
    for path in paths() {
        for method in ["POST", "HEAD", "OPTIONS", "PUT", "get"] {
            let request = Request::new(method, &path)
                .header("Connection", "Upgrade")
                .header("Upgrade", "websocket")
                .header("Sec-WebSocket-Version", "13")
                .header("Sec-WebSocket-Key", KEY);
            expect_method_not_allowed(server.exchange(&request).head(), "GET");
        }
    }
}

#[test]
fn offers_and_old_headers_are_ignored() {
    let server = server();
    for path in paths() {
        let request = WebSocket::request(path)
            .header("Sec-WebSocket-Origin", "http://old.example.com")
            .header("Sec-WebSocket-Protocol", "chat, superchat")
            .header("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits");
        let mut connection = server.connect();
        connection.send(request.to_bytes());
        // Neither a protocol nor an extension may be in the answer.
        WebSocket::upgrade(connection);
    }
}

#[test]
fn frames_may_come_with_the_handshake() {
    let server = server();
    let path = server.session("/echo").target("websocket");
    let mut bytes = WebSocket::request(path).to_bytes();
    bytes.extend(Frame::new(Opcode::TEXT, r#"["a"]"#).to_bytes());
    bytes.extend(Frame::new(Opcode::PING, "p").to_bytes());
    let mut connection = server.connect();
    connection.send(bytes);
    let mut socket = WebSocket::upgrade(connection);
    socket.expect_text("o");
    let (first, second) = (socket.read(), socket.read());
    let expected = [Message::Text(r#"a["a"]"#.to_owned()), Message::Pong(b"p".to_vec())];
    assert!(expected.contains(&first) && expected.contains(&second), "{first:?}, {second:?}");
}

#[test]
fn raw_frames_may_come_with_the_handshake() {
    let server = server();
    let mut bytes = WebSocket::request("/echo/websocket").to_bytes();
    bytes.extend(Frame::new(Opcode::TEXT, "a").to_bytes());
    bytes.extend(Frame::new(Opcode::BINARY, "b").to_bytes());
    let mut connection = server.connect();
    connection.send(bytes);
    let mut socket = WebSocket::upgrade(connection);
    assert_eq!(socket.read(), Message::Text("a".to_owned()));
    assert_eq!(socket.read(), Message::Binary(b"b".to_vec()));
}

#[test]
fn a_handshake_may_follow_other_requests() {
    let server = server();
    for path in paths() {
        let mut connection = server.connect();
        connection.exchange(&Request::get("/echo")).expect_status(200);
        connection.send(WebSocket::request(path).to_bytes());
        WebSocket::upgrade(connection);
    }
}
