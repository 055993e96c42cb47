//! What clients send: a JSON array of strings (PROTOCOL §4 and §6).
//!
//! JSON is serde_json's. Ours are three rules about it: all or nothing (invariant 11), a lone
//! surrogate escape becomes U+FFFD, and a WebSocket may carry a lone string.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, SeqAccess, Visitor};

use super::close::CloseReason;
use super::quote;
use super::transport::Transport;
use crate::message::Message;

/// Why a payload was refused. Its text is what the client is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// There is nothing to read.
    #[error("Payload expected.")]
    Empty,
    /// Not JSON, not UTF-8, or not an array of strings.
    #[error("Broken JSON encoding.")]
    Broken,
    /// Its messages cost more than [`Limits::payload_bytes`](crate::Limits::payload_bytes): many tiny
    /// ones, mostly, which would take many times the payload's own length.
    #[error("Payload too large.")]
    TooLarge,
}

/// Reads a JSON array of strings and appends its messages, which may cost `limit_bytes` together, to
/// `batch`.
///
/// # Errors
/// On any error `batch` is as it was: a payload is delivered whole or not at all.
pub fn read(
    payload: &[u8],
    limit_bytes: usize,
    batch: &mut Vec<Message>,
) -> Result<(), PayloadError> {
    let text = simdutf8::basic::from_utf8(payload).map_err(|_| PayloadError::Broken)?;
    parse(text, false, limit_bytes, batch)
}

/// Reads a text message of a WebSocket (PROTOCOL §7): on the raw path it is taken as it is, else it
/// is a JSON array of strings, or a lone JSON string, or empty, which is ignored. The messages of an
/// array may cost `limit_bytes` together.
///
/// # Errors
/// The reason with which to close the WebSocket. `batch` is as it was.
pub fn read_websocket_text(
    transport: Transport,
    text: &str,
    limit_bytes: usize,
    batch: &mut Vec<Message>,
) -> Result<(), CloseReason> {
    if transport == Transport::RawWebsocket {
        batch.push(Message::text(text));
        return Ok(());
    }
    match parse(text, true, limit_bytes, batch) {
        Ok(()) | Err(PayloadError::Empty) => Ok(()),
        Err(PayloadError::TooLarge) => Err(CloseReason::TOO_BIG),
        Err(_) if text.starts_with('\u{feff}') => Err(CloseReason::BAD_TEXT),
        Err(_) => Err(CloseReason::BROKEN_FRAMING),
    }
}

/// Reads a binary message of a WebSocket: only the raw path has them.
///
/// # Errors
/// The reason with which to close the WebSocket.
pub fn read_websocket_binary(
    transport: Transport,
    bytes: &[u8],
    batch: &mut Vec<Message>,
) -> Result<(), CloseReason> {
    if transport != Transport::RawWebsocket {
        return Err(CloseReason::BINARY);
    }
    batch.push(Message::binary(bytes.to_vec()));
    Ok(())
}

fn parse(
    text: &str,
    lone: bool,
    limit_bytes: usize,
    batch: &mut Vec<Message>,
) -> Result<(), PayloadError> {
    if text.is_empty() {
        return Err(PayloadError::Empty);
    }
    if let Some(read) = read_plain(text, limit_bytes, batch) {
        return read;
    }
    match deserialize(text, lone, limit_bytes, batch) {
        Err(PayloadError::Broken) => {}
        read => return read,
    }
    // Unpaired surrogates are the one thing serde_json refuses and SockJS accepts. They are rare,
    // so they are looked for only after a failure.
    match without_lone_surrogates(text) {
        Cow::Owned(mended) => deserialize(&mended, lone, limit_bytes, batch),
        Cow::Borrowed(_) => Err(PayloadError::Broken),
    }
}

/// Reads what nearly all clients send: strings in which nothing is escaped, and nothing between them
/// but commas. `None` if it is anything else, which may be right all the same.
fn read_plain(
    text: &str,
    limit_bytes: usize,
    batch: &mut Vec<Message>,
) -> Option<Result<(), PayloadError>> {
    let before = batch.len();
    let read = plain_strings(text, limit_bytes, batch);
    if !matches!(read, Some(Ok(()))) {
        batch.truncate(before);
    }
    read
}

