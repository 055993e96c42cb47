//! What a client's frames come out as.

use std::ops::Deref;

use bytes::Bytes;
use sockjs_core::{ClientFrame, CloseReason};

use super::frame::{NOT_UTF8, Violation};

/// Something arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A whole text message.
    Text(Text),
    /// A whole binary message, sharing its buffer as a text does.
    Binary(Bytes),
    /// The peer lives: its answer to a ping, or a pong out of the blue.
    Pong,
    /// The peer's close: echoed into the output, or the answer to ours. Nothing follows.
    Closed(Option<(u16, String)>),
}

/// The text of a message. It shares the buffer that it was read into: copy what is kept for long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(Bytes);

impl Text {
    /// The text. Looked through once more, which costs little beside what is done with a text.
    pub fn as_str(&self) -> &str {
        simdutf8::basic::from_utf8(&self.0).unwrap_or_default()
    }

    /// The text that these are, if they are UTF-8.
    pub(super) fn new(bytes: Bytes) -> Result<Self, Violation> {
        match simdutf8::basic::from_utf8(&bytes) {
            Ok(_) => Ok(Self(bytes)),
            Err(_) => Err(NOT_UTF8),
        }
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl<'a> From<&'a Incoming> for ClientFrame<'a> {
    fn from(incoming: &'a Incoming) -> Self {
        match incoming {
            Incoming::Text(text) => Self::Text(text),
            Incoming::Binary(bytes) => Self::Binary(bytes),
            Incoming::Pong => Self::Pong,
            Incoming::Closed(close) => {
                let reason = |(code, text): &(u16, String)| CloseReason::new(*code, text.clone());
                Self::Close(close.as_ref().map(reason))
            }
        }
    }
}
