//! The account of a session at its end (DESIGN §3).

use serde::{Deserialize, Serialize};

use crate::message::Message;
use crate::tally::Kind;
use crate::wire::close::CloseReason;

/// What became of a session and of its messages. Exactly one is made for each session that opened.
///
/// `accepted` is the sum of `confirmed`, [`uncertain`](Self::uncertain) and the number of `unsent`
/// messages (invariant 2).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Who or what ended the session.
    pub cause: Cause,
    /// The code and reason that the client was told, or told us.
    pub reason: CloseReason,
    /// Messages that the application's sends handed over.
    pub accepted: u64,
    /// Of those, messages whose bytes were written, in the sense of `grade`.
    pub written: u64,
    /// Of those, messages that the client is known to have received: its next request came after
    /// they were written.
    pub confirmed: u64,
    /// Messages that the client certainly did not receive, in order.
    pub unsent: Vec<Message>,
    /// Messages of the client that the application had not taken, in order.
    pub unread: Vec<Message>,
    /// What `written` means here.
    pub grade: Grade,
}

impl Report {
    /// Messages handed to a receiver of which nobody can know whether they arrived. They are never
    /// sent again.
    pub fn uncertain(&self) -> u64 {
        self.accepted - self.confirmed - self.unsent.len() as u64
    }
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// The application closed it, or its handler returned.
    Application,
    /// The client left: it closed its WebSocket, or broke off its request, which is how clients
    /// over HTTP say goodbye.
    ClientGone,
    /// No receiver came within the disconnect delay.
    Expired,
    /// A frame was lost on its way, so that the order could not be kept.
    Interrupted,
    /// No pong came within its deadline.
    Heartbeat,
    /// The receiver made no progress for the write stall limit.
    SlowConsumer,
    /// The application made no progress for the send patience.
    SlowApplication,
    /// The client broke the protocol, took too long to send a long message, or found no room for one.
    ProtocolError,
    /// The application's handler panicked.
    HandlerPanic,
    /// The server shut down.
    Shutdown,
}

impl Cause {
    /// All causes, in order of declaration.
    pub const ALL: &'static [Self] = &[
        Self::Application,
        Self::ClientGone,
        Self::Expired,
        Self::Interrupted,
        Self::Heartbeat,
        Self::SlowConsumer,
        Self::SlowApplication,
        Self::ProtocolError,
        Self::HandlerPanic,
        Self::Shutdown,
    ];

    /// The name in statistics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::ClientGone => "client_gone",
            Self::Expired => "expired",
            Self::Interrupted => "interrupted",
            Self::Heartbeat => "heartbeat",
            Self::SlowConsumer => "slow_consumer",
            Self::SlowApplication => "slow_application",
            Self::ProtocolError => "protocol_error",
            Self::HandlerPanic => "handler_panic",
            Self::Shutdown => "shutdown",
        }
    }
}

impl Kind for Cause {
    type Counts = [u64; Self::ALL.len()];

    const ALL: &'static [Self] = Self::ALL;

    fn index(self) -> usize {
        self as usize
    }

    fn name(self) -> &'static str {
        self.name()
    }
}

/// How far `written` reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Grade {
    /// Taken by the server around us, which may still hold it.
    #[default]
    Taken,
    /// Flushed to the socket.
    Socket,
}
