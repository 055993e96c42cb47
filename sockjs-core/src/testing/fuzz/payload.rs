//! What clients send, with serde_json and form_urlencoded as judges.

use bytes::BytesMut;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::de::{Deserialize, Deserializer, Visitor};

use super::super::{START, request, settings};
use crate::wire::payload::{self, PayloadError};
use crate::wire::quote::quote;
use crate::{CloseReason, Message, Route, SendReply, Service, Transport};

/// A payload: what is accepted is what serde_json takes for an array of strings, lone surrogates
/// aside, and on a WebSocket a lone string besides; a refusal leaves nothing behind (invariant 11);
/// what is read can be quoted and read again.
///
/// # Panics
/// If it is not so.
pub fn payload(data: &[u8]) {
    let text = std::str::from_utf8(data).ok();
    let array = text.and_then(texts);
    let refusal = if data.is_empty() { PayloadError::Empty } else { PayloadError::Broken };
    expect(array.as_deref().ok_or(refusal), |batch| payload::read(data, usize::MAX, batch));
    if let Some(text) = text {
        websocket_text(text, array.as_deref());
    }
    let binary = |transport, batch: &mut Vec<Message>| {
        payload::read_websocket_binary(transport, data, batch)
    };
    expect(Err(CloseReason::BINARY), |batch| binary(Transport::Websocket, batch));
    let mut batch = Vec::new();
    assert_eq!(binary(Transport::RawWebsocket, &mut batch), Ok(()));
    assert_eq!(batch, [Message::binary(data.to_vec())]);
    array.into_iter().flatten().for_each(|text| quotes(&text));
}

fn websocket_text(text: &str, array: Option<&[String]>) {
    // A string is one if it can be the only element of an array.
    let element = texts(&format!("[{text}]")).filter(|texts| texts.len() == 1);
    let refusal = if text.starts_with('\u{feff}') {
        CloseReason::BAD_TEXT
    } else {
        CloseReason::BROKEN_FRAMING
    };
    let expected = match text {
        "" => Ok(&[][..]),
        _ => array.or(element.as_deref()).ok_or(refusal),
    };
    let read = |transport, batch: &mut Vec<Message>| {
        payload::read_websocket_text(transport, text, usize::MAX, batch)
    };
    expect(expected, |batch| read(Transport::Websocket, batch));
    expect(Ok(&[text.to_owned()]), |batch| read(Transport::RawWebsocket, batch));
}

/// Reading must give just these texts, or this error and nothing else.
fn expect<E: std::fmt::Debug + PartialEq>(
    expected: Result<&[String], E>,
    read: impl FnOnce(&mut Vec<Message>) -> Result<(), E>,
) {
    let mut batch = vec![Message::text("before")];
    let outcome = read(&mut batch);
    let texts: Vec<_> = batch.iter().skip(1).map(|message| message.as_text()).collect();
    match expected {
        Ok(expected) => {
            assert_eq!(outcome, Ok(()));
            assert!(texts.iter().copied().eq(expected.iter().map(|text| Some(text.as_str()))));
        }
        Err(expected) => {
            assert_eq!(outcome, Err(expected));
            assert!(texts.is_empty(), "a refused payload left messages");
        }
    }
}

fn quotes(text: &str) {
    let mut quoted = BytesMut::new();
    quote(text, &mut quoted);
    assert_eq!(serde_json::from_slice::<String>(&quoted).ok().as_deref(), Some(text));
}

/// The body of a `jsonp_send`: as a form, its field `d` is what form_urlencoded finds, and read as
/// a payload; otherwise the body is the payload.
///
/// # Panics
/// If it is not so.
pub fn form(data: &[u8]) {
    let field = form_urlencoded::parse(data).find(|(name, _)| name == "d");
    match (payload::form_field(data), &field) {
        (Ok(ours), Some((_, theirs))) => assert_eq!(String::from_utf8_lossy(&ours), *theirs),
        (ours, theirs) => assert!(ours == Err(PayloadError::Empty) && theirs.is_none()),
    }
    let service = Service::new(settings()).expect("settings");
    let inner = payload::form_field(data).unwrap_or_default();
    for (content_type, payload) in [
        ("application/x-www-form-urlencoded", &inner[..]),
        ("Application/X-WWW-Form-Urlencoded ; charset=utf-8", &inner[..]),
        ("text/plain", data),
    ] {
        let (mut direct, mut batch) = (Vec::new(), Vec::new());
        let expected = payload::read(payload, usize::MAX, &mut direct);
        let reply = reply(&service, content_type);
        assert_eq!(reply.read(data, &mut batch), expected);
        assert_eq!(batch, direct);
        let (status, answer) = match expected {
            Ok(()) => (200, reply.accepted()),
            Err(error) => (500, reply.broken(error)),
        };
        assert_eq!(answer.status(), status);
    }
}

fn reply(service: &Service, content_type: &'static str) -> SendReply {
    let mut head = request::head(request::post("/000/id/jsonp_send"));
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    match service.route(head, &request::peer(), 0, START) {
        Route::Send(permit) => SendReply::new(permit, usize::MAX),
        other => panic!("no send request: {other:?}"),
    }
}

/// What serde_json makes of an array of strings, with lone surrogates as U+FFFD: in strings of
/// bytes it takes them, but control characters too.
fn texts(json: &str) -> Option<Vec<String>> {
    if let Ok(texts) = serde_json::from_str(json) {
        return Some(texts);
    }
    let strings: Vec<Bytes> = serde_json::from_str(json).ok()?;
    let texts = strings.into_iter().map(Bytes::into_text);
    (!has_control_character(json)).then(|| texts.collect())
}

/// Whether a string in `json`, which is well-formed otherwise, has a control character in it.
fn has_control_character(json: &str) -> bool {
    let (mut is_inside, mut is_escaped) = (false, false);
    json.bytes().any(|byte| {
        let is_control = is_inside && byte < 0x20;
        is_inside ^= byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_control
    })
}

/// A string that may hold surrogates, each as the three bytes that UTF-8 would have for it.
struct Bytes(Vec<u8>);

impl Bytes {
    fn into_text(self) -> String {
        let mut bytes = self.0;
        for at in 0..bytes.len().saturating_sub(1) {
            if bytes[at] == 0xED && bytes[at + 1] >= 0xA0 {
                bytes[at..at + 3].copy_from_slice("\u{fffd}".as_bytes());
            }
        }
        String::from_utf8(bytes).expect("nothing else can be wrong with it")
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Bytes;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Any)
    }
}
