//! Checksums of what an endpoint gives out.

use std::hash::Hasher;

use bytes::Bytes;
use http::header::{HeaderMap, SET_COOKIE};
use http::{Response, StatusCode};

use super::entry::{Chunk, Frame, Output, Seen};
use super::redact;
use crate::{
    Action, ChunkId, ConnectionInfo, Event, FrameKind, Message, Report, SendError, SessionKey,
    Transmit,
};

/// The number of a session's key.
pub(super) fn number(key: SessionKey) -> u64 {
    slotmap::Key::data(&key.slot).as_ffi()
}

pub(super) fn chunk(chunk: ChunkId) -> Chunk {
    Chunk { session: number(chunk.session), seq: chunk.seq }
}

/// FNV-1a of 64 bits: no hash of the standard library stays the same over its versions.
pub(super) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Fnv {
    fn check(self) -> u32 {
        ((self.0 >> 32) ^ (self.0 & u64::from(u32::MAX))) as u32
    }
}

/// Tells outputs by checksums: of their bytes, or in a redacted trace of what does not depend on
/// the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Checks {
    pub(super) redacted: bool,
}

impl Checks {
    pub(super) fn action(self, action: &Action) -> Output {
        match action {
            Action::Respond(response) => Output::Respond {
                status: response.status().as_u16(),
                check: self.response(response),
            },
            Action::Poll { head, receiver }
            | Action::Stream { head, receiver }
            | Action::Upgrade { head, receiver } => Output::Receiver {
                receiver: receiver.number(),
                transport: receiver.transport(),
                session: receiver.session().map(number),
                check: self.head(head.status(), head.headers()).check(),
            },
            Action::Collect { session, max_bytes, .. } => {
                Output::Collect { session: number(*session), max_bytes: *max_bytes }
            }
        }
    }

    pub(super) fn sent(sent: &Result<(), SendError>) -> Output {
        match sent {
            Ok(()) => Output::Sent,
            Err(SendError::Full(_)) => Output::Full,
            Err(SendError::Closed(_)) => Output::Closed,
            Err(SendError::NotText(_)) => Output::NotText,
        }
    }

    pub(super) fn received(self, message: Option<&Message>) -> Output {
        Output::Message(message.map(|message| (message.len(), self.messages([message]))))
    }

    pub(super) fn event(self, event: Option<&Event>) -> Output {
        Output::Event(event.map(|event| match event {
            Event::Opened(key, info) => Seen::Opened {
                session: number(*key),
                transport: info.transport(),
                check: self.info(info),
            },
            Event::Readable(key) => Seen::Readable(number(*key)),
            Event::Writable(key) => Seen::Writable(number(*key)),
            Event::Transmit(key) => Seen::Transmit(number(*key)),
            Event::Resume(key) => Seen::Resume(number(*key)),
            Event::Closed(key, report) => self.report(*key, report),
        }))
    }

    /// `bytes` are those that were appended.
    pub(super) fn transmit(self, transmit: Option<&Transmit>, bytes: &[u8]) -> Output {
        Output::Transmit(transmit.map(|transmit| {
            let mut hasher = Fnv::default();
            match &transmit.frame {
                FrameKind::Text => hasher.write_u8(0),
                FrameKind::Binary => hasher.write_u8(1),
                FrameKind::Ping => hasher.write_u8(2),
                FrameKind::Close(reason) => {
                    hasher.write_u16(reason.code());
                    self.bytes(reason.text().as_bytes(), false, &mut hasher);
                }
            }
            self.bytes(bytes, transmit.frame == FrameKind::Binary, &mut hasher);
            Frame {
                chunk: transmit.chunk.map(chunk),
                len: bytes.len(),
                check: hasher.check(),
                fin: transmit.fin,
            }
        }))
    }

    fn response(self, response: &Response<Bytes>) -> u32 {
        let mut hasher = self.head(response.status(), response.headers());
        hasher.write(response.body());
        hasher.check()
    }

    fn head(self, status: StatusCode, headers: &HeaderMap) -> Fnv {
        let mut hasher = Fnv::default();
        hasher.write_u16(status.as_u16());
        if !self.redacted {
            for (name, value) in headers.iter().filter(|(name, _)| **name != SET_COOKIE) {
                hasher.write(name.as_str().as_bytes());
                hasher.write(value.as_bytes());
            }
        }
        hasher
    }

    fn info(self, info: &ConnectionInfo) -> u32 {
        let mut hasher = Fnv::default();
        hasher.write(info.path().as_bytes());
        if !self.redacted {
            hasher.write(format!("{:?}{:?}", info.remote_addr(), info.query()).as_bytes());
            for (name, value) in info.headers() {
                hasher.write(name.as_bytes());
                hasher.write(value);
            }
        }
        hasher.check()
    }

    fn report(self, key: SessionKey, report: &Report) -> Seen {
        Seen::Closed {
            session: number(key),
            cause: report.cause,
            code: report.reason.code(),
            grade: report.grade,
            accepted: report.accepted,
            written: report.written,
            confirmed: report.confirmed,
            unsent: report.unsent.len(),
            unread: report.unread.len(),
            check: self.messages(report.unsent.iter().chain(&report.unread)),
        }
    }

    fn messages<'m>(self, messages: impl IntoIterator<Item = &'m Message>) -> u32 {
        let mut hasher = Fnv::default();
        for message in messages {
            hasher.write_usize(message.len());
            self.bytes(message.as_bytes(), message.is_binary(), &mut hasher);
        }
        hasher.check()
    }

    fn bytes(self, bytes: &[u8], is_binary: bool, hasher: &mut Fnv) {
        match self.redacted {
            false => hasher.write(bytes),
            true if is_binary => hasher.write_usize(bytes.len()),
            true => redact::shape(bytes, hasher),
        }
    }
}
