//! PROTOCOL §4: string encoding.

use sockjs_tests::client::{Connection, Request, Session, Transport, frame_of, json_array};

use super::support::server;

/// Messages that every transport must carry unharmed.
const DELICATE: [&str; 14] = [
    "\"quoted\" \\ back\\\\slashed / slashed",
    "\0\u{1}\u{8}\t\n\u{b}\u{c}\r\u{e}\u{1f} \u{7f}\u{80}\u{9f}",
    "\u{ad}\u{600}\u{604}\u{70f}\u{17b4}\u{17b5}",
    "\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{2010}",
    "\u{2027}\u{2028}\u{2029}\u{202a}\u{202f}\u{2030}",
    "\u{205f}\u{2060}\u{2061}\u{206f}\u{2070}",
    "\u{feff}\u{ffef}\u{fff0}\u{fff9}\u{fffd}\u{fffe}\u{ffff}",
    "\u{10000}\u{1f600}\u{1fffe}\u{e0001}\u{10ffff}",
    "ünïcödé 中文 אבג \u{e000}\u{f8ff}",
    "%41 %80 %25 %2541 % %% %zz",
    "</script><script>alert('x')</script><!-- & -->",
    "data: x\r\n\r\ndata: y\nevent: z",
    "a[\"x\"] c[3000,\"Go away!\"] h o",
    "",
];

/// Polls on a connection that stays open.
#[track_caller]
fn poll(connection: &mut Connection, session: &Session) -> String {
    let answer = connection.exchange(&Request::post(session.target("xhr")));
    Transport::Xhr.unwrap(answer.body())
}

#[test]
fn delicate_messages_on_every_transport() {
    let server = server();
    for transport in Transport::ALL {
        let session = server.session("/echo").open();
        for message in DELICATE {
            session.send(&[message]);
        }
        session.receive_first(transport, &frame_of(&DELICATE));
    }
}

#[test]
fn delicate_messages_one_by_one() {
    let server = server();
    for transport in Transport::STREAMING {
        let session = server.session("/disabled_websocket_echo");
        let mut receiver = session.receive_first(transport, "o");
        for message in DELICATE {
            session.send(&[message]);
            receiver.expect(&frame_of(&[message]));
        }
    }
    let mut socket = server.websocket_session("/echo");
    for message in DELICATE {
        socket.send_text(&json_array(&[message]));
        socket.expect_text(&frame_of(&[message]));
    }
}

#[test]
fn exact_bytes_of_some() {
    let server = server();
    let cases = [
        (r#"["\u0000\b\t\n\f\r\u001f\u000b"]"#, r#"a["\u0000\b\t\n\f\r\u001f\u000b"]"#),
        (r#"["\u0022\u005c\u002f"]"#, r#"a["\"\\/"]"#),
        (
            r#"["\u200C\u200f\u2028\u202F\u2060\u206f"]"#,
            r#"a["\u200c\u200f\u2028\u202f\u2060\u206f"]"#,
        ),
        (r#"["\ufff0\uFFFF"]"#, r#"a["\ufff0\uffff"]"#),
        (r#"["\u007f\u00e9\u200b\ud83d\ude00\ufeff"]"#, "a[\"\u{7f}é\u{200b}😀\u{feff}\"]"),
    ];
    for (body, frame) in cases {
        let session = server.session("/echo").open();
        session.xhr_send(body).expect_status(204);
        assert_eq!(session.poll(), frame, "for {body}");
    }
}

#[test]
fn percent_signs_in_eventsource() {
    let server = server();
    let session = server.session("/echo").open();
    session.send(&["100% %41%2541"]);
    let mut connection = session.connect();
    connection.send(Transport::Eventsource.request(session.path()).to_bytes());
    connection.read_head().expect_status(200);
    assert_eq!(connection.read_chunk().unwrap_or_default(), b"\r\n");
    let event = connection.read_chunk().unwrap_or_default();
    assert_eq!(event, b"data: a[\"100%25 %2541%252541\"]\r\n\r\n");
}

#[test]
fn quotes_in_htmlfile_and_jsonp() {
    let server = server();
    let message = "<\"\\\n/>";
    let session = server.session("/echo").open();
    session.send(&[message]);
    let answer = session.exchange(&Request::get(session.target("jsonp?c=cb")));
    answer.expect_body("/**/cb(\"a[\\\"<\\\\\\\"\\\\\\\\\\\\n/>\\\"]\");\r\n");

    let session = server.session("/echo").open();
    session.send(&[message]);
    let mut connection = session.connect();
    connection.send(Request::get(session.target("htmlfile?c=cb")).to_bytes());
    connection.read_head().expect_status(200);
    connection.read_chunk();
    let script = connection.read_chunk().unwrap_or_default();
    let expected = "<script>\np(\"a[\\\"\\u003c\\\\\\\"\\\\\\\\\\\\n/>\\\"]\");\n</script>\r\n";
    assert_eq!(String::from_utf8_lossy(&script), expected);
}

#[test]
fn the_whole_basic_plane_by_polling() {
    let server = server();
    let session = server.session("/echo").open();
    let (mut sender, mut poller) = (session.connect(), session.connect());
    for block in 0..=0xff_u32 {
        let message: String = (block << 8..=block << 8 | 0xff).filter_map(char::from_u32).collect();
        let body = json_array(&[&message]);
        let send = Request::post(session.target("xhr_send")).body(body);
        sender.exchange(&send).expect_status(204);
        assert_eq!(poll(&mut poller, &session), frame_of(&[&message]), "block {block:02x}xx");
    }
}

#[test]
fn the_whole_basic_plane_by_websocket() {
    let server = server();
    let mut socket = server.websocket_session("/echo");
    for block in 0..=0xff_u32 {
        let message: String = (block << 8..=block << 8 | 0xff).filter_map(char::from_u32).collect();
        socket.send_text(&json_array(&[&message]));
        socket.expect_text(&frame_of(&[&message]));
    }
}
