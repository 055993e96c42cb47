//! What servers speak above WebSocket and HTTP.

use crate::Result;
use crate::text::{Form, Text};

/// A way to wrap messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    SockJs,
    /// Version 4 of engine.io's protocol.
    EngineIo,
    /// Messages as they are.
    Plain,
}

/// Separates the packets of one engine.io payload.
const RECORD_SEPARATOR: u8 = 0x1e;

/// What a frame of the server means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Incoming<'a> {
    /// The session is open.
    Opened,
    /// Messages, for [`Dialect::count`].
    Messages(&'a [u8]),
    /// The server has taken a send request.
    Sent,
    /// The session is closed.
    Closed,
    /// The server wants an answer that shows life.
    Ping,
    /// Shows life.
    Idle,
}

impl Dialect {
    pub(crate) fn parse(name: &str) -> Result<Self> {
        match name {
            "sockjs" => Ok(Self::SockJs),
            "engineio" => Ok(Self::EngineIo),
            "plain" => Ok(Self::Plain),
            _ => Err(format!("no such dialect: {name}; known: sockjs, engineio, plain").into()),
        }
    }

    /// Reads one frame.
    pub(crate) fn read<'a>(self, frame: &'a [u8]) -> Result<Incoming<'a>> {
        Ok(match (self, frame) {
            (Self::Plain, _) | (Self::SockJs, [b'a', ..]) => Incoming::Messages(frame),
            (Self::EngineIo, [b'4', message @ ..]) => Incoming::Messages(message),
            (Self::SockJs, b"o") | (Self::EngineIo, [b'0', ..]) => Incoming::Opened,
            (Self::SockJs, [b'c', ..]) | (Self::EngineIo, b"1") => Incoming::Closed,
            (Self::EngineIo, b"2") => Incoming::Ping,
            (Self::SockJs, [b'h', ..]) | (Self::EngineIo, b"6") => Incoming::Idle,
            _ => return Err(format!("no frame: {}", crate::text::show(frame)).into()),
        })
    }

    /// Splits the body of a poll into frames.
    pub(crate) fn split(self, body: &[u8]) -> impl Iterator<Item = &[u8]> {
        let separator = match self {
            Self::EngineIo => RECORD_SEPARATOR,
            Self::SockJs | Self::Plain => b'\n',
        };
        body.split(move |byte| *byte == separator).filter(|frame| !frame.is_empty())
    }

    /// Counts the messages in what was received, which must be those from this stamp on.
    pub(crate) fn count(self, text: &Text, messages: &[u8], first: u64) -> Result<u32> {
        match self {
            Self::SockJs => text.count(messages, first),
            _ if text.is(first, messages) => Ok(1),
            _ => Err(format!("not message {first:x}: {}", crate::text::show(messages)).into()),
        }
    }

    /// Appends a message to those that shall be sent together.
    pub(crate) fn append(self, text: &Text, stamp: u64, pending: &mut Vec<u8>) {
        match self {
            Self::SockJs => {
                pending.push(if pending.is_empty() { b'[' } else { b',' });
                text.write(Form::Quoted, stamp, pending);
            }
            Self::EngineIo => {
                begin_packet(b'4', pending);
                text.write(Form::Plain, stamp, pending);
            }
            Self::Plain => text.write(Form::Plain, stamp, pending),
        }
    }

    /// Appends the answer to a ping, of which SockJS has none.
    pub(crate) fn append_pong(self, pending: &mut Vec<u8>) {
        if self == Self::EngineIo {
            begin_packet(b'3', pending);
        }
    }

    /// What follows the messages that [`append`](Self::append) put together.
    pub(crate) fn end(self) -> &'static [u8] {
        match self {
            Self::SockJs => b"]",
            Self::EngineIo | Self::Plain => b"",
        }
    }
}

/// Appends the beginning of an engine.io packet.
fn begin_packet(kind: u8, pending: &mut Vec<u8>) {
    if !pending.is_empty() {
        pending.push(RECORD_SEPARATOR);
    }
    pending.push(kind);
}
