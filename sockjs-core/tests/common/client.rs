//! What a client makes of the bytes: the inverse of PROTOCOL §4, written anew.

use sockjs_core::{FrameKind, Message, Transport};

/// A frame as a client understands it.
#[derive(Debug, PartialEq)]
pub enum Frame {
    Open,
    Heartbeat,
    Messages(Vec<Message>),
    Close(u16, String),
    Ping,
    WebsocketClose,
}

/// What precedes the first frame.
pub fn prelude(transport: Transport) -> Option<Vec<u8>> {
    match transport {
        Transport::XhrStreaming => Some([&[b'h'; 2048][..], b"\n"].concat()),
        Transport::EventSource => Some(b"\r\n".to_vec()),
        Transport::HtmlFile => {
            let mut page = String::from(
                "<!doctype html>\n<html><head>\n  \
                 <meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\" />\n  \
                 <meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\" />\n\
                 </head><body><h2>Don't panic!</h2>\n  <script>\n    \
                 document.domain = document.domain;\n    var c = parent.cb;\n    c.start();\n    \
                 function p(d) {c.message(d);};\n    window.onload = function() {c.stop();};\n  \
                 </script>\n",
            );
            while page.len() <= 1024 {
                page.push(' ');
            }
            page.push_str("\r\n\r\n");
            Some(page.into_bytes())
        }
        _ => None,
    }
}

/// Takes the wrapping of a transport off; the callback is `cb`.
pub fn unwrap(transport: Transport, bytes: &[u8]) -> String {
    let text = std::str::from_utf8(bytes).expect("UTF-8");
    let between = |start: &str, end: &str| {
        let inner = text.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
        inner.unwrap_or_else(|| panic!("{transport}: {text:?}")).to_owned()
    };
    let script = |inner: String| serde_json::from_str::<String>(&format!("\"{inner}\"")).unwrap();
    match transport {
        Transport::Websocket | Transport::RawWebsocket => text.to_owned(),
        Transport::Xhr | Transport::XhrStreaming => between("", "\n"),
        Transport::EventSource => between("data: ", "\r\n\r\n").replace("%25", "%"),
        Transport::HtmlFile => script(between("<script>\np(\"", "\");\n</script>\r\n")),
        Transport::Jsonp => script(between("/**/cb(\"", "\");\r\n")),
    }
}

/// Reads a frame off its bytes.
pub fn read(transport: Transport, kind: &FrameKind, bytes: &[u8]) -> Frame {
    let raw = transport == Transport::RawWebsocket;
    match kind {
        FrameKind::Ping => return Frame::Ping,
        FrameKind::Close(_) => return Frame::WebsocketClose,
        FrameKind::Binary => return Frame::Messages(vec![Message::binary(bytes.to_vec())]),
        FrameKind::Text if raw => {
            let text = std::str::from_utf8(bytes).expect("UTF-8");
            return Frame::Messages(vec![Message::text(text)]);
        }
        FrameKind::Text => {}
    }
    let frame = unwrap(transport, bytes);
    match frame.split_at(1) {
        ("o", "") => Frame::Open,
        ("h", "") => Frame::Heartbeat,
        ("a", json) => {
            let texts: Vec<String> = serde_json::from_str(json).expect("an array of strings");
            assert!(!texts.is_empty(), "a frame has a message");
            Frame::Messages(texts.into_iter().map(Message::text).collect())
        }
        ("c", json) => {
            let (code, reason) = serde_json::from_str(json).expect("a code and a reason");
            Frame::Close(code, reason)
        }
        _ => panic!("no frame: {frame:?}"),
    }
}