fn plain_strings(
    text: &str,
    limit_bytes: usize,
    batch: &mut Vec<Message>,
) -> Option<Result<(), PayloadError>> {
    let mut left_bytes = limit_bytes;
    let mut rest = text.strip_prefix("[\"")?;
    loop {
        let (end, is_plain) = string_end(rest.as_bytes())?;
        let (string, after) = rest.split_at_checked(end)?;
        let message = if is_plain { Message::plain(string) } else { Message::text(string) };
        let Some(left) = left_bytes.checked_sub(message.cost()) else {
            return Some(Err(PayloadError::TooLarge));
        };
        left_bytes = left;
        batch.push(message);
        match after.strip_prefix("\",\"") {
            Some(next) => rest = next,
            None if after == "\"]" => return Some(Ok(())),
            None => return None,
        }
    }
}

/// Where a string ends in which nothing is escaped, or where that turns out to be wrong; and whether it is
/// sent as it stands too, where more is escaped. One look tells both, for who receives a message mostly sends
/// it on.
fn string_end(bytes: &[u8]) -> Option<(usize, bool)> {
    let ends = |b: &u8| (*b < 0x20) | (*b == b'"') | (*b == b'\\');
    let at = quote::find(bytes, |b| quote::is_suspect(*b))?;
    let rest = bytes.get(at..)?;
    if rest.first().is_some_and(ends) {
        return Some((at, true));
    }
    Some((at + quote::find(rest, ends)?, false))
}

fn deserialize(
    text: &str,
    lone: bool,
    limit_bytes: usize,
    batch: &mut Vec<Message>,
) -> Result<(), PayloadError> {
    let before = batch.len();
    let mut json = serde_json::Deserializer::from_str(text);
    let mut payload = Payload { lone, left_bytes: Some(limit_bytes), batch: &mut *batch };
    let read = payload.deserialize(&mut json).and_then(|()| json.end());
    let is_excessive = payload.left_bytes.is_none();
    if read.is_err() {
        batch.truncate(before);
    }
    read.map_err(|_| if is_excessive { PayloadError::TooLarge } else { PayloadError::Broken })
}

struct Payload<'b> {
    lone: bool,
    /// What further messages may cost; `None` once one was over it.
    left_bytes: Option<usize>,
    batch: &'b mut Vec<Message>,
}

impl<'de> DeserializeSeed<'de> for &mut Payload<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.lone {
            deserializer.deserialize_any(self)
        } else {
            deserializer.deserialize_seq(self)
        }
    }
}

impl<'de> Visitor<'de> for &mut Payload<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of strings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(Element(message)) = elements.next_element()? {
            self.left_bytes = self.left_bytes.and_then(|left| left.checked_sub(message.cost()));
            if self.left_bytes.is_none() {
                return Err(serde::de::Error::custom("too large"));
            }
            self.batch.push(message);
        }
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        if !self.lone {
            return Err(E::invalid_type(serde::de::Unexpected::Str(text), &self));
        }
        self.batch.push(Message::text(text));
        Ok(())
    }
}

