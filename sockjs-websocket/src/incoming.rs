//! What a client's frames come out as.

use std::ops::Deref;

use bytes::Bytes;
use sockjs_core::{ClientFrame, CloseReason};
use tungstenite::Utf8Bytes;

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

/// The text of a message. It shares the machine's buffer: copy what is kept for long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(pub(super) Utf8Bytes);

impl Text {
    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
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
