//! What a client's frames come out as.

use bytes::BytesMut;
use sockjs_core::{ClientFrame, CloseReason};
use tungstenite::Message;

use super::frame::{NOT_UTF8, Violation};

/// Something arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming<'r> {
    /// A whole text message.
    Text(&'r str),
    /// A whole binary message.
    Binary(&'r [u8]),
    /// The peer lives: its answer to a ping, or a pong out of the blue.
    Pong,
    /// The peer's close: echoed into the output, or the answer to ours. Nothing follows.
    Closed(Option<(u16, String)>),
}

/// The message that was read last, of which [`Incoming`] is a view. It is in the memory that was read into:
/// let go of it before that is to grow, as by a read that finds nothing more.
#[derive(Debug, Default)]
pub struct Received(Held);

#[derive(Debug, Default)]
enum Held {
    #[default]
    Nothing,
    /// In one frame, unmasked and not looked at.
    Text(BytesMut),
    /// In one frame.
    Binary(BytesMut),
    /// What tungstenite's machine made of frames.
    Joined(Message),
}

impl Received {
    pub(super) fn text(payload: BytesMut) -> Self {
        Self(Held::Text(payload))
    }

    pub(super) fn binary(payload: BytesMut) -> Self {
        Self(Held::Binary(payload))
    }

    pub(super) fn joined(message: Message) -> Self {
        Self(Held::Joined(message))
    }

    /// What it is, if a text is UTF-8. Without `unsafe` no `str` can be kept beside its bytes: so they are
    /// looked through here, once.
    pub(super) fn view(&self) -> Result<Option<Incoming<'_>>, Violation> {
        Ok(match &self.0 {
            Held::Text(bytes) => {
                Some(Incoming::Text(simdutf8::basic::from_utf8(bytes).map_err(|_| NOT_UTF8)?))
            }
            Held::Binary(bytes) => Some(Incoming::Binary(bytes)),
            Held::Joined(Message::Text(text)) => Some(Incoming::Text(text)),
            Held::Joined(Message::Binary(bytes)) => Some(Incoming::Binary(bytes)),
            Held::Joined(Message::Pong(_)) => Some(Incoming::Pong),
            Held::Joined(_) | Held::Nothing => None,
        })
    }
}

impl<'r> From<Incoming<'r>> for ClientFrame<'r> {
    fn from(incoming: Incoming<'r>) -> Self {
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
