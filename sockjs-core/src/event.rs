//! What an endpoint gives out: keys, transmits, events, actions.

use std::fmt;

use bytes::Bytes;
use http::Response;
use serde::{Deserialize, Serialize};

use crate::info::ConnectionInfo;
use crate::limits::DRAINED_BYTES;
use crate::message::Message;
use crate::permit::SendReply;
use crate::receiver::Receiver;
use crate::report::Report;
use crate::wire::close::CloseReason;

slotmap::new_key_type! {
    /// A session's place within its endpoint.
    pub(crate) struct Slot;
}

/// A session of an endpoint. Never reused for another one; it tells nothing of the session's id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey {
    pub(crate) shard: u16,
    pub(crate) slot: Slot,
}

impl SessionKey {
    /// The number of the endpoint that owns the session, as given to it when it was made.
    pub fn shard(self) -> u16 {
        self.shard
    }

    /// A small number that no other session of the endpoint has at the same time: for tables beside
    /// it. Later sessions use it again.
    pub fn index(self) -> usize {
        (slotmap::Key::data(&self.slot).as_ffi() & u64::from(u32::MAX)) as usize
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session {}.{:?}", self.shard, slotmap::Key::data(&self.slot))
    }
}

/// A frame that was handed out, for the word on what became of it. Outlives its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChunkId {
    /// The session that handed it out.
    pub session: SessionKey,
    /// Its number: later ones of a session have higher numbers.
    pub seq: u64,
}

/// A frame for a receiver; its bytes were appended to the caller's buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a frame handed out must be written, or reported as lost"]
#[non_exhaustive]
pub struct Transmit {
    /// For [`Endpoint::handle_written`](crate::Endpoint::handle_written) or
    /// [`handle_lost`](crate::Endpoint::handle_lost); `None` where the protocol does not ask.
    pub chunk: Option<ChunkId>,
    /// What kind of WebSocket frame it is. Over HTTP always text: append the bytes to the body.
    pub frame: FrameKind,
    /// Nothing follows: end the response; after [`FrameKind::Close`], the WebSocket.
    pub fin: bool,
    /// There may be another frame already. If not, there is none until [`Event::Transmit`] names the
    /// session, and it need not be asked for.
    pub more: bool,
}

/// A kind of WebSocket frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// The bytes are a text message.
    Text,
    /// The bytes are a binary message.
    Binary,
    /// A ping without payload; there are no bytes.
    Ping,
    /// A close with [`CloseReason::websocket_code`] and text; there are no bytes.
    Close(CloseReason),
}

/// What came from a WebSocket's client, as the driver's codec read it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientFrame<'a> {
    /// A text message, whole.
    Text(&'a str),
    /// A binary message, whole.
    Binary(&'a [u8]),
    /// A pong, whether it was asked for or not. Pings are the codec's to answer.
    Pong,
    /// The client's close, perhaps with a code and a reason. It is the codec's to echo; nothing is
    /// transmitted after it.
    Close(Option<CloseReason>),
    /// What is no WebSocket, or over the limit; to be closed with this.
    Violation(CloseReason),
}

/// What to do for a request that the endpoint decided on. A driver must do each of these, so that
/// another one would be a breaking change.
#[derive(Debug)]
#[must_use = "it has the answer, and perhaps a receiver to be transmitted for"]
pub enum Action {
    /// Answer at once.
    Respond(Response<Bytes>),
    /// Answer when the first frame is there, with it and its `Content-Length`.
    Poll {
        /// Status and headers.
        head: Response<()>,
        /// Takes one frame.
        receiver: Receiver,
    },
    /// Send the head at once, then each frame as a chunk of its own.
    Stream {
        /// Status and headers.
        head: Response<()>,
        /// Takes frames until `fin`.
        receiver: Receiver,
    },
    /// Send the 101, then transmit and receive as a WebSocket.
    Upgrade {
        /// Status and headers.
        head: Response<()>,
        /// Takes frames until `fin`.
        receiver: Receiver,
    },
    /// Read the body, up to a limit, then [`SendReply::read`] it and pass the messages to
    /// [`Endpoint::handle_messages`](crate::Endpoint::handle_messages).
    Collect {
        /// The session that the messages are for.
        session: SessionKey,
        /// Longest body that is read.
        max_bytes: usize,
        /// Reads the body and makes the answer.
        reply: SendReply,
    },
}

impl Action {
    /// The longest body of the request that is to be read: the messages' of [`Action::Collect`]; with
    /// any other, what is dropped so that the connection can go on. After a longer one it must close.
    pub fn max_body_bytes(&self) -> usize {
        match self {
            Self::Collect { max_bytes, .. } => *max_bytes,
            _ => DRAINED_BYTES,
        }
    }
}

/// Something that became ready. At most one of a kind is queued for a session. A driver must heed
/// each of these, so that another one would be a breaking change.
#[derive(Debug)]
pub enum Event {
    /// The session is open: run the application. Always the first event that concerns it.
    Opened(SessionKey, ConnectionInfo),
    /// [`Endpoint::recv`](crate::Endpoint::recv) has a message again, or never will, since the
    /// session is being closed.
    Readable(SessionKey),
    /// [`Endpoint::send`](crate::Endpoint::send) may have room again after it said full.
    Writable(SessionKey),
    /// [`Endpoint::poll_transmit`](crate::Endpoint::poll_transmit) has a frame for the session's
    /// receiver again.
    Transmit(SessionKey),
    /// [`Endpoint::handle_messages`](crate::Endpoint::handle_messages) may be tried again after it
    /// said full; or [`Endpoint::poll_transmit`](crate::Endpoint::poll_transmit), for a receiver
    /// that holds messages.
    Resume(SessionKey),
    /// The session ended. Always the last event for the application; a receiver may still be told
    /// to transmit its close frame.
    Closed(SessionKey, Report),
}

/// Why a receiver ended before its `fin`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gone {
    /// The connection ended: a reset, an end of file, a cancelled stream.
    Disconnected,
    /// The client closed its WebSocket, perhaps with a code and a reason.
    Closed(Option<CloseReason>),
    /// The client took nothing of what was written to it for the write stall limit.
    Stalled,
    /// The client broke a rule; the WebSocket was closed with this.
    Violation(CloseReason),
}

/// Why messages of a client were not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Too many wait for the application. Try again after [`Event::Resume`].
    #[error("the application lags: try again after the resume event")]
    Full,
    /// The application lagged for longer than the send patience.
    #[error("the application lagged for too long: the session ends")]
    Overdue,
    /// The session ended, or never was.
    #[error("the session is gone")]
    Gone,
}

/// Why a message was not accepted; it is given back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The queue is full. Try again after [`Event::Writable`].
    #[error("the session's queue is full: wait until it is writable")]
    Full(Message),
    /// The session is closing or closed.
    #[error("the session is closed")]
    Closed(Message),
    /// The message is bytes, and the session's transport carries text only.
    #[error("only the raw websocket path carries bytes: send text")]
    NotText(Message),
}

impl SendError {
    /// The message that was not accepted.
    pub fn into_message(self) -> Message {
        match self {
            Self::Full(message) | Self::Closed(message) | Self::NotText(message) => message,
        }
    }
}