/// One string of the array, copied once, straight into its message.
struct Element(Message);

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Element;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E>(self, text: &str) -> Result<Element, E> {
                Ok(Element(Message::text(text)))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// `text` with each unpaired surrogate escape written as `\ufffd`; borrowed if there is none.
///
/// In valid JSON a backslash occurs in strings only, so escapes can be found without parsing; in
/// anything else the rewritten text is just as invalid as before.
fn without_lone_surrogates(text: &str) -> Cow<'_, str> {
    let mut mended = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = text.as_bytes().get(at..).and_then(|rest| memchr::memchr(b'\\', rest)) {
        let escape = at + found;
        at = match surrogate(text, escape) {
            None => escape + 2,
            Some(Surrogate::Leading)
                if surrogate(text, escape + 6) == Some(Surrogate::Trailing) =>
            {
                escape + 12
            }
            Some(_) => {
                mended.push_str(text.get(copied..escape).unwrap_or_default());
                mended.push_str("\\ufffd");
                copied = escape + 6;
                copied
            }
        };
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    mended.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(mended)
}

#[derive(PartialEq)]
enum Surrogate {
    Leading,
    Trailing,
}

/// The surrogate whose escape starts at `at`, if that is what stands there.
fn surrogate(text: &str, at: usize) -> Option<Surrogate> {
    let escape = text.as_bytes().get(at..at + 6)?;
    let digits = escape.strip_prefix(b"\\u")?;
    let unit = u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    match unit {
        0xD800..=0xDBFF => Some(Surrogate::Leading),
        0xDC00..=0xDFFF => Some(Surrogate::Trailing),
        _ => None,
    }
}

/// The field `d` of a form (PROTOCOL §6, `jsonp_send`): the first one counts.
pub(crate) fn form_field(body: &[u8]) -> Result<Vec<u8>, PayloadError> {
    // A form library would decode broken UTF-8 to U+FFFD, which would hide it; so the bytes are
    // decoded as they are.
    let decoded = |part: &[u8]| -> Vec<u8> {
        let spaced: Vec<u8> = part.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
        percent_encoding::percent_decode(&spaced).collect()
    };
    let mut pairs = body.split(|b| *b == b'&').map(|pair| {
        let equals = memchr::memchr(b'=', pair).unwrap_or(pair.len());
        pair.split_at_checked(equals).unwrap_or_default()
    });
    pairs
        .find(|(name, _)| decoded(name) == b"d")
        .map(|(_, value)| decoded(value.strip_prefix(b"=").unwrap_or_default()))
        .ok_or(PayloadError::Empty)
}

/// Whether a body is a form by its `Content-Type` (case-insensitive, parameters allowed).
pub(crate) fn is_form(content_type: &[u8]) -> bool {
    let essence = content_type.split(|b| *b == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;

    fn texts(payload: &[u8]) -> Result<Vec<String>, PayloadError> {
        let mut batch = Vec::new();
        read(payload, usize::MAX, &mut batch)?;
        Ok(batch.iter().map(|m| m.as_text().unwrap().to_owned()).collect())
    }

    #[test]
    fn arrays_of_strings() {
        assert_eq!(texts(b" [ \"a\" ,\n\t\"\" ] ").unwrap(), ["a", ""]);
        assert!(texts(b"[]").unwrap().is_empty());
    }

    #[test]
    fn anything_else_is_broken() {
        for bad in [
            &b"x"[..],
            b"\"a\"",
            b"{}",
            b"[1]",
            b"[\"a\",null]",
            b"[[\"a\"]]",
            b"[\"a\"",
            b"[\"a\",]",
            b"[\"a\"]x",
            b"[\"\x01\"]",
            b"\xef\xbb\xbf[\"a\"]",
            b"[\"\xff\"]",
            b" ",
            b"[\"\\x\"]",
            b"[\"\\ud800\", 1]",
            b"[\"\\ud8zz\"]",
            b"null",
        ] {
            assert_eq!(
                texts(bad),
                Err(PayloadError::Broken),
                "{:?}",
                bad.escape_ascii().to_string()
            );
        }
        assert_eq!(texts(b""), Err(PayloadError::Empty));
    }

    #[test]
    fn a_bad_element_leaves_the_batch_as_it_was() {
        let mut batch = vec![Message::text("before")];
        read(b"[\"a\", 1]", usize::MAX, &mut batch).unwrap_err();
        assert_eq!(batch.len(), 1);
    }

    #[test]
    fn plain_strings_are_read_the_short_way_and_nothing_else_is() {
        let mut batch = Vec::new();
        let read = read_plain(r#"["a b","","<é'>"]"#, usize::MAX, &mut batch);
        assert_eq!((read, batch.len()), (Some(Ok(())), 3));
        for other in
            ["[]", r#"["a", "b"]"#, r#"["a","\n"]"#, "[\"a\",\"\n\"]", r#"["a"] "#, r#"["a"#]
        {
            assert_eq!(read_plain(other, usize::MAX, &mut batch), None, "{other}");
            assert_eq!(batch.len(), 3, "{other}");
        }
    }

    #[test]
    fn each_lone_surrogate_becomes_one_replacement_character() {
        assert_eq!(texts(br#"["a\ud800b"]"#).unwrap(), ["a\u{fffd}b"]);
        assert_eq!(texts(br#"["\udc00\ud800"]"#).unwrap(), ["\u{fffd}\u{fffd}"]);
        assert_eq!(texts(br#"["\ud83d\ude00\uD800\ud83d\ude00"]"#).unwrap(), ["😀\u{fffd}😀"]);
        assert_eq!(texts(br#"["\\ud800","\ud800"]"#).unwrap(), ["\\ud800", "\u{fffd}"]);
    }

    #[test]
    fn websockets_may_carry_a_lone_string() {
        let framed = |text: &str, batch: &mut Vec<Message>| {
            read_websocket_text(Transport::Websocket, text, usize::MAX, batch)
        };
        let mut batch = Vec::new();
        for good in ["\"a\"", "[\"b\",\"c\"]", "\"\\ud800\"", ""] {
            framed(good, &mut batch).unwrap();
        }
        assert_eq!(batch.len(), 4);
        for bad in ["{}", "1", "null", "true", "[1]", " "] {
            assert_eq!(framed(bad, &mut batch), Err(CloseReason::BROKEN_FRAMING), "{bad}");
        }
        assert_eq!(framed("\u{feff}[]", &mut batch), Err(CloseReason::BAD_TEXT));
        let refused = read_websocket_binary(Transport::Websocket, b"[]", &mut batch);
        assert_eq!(refused, Err(CloseReason::BINARY));
        read_websocket_binary(Transport::RawWebsocket, b"[]", &mut batch).unwrap();
        assert_eq!(batch.pop(), Some(Message::binary(&b"[]"[..])));
    }

    #[test]
    fn form_fields() {
        assert_eq!(form_field(b"d=%5B%22a+b%22%5D&d=2").unwrap(), b"[\"a b\"]");
        assert_eq!(form_field(b"x=1&d=").unwrap(), b"");
        assert_eq!(form_field(b"x=1&d").unwrap(), b"");
        assert_eq!(form_field(b"%64=%ff=&d=x").unwrap(), b"\xff=");
        assert_eq!(form_field(b"x=1&dd=2"), Err(PayloadError::Empty));
        assert!(is_form(b"Application/X-WWW-form-urlencoded; charset=UTF-8"));
        assert!(!is_form(b"text/plain"));
    }

    proptest! {
        #[test]
        fn accepts_what_serde_json_accepts(payload in r#"[\[\]",a\\u0d8 \n]{0,24}"#) {
            if let Ok(expected) = serde_json::from_str::<Vec<String>>(&payload) {
                prop_assert_eq!(texts(payload.as_bytes()).unwrap(), expected);
            }
        }

        #[test]
        fn reads_what_serde_json_writes(texts_in in prop::collection::vec("(?s).{0,20}", 0..8)) {
            let payload = serde_json::to_vec(&texts_in).unwrap();
            prop_assert_eq!(texts(&payload).unwrap(), texts_in);
        }

        #[test]
        fn what_was_read_is_written_as_the_same_text_made_here(
            text in "[a<é\u{2009}\u{200c}\u{2028}\u{ffee}\u{fffd}\"\\\\\n]{0,40}",
        ) {
            let payload = serde_json::to_vec(&[&text]).unwrap();
            let mut batch = Vec::new();
            read(&payload, usize::MAX, &mut batch).unwrap();
            let json = |message: &Message| {
                let mut out = BytesMut::new();
                message.write_json(&mut out);
                out
            };
            prop_assert_eq!(batch.iter().map(json).collect::<Vec<_>>(), [json(&text.into())]);
        }
    }
}
