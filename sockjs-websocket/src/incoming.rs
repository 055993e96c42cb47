//! What a client's frames come out as.

use std::ops::Range;

use sockjs_core::{ClientFrame, CloseReason};
use tungstenite::Message;

use super::frame::{NOT_UTF8, Violation};

/// Something arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming<'m> {
    /// A whole text message.
    Text(&'m str),
    /// A whole binary message.
    Binary(&'m [u8]),
    /// The peer lives: its answer to a ping, or a pong out of the blue.
    Pong,
    /// The peer's close: echoed into the output, or the answer to ours. Nothing follows.
    Closed(Option<(u16, String)>),
}

/// What stands next in the input.
pub(super) enum Found {
    /// No whole message.
    Nothing,
    /// A message in one frame, whose payload is there, and not looked at.
    Alone { is_text: bool, payload: Range<usize> },
    /// What tungstenite's machine made of frames.
    Joined(Message),
    /// A close.
    Closed(Option<(u16, String)>),
}

impl<'m> Incoming<'m> {
    /// A message, if it is one: a text must be UTF-8.
    pub(super) fn new(is_text: bool, payload: &'m [u8]) -> Result<Self, Violation> {
        if !is_text {
            return Ok(Self::Binary(payload));
        }
        simdutf8::basic::from_utf8(payload).map(Self::Text).map_err(|_| NOT_UTF8)
    }

    /// What the machine made, which has looked at it.
    pub(super) fn joined(message: &'m Message) -> Option<Self> {
        match message {
            Message::Text(text) => Some(Self::Text(text)),
            Message::Binary(bytes) => Some(Self::Binary(bytes)),
            Message::Pong(_) => Some(Self::Pong),
            _ => None,
        }
    }
}

impl<'m> From<Incoming<'m>> for ClientFrame<'m> {
    fn from(incoming: Incoming<'m>) -> Self {
        match incoming {
            Incoming::Text(text) => Self::Text(text),
            Incoming::Binary(bytes) => Self::Binary(bytes),
            Incoming::Pong => Self::Pong,
            Incoming::Closed(close) => {
                Self::Close(close.map(|(code, text)| CloseReason::new(code, text)))
            }
        }
    }
}
