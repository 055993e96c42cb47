//! One message of an application: text, or bytes on the raw WebSocket path.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use bytestring::ByteString;

use crate::wire::quote;

/// What every queued message costs besides its length, in bytes (DESIGN §5): an estimate of what
/// the queue itself spends on it, so that a flood of empty messages has a limit too.
pub const MESSAGE_OVERHEAD_BYTES: usize = 64;

/// A message: text, or on the raw WebSocket path also bytes.
///
/// The content is behind a reference count; a clone copies nothing. A message can remember its
/// JSON form ([`encode`](Self::encode)), so that a broadcast quotes once for all its receivers.
#[derive(Clone, Debug)]
pub struct Message(Content);

#[derive(Clone, Debug)]
enum Content {
    Text { text: ByteString, json: Json },
    Binary(Bytes),
}

/// What is known of a text's JSON form.
#[derive(Clone, Debug)]
enum Json {
    /// Not looked at yet.
    Unknown,
    /// Nothing to escape: the text between two quotes.
    Plain,
    /// With its quotes. Few texts have one, and each message would have room for it.
    Quoted(Arc<Bytes>),
}

/// The given text is no JSON string. It is given back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON string: pass one with its quotes, as serde_json writes it")]
pub struct NotJsonString(pub String);

impl Message {
    /// A text message.
    pub fn text(text: impl Into<ByteString>) -> Self {
        Self(Content::Text { text: text.into(), json: Json::Unknown })
    }

    /// A text of which it is known already that nothing in it is escaped when it is sent.
    pub(crate) fn plain(text: &str) -> Self {
        debug_assert!(quote::is_plain(text), "something in it is to be escaped");
        Self(Content::Text { text: text.into(), json: Json::Plain })
    }

    /// A binary message; only the raw WebSocket path carries it.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self(Content::Binary(bytes.into()))
    }

    /// A text message from its JSON form, a JSON string with its quotes.
    ///
    /// # Errors
    /// If `json` is no JSON string.
    pub fn from_json(json: impl Into<String>) -> Result<Self, NotJsonString> {
        let json = json.into();
        match serde_json::from_str::<String>(&json) {
            // Decoded and quoted anew when sent: the sender need not know which characters
            // SockJS escapes beyond JSON's.
            Ok(text) => Ok(Self::text(text).encode()),
            Err(_) => Err(NotJsonString(json)),
        }
    }

    /// The text, unless the message is binary.
    pub fn as_text(&self) -> Option<&str> {
        match &self.0 {
            Content::Text { text, .. } => Some(text),
            Content::Binary(_) => None,
        }
    }

    /// As [`as_text`](Self::as_text), to be shared in parts.
    pub(crate) fn text_content(&self) -> Option<&ByteString> {
        match &self.0 {
            Content::Text { text, .. } => Some(text),
            Content::Binary(_) => None,
        }
    }

    /// The content: UTF-8 for a text message.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Content::Text { text, .. } => text.as_bytes(),
            Content::Binary(bytes) => bytes,
        }
    }

    /// The content, without a copy.
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Content::Text { text, .. } => text.into_bytes(),
            Content::Binary(bytes) => bytes,
        }
    }

    /// The text, or the message back if it is binary.
    ///
    /// # Errors
    /// If the message is binary.
    pub fn into_text(self) -> Result<String, Self> {
        match self.0 {
            Content::Text { text, .. } => Ok(text.into()),
            binary @ Content::Binary(_) => Err(Self(binary)),
        }
    }

    /// Whether the message is bytes, not text.
    pub fn is_binary(&self) -> bool {
        matches!(self.0, Content::Binary(_))
    }

    /// Length of the content in bytes.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether the content is empty. An empty message is a message.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Works out the JSON form now, so that it need not be done when frames are built.
    #[must_use]
    pub fn encode(self) -> Self {
        match self.0 {
            Content::Text { text, json: Json::Unknown } => {
                let json = if quote::is_plain(&text) {
                    Json::Plain
                } else {
                    let mut quoted = BytesMut::new();
                    quote::quote(&text, &mut quoted);
                    Json::Quoted(Arc::new(quoted.freeze()))
                };
                Self(Content::Text { text, json })
            }
            encoded => Self(encoded),
        }
    }

    /// Whether the JSON form is known already.
    #[cfg(feature = "trace")]
    pub(crate) fn is_encoded(&self) -> bool {
        !matches!(self.0, Content::Text { json: Json::Unknown, .. })
    }

    /// What the message costs of a queue's budget, in bytes.
    pub(crate) fn cost(&self) -> usize {
        let json = match &self.0 {
            Content::Text { json: Json::Quoted(quoted), .. } => quoted.len(),
            _ => 0,
        };
        self.len().max(json) + MESSAGE_OVERHEAD_BYTES
    }

    /// Appends the JSON form. A binary message has none and appends an empty string; the endpoint
    /// refuses it before it can come here.
    pub(crate) fn write_json(&self, out: &mut BytesMut) {
        match &self.0 {
            Content::Text { json: Json::Quoted(quoted), .. } => out.put_slice(quoted),
            Content::Text { text, json: Json::Plain } => {
                out.reserve(text.len() + 2);
                out.put_u8(b'"');
                out.put_slice(text.as_bytes());
                out.put_u8(b'"');
            }
            Content::Text { text, json: Json::Unknown } => quote::quote(text, out),
            Content::Binary(_) => out.put_slice(b"\"\""),
        }
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<ByteString> for Message {
    fn from(text: ByteString) -> Self {
        Self::text(text)
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::binary(bytes)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::binary(bytes)
    }
}

/// Two messages are equal if their kinds and contents are; what is known of the JSON form does not
/// count.
impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.is_binary() == other.is_binary() && self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Message {}

impl PartialEq<str> for Message {
    fn eq(&self, other: &str) -> bool {
        self.as_text() == Some(other)
    }
}

impl PartialEq<&str> for Message {
    fn eq(&self, other: &&str) -> bool {
        self.as_text() == Some(*other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(message: &Message) -> String {
        let mut out = BytesMut::new();
        message.write_json(&mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn encoded_early_or_late_is_the_same() {
        for text in ["", "plain", "tab\t", "\u{2028}", "emoji 😀"] {
            let late = Message::text(text);
            assert_eq!(json(&late), json(&late.clone().encode()));
            assert_eq!(late, late.clone().encode());
        }
    }

    #[test]
    fn json_strings_are_taken_and_escaped_as_sockjs_does() {
        let message = Message::from_json("\"a\u{2028}\\u0041\"").unwrap();
        assert_eq!(message, "a\u{2028}A");
        assert_eq!(json(&message), "\"a\\u2028A\"");
        assert_eq!(Message::from_json("[1]").unwrap_err(), NotJsonString("[1]".into()));
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn a_message_is_small_for_queues_and_futures_hold_many() {
        assert_eq!(size_of::<Option<Message>>(), 48);
    }

    #[test]
    fn binary_is_not_text() {
        let message = Message::binary(&b"a"[..]);
        assert_ne!(message, Message::text("a"));
        assert_eq!(message.as_text(), None);
        assert!(message.into_text().is_err());
    }
}
