//! What comes out of a simulated endpoint.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::{ChunkId, FrameKind, Report, SessionKey, Transport};

/// Something that the endpoint did. Shows as a line of the transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The fields say what they are.
pub enum Output {
    /// A request was answered without a receiver.
    Answered { client: Arc<str>, status: u16 },
    /// The first bytes of a stream.
    Prelude { client: Arc<str>, bytes: Bytes },
    /// A frame for a client; `fin` ends its response or WebSocket.
    Frame { client: Arc<str>, chunk: Option<ChunkId>, kind: FrameKind, bytes: Bytes, fin: bool },
    /// A session opened; sessions are numbered from 1, in the order of their opening.
    Opened { session: usize, key: SessionKey, transport: Transport },
    /// A session has messages again.
    Readable { session: usize, key: SessionKey },
    /// A session has room again.
    Writable { session: usize, key: SessionKey },
    /// A session ended.
    Closed { session: usize, key: SessionKey, report: Box<Report> },
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered { client, status } => write!(f, "{client}: {status}"),
            Self::Prelude { client, .. } => write!(f, "{client}: prelude"),
            Self::Frame { client, kind, bytes, fin, .. } => {
                write!(f, "{client}: ")?;
                match kind {
                    FrameKind::Ping => f.write_str("ping")?,
                    FrameKind::Close(reason) => {
                        write!(f, "close {} {}", reason.websocket_code(), reason.text())?;
                    }
                    FrameKind::Binary => write!(f, "binary {}", bytes.escape_ascii())?,
                    FrameKind::Text => write!(f, "{}", bytes.escape_ascii())?,
                }
                f.write_str(if *fin { " end" } else { "" })
            }
            Self::Opened { session, transport, .. } => {
                write!(f, "#{session}: opened by {transport}")
            }
            Self::Readable { session, .. } => write!(f, "#{session}: readable"),
            Self::Writable { session, .. } => write!(f, "#{session}: writable"),
            Self::Closed { session, report, .. } => {
                write!(f, "#{session}: closed {:?} {}", report.cause, report.reason)?;
                for (name, count) in [
                    ("written", report.written),
                    ("confirmed", report.confirmed),
                    ("uncertain", report.uncertain()),
                    ("unsent", report.unsent.len() as u64),
                    ("unread", report.unread.len() as u64),
                ] {
                    if count > 0 {
                        write!(f, ", {name} {count}")?;
                    }
                }
                Ok(())
            }
        }
    }
}
