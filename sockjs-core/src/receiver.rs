//! Receivers: responses and WebSockets that take a session's frames.

use std::fmt;

use bytes::BytesMut;

use crate::event::{ChunkId, FrameKind, SessionKey, Transmit};
use crate::message::Message;
use crate::wire::callback::Callback;
use crate::wire::close::CloseReason;
use crate::wire::frame;
use crate::wire::transport::Transport;

/// One response or WebSocket that takes frames, to be passed to
/// [`Endpoint::poll_transmit`](crate::Endpoint::poll_transmit) until a transmit says `fin`.
///
/// A value without a `Drop` of its own: whoever holds one must tell
/// [`Endpoint::handle_gone`](crate::Endpoint::handle_gone) if its connection ends before `fin`.
#[must_use = "a receiver must be transmitted for, or reported as gone"]
pub struct Receiver {
    /// Which of its endpoint's receivers it is, from 0.
    number: u64,
    pub(crate) transport: Transport,
    callback: Option<Callback>,
    /// Whether the prelude is still to come, before the stage.
    prelude: bool,
    pub(crate) stage: Stage,
    /// A WebSocket client's messages that found no room yet.
    pub(crate) held: Vec<Message>,
}

/// What a receiver transmits next.
#[derive(Debug)]
pub(crate) enum Stage {
    /// Its session's frames, while it is the attachment of that number.
    Frames(Attachment),
    /// The close frame, then the end. Needs no session: so go refused receivers too.
    Close(Box<Ending>),
    /// The WebSocket close after the close frame.
    WebsocketClose(Box<Ending>),
    Finished,
}

/// What a close says. In a box where it is one stage of several, for it comes once.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) reason: CloseReason,
    /// The chunk that it is to the session, if that knows of it.
    pub(crate) chunk: Option<ChunkId>,
}

impl Stage {
    pub(crate) fn close(reason: CloseReason, chunk: Option<ChunkId>) -> Self {
        Self::Close(Box::new(Ending { reason, chunk }))
    }

    pub(crate) fn websocket_close(reason: CloseReason) -> Self {
        Self::WebsocketClose(Box::new(Ending { reason, chunk: None }))
    }
}

/// Which receiver of which session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attachment {
    pub(crate) session: SessionKey,
    pub(crate) number: u32,
}

impl Receiver {
    pub(crate) fn new(
        number: u64,
        transport: Transport,
        callback: Option<Callback>,
        stage: Stage,
    ) -> Self {
        let prelude = transport.has_prelude();
        Self { number, transport, callback, prelude, stage, held: Vec::new() }
    }

    /// Which of its endpoint's receivers it is, from 0: none other has the number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The session whose frames come here; `None` for a receiver that was refused or has ended.
    pub fn session(&self) -> Option<SessionKey> {
        self.attachment().map(|attachment| attachment.session)
    }

    /// How frames are wrapped for this receiver.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Whether the last transmit said `fin`.
    pub fn is_finished(&self) -> bool {
        matches!(self.stage, Stage::Finished)
    }

    /// Whether messages of its client wait in here for an application that lags; see
    /// [`Endpoint::handle_frame`](crate::Endpoint::handle_frame).
    pub fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    pub(crate) fn attachment(&self) -> Option<Attachment> {
        match &self.stage {
            Stage::Frames(attachment) => Some(*attachment),
            _ => None,
        }
    }

    /// The chunk that its close still has to carry.
    pub(crate) fn last_chunk(&self) -> Option<ChunkId> {
        match &self.stage {
            Stage::Close(ending) | Stage::WebsocketClose(ending) => ending.chunk,
            Stage::Frames(_) | Stage::Finished => None,
        }
    }

    /// Transmits what needs no session: the prelude, the close, nothing more.
    pub(crate) fn transmit_alone(&mut self, buf: &mut BytesMut) -> Option<Transmit> {
        if std::mem::take(&mut self.prelude) {
            self.transport.write_prelude(self.callback.as_ref(), buf);
            return Some(Transmit { chunk: None, frame: FrameKind::Text, fin: false, more: true });
        }
        if let Stage::Frames(_) = self.stage {
            return None;
        }
        match std::mem::replace(&mut self.stage, Stage::Finished) {
            Stage::Close(ending) if self.transport != Transport::RawWebsocket => {
                self.wrap(buf, |out| frame::write_close(&ending.reason, out));
                if self.transport.is_websocket() {
                    self.stage = Stage::WebsocketClose(ending);
                    return Some(Transmit {
                        chunk: None,
                        frame: FrameKind::Text,
                        fin: false,
                        more: true,
                    });
                }
                let chunk = ending.chunk;
                Some(Transmit { chunk, frame: FrameKind::Text, fin: true, more: false })
            }
            Stage::Close(ending) | Stage::WebsocketClose(ending) => {
                let Ending { reason, chunk } = *ending;
                Some(Transmit { chunk, frame: FrameKind::Close(reason), fin: true, more: false })
            }
            Stage::Frames(_) | Stage::Finished => None,
        }
    }

    /// Appends a frame in this transport's wrapping.
    pub(crate) fn wrap(&self, buf: &mut BytesMut, write_frame: impl FnOnce(&mut BytesMut)) {
        self.transport.wrap(self.callback.as_ref(), buf, write_frame);
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("transport", &self.transport)
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}
