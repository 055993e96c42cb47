//! What a trace consists of, and its encoding.

use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::MAGIC;
use super::replay::ReplayError;
use crate::{Cause, Grade, Refused, Transport};

/// One entry of a trace. Several endpoints may share a trace, by their numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Entry {
    /// An endpoint's recording begins.
    Begin {
        /// Its number in the trace.
        endpoint: u32,
        /// Whether text and secrets are replaced.
        redacted: bool,
        /// Its settings, as JSON: so old traces can be read when there are more settings.
        setup: String,
    },
    /// A call on an endpoint.
    Step {
        /// The endpoint's number.
        endpoint: u32,
        /// Microseconds since the call before; time never runs backwards here.
        after: u64,
        /// What it was told.
        input: Input,
        /// What it returned.
        output: Output,
    },
}

/// A call on an endpoint, named as its methods are. Sessions are told by the numbers of their keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // The fields say what they are.
#[non_exhaustive]
pub enum Input {
    Receive(Request),
    Send(Request),
    Websocket(Request),
    /// First tried so many microseconds before.
    Messages {
        session: u64,
        batch: Vec<Text>,
        waited: u64,
    },
    LastMessages {
        session: u64,
        batch: Vec<Text>,
    },
    Written(Chunk),
    Lost(Chunk),
    Gone {
        receiver: u64,
        why: Why,
    },
    Pong {
        session: u64,
    },
    Alive {
        session: u64,
    },
    Panic {
        session: u64,
    },
    Timeout,
    AppSend {
        session: u64,
        message: Text,
    },
    AppRecv {
        session: u64,
    },
    AppClose {
        session: u64,
        code: u16,
        text: String,
    },
    Shutdown {
        code: u16,
        text: String,
    },
    CutOff,
    PollEvent,
    PollTransmit {
        receiver: u64,
    },
    PollTimeout,
    AppPeek {
        session: u64,
    },
}

/// A request that names a session or opens one, as routing found it to be in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub headers: Vec<(String, Vec<u8>)>,
    /// The client's address, proxies aside.
    pub client: Option<IpAddr>,
    pub grade: Grade,
    /// Whom the application's `authorize` found.
    pub who: Option<String>,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
#[non_exhaustive]
pub enum Text {
    Plain(String),
    /// Its JSON form was worked out before it was sent, which counts in its cost.
    Encoded(String),
    Binary(Vec<u8>),
}

/// A frame's number among those of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct Chunk {
    pub session: u64,
    pub seq: u64,
}

/// Why a receiver ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
#[non_exhaustive]
pub enum Why {
    Disconnected,
    Closed(Option<(u16, String)>),
    Stalled,
    Violation(u16, String),
}

/// What a call returned. Bytes are told by their length and a checksum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
#[non_exhaustive]
pub enum Output {
    Nothing,
    Respond {
        status: u16,
        check: u32,
    },
    Receiver {
        receiver: u64,
        transport: Transport,
        session: Option<u64>,
        check: u32,
    },
    Collect {
        session: u64,
        max_bytes: usize,
    },
    Delivered(Result<(), Refused>),
    Sent,
    Full,
    Closed,
    NotText,
    Message(Option<(usize, u32)>),
    Event(Option<Seen>),
    Transmit(Option<Frame>),
    Deadline(Option<u64>),
    /// Only in a replay: routing finds another request than it was, or none.
    Misrouted,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
#[non_exhaustive]
pub enum Seen {
    Opened {
        session: u64,
        transport: Transport,
        check: u32,
    },
    Readable(u64),
    Writable(u64),
    Transmit(u64),
    Resume(u64),
    Closed {
        session: u64,
        cause: Cause,
        code: u16,
        grade: Grade,
        accepted: u64,
        written: u64,
        confirmed: u64,
        unsent: usize,
        unread: usize,
        /// Of all unsent and unread messages.
        check: u32,
    },
}

/// A frame that was handed out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct Frame {
    pub chunk: Option<Chunk>,
    pub len: usize,
    /// Of the kind, a close's code and text, and the bytes.
    pub check: u32,
    pub fin: bool,
}

impl Entry {
    /// Appends the entry.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        // What is encoded is plain data in memory: it cannot fail.
        if let Ok(bytes) = postcard::to_allocvec(self) {
            out.extend_from_slice(&bytes);
        }
    }
}

/// The entries of a trace, in order. One that was cut off in the midst of its last entry, as by a
/// server that was killed, ends before it.
pub fn entries(trace: &[u8]) -> impl Iterator<Item = Result<Entry, ReplayError>> + '_ {
    let begun = trace.strip_prefix(MAGIC);
    let refusal = begun.is_none().then_some(Err(ReplayError::NotATrace));
    let mut rest = begun.unwrap_or_default();
    let read = move || {
        if rest.is_empty() {
            return None;
        }
        let at = trace.len() - rest.len();
        match postcard::take_from_bytes(rest) {
            Ok((entry, left)) => {
                rest = left;
                Some(Ok(entry))
            }
            Err(error) => {
                rest = &[];
                let is_cut = error == postcard::Error::DeserializeUnexpectedEnd;
                (!is_cut).then_some(Err(ReplayError::Broken { at }))
            }
        }
    };
    refusal.into_iter().chain(std::iter::from_fn(read))
}
