//! Owners of what the endpoint hands out: whatever happens to them, it is told.

use std::sync::Arc;
use std::task::{Poll, Waker};

use bytes::{Bytes, BytesMut};
use sockjs_core::{ChunkId, Gone, Receiver, SessionKey, Transmit, Transport};

use crate::connection::{ConnectionHandle, Ledger, Parked};
use crate::observe::Stopwatch;
use crate::shard::{Shard, Turn};

/// The connection that carries a response, if it is one of ours.
pub(crate) type Connection = ConnectionHandle<Handed>;

/// A frame that was handed out, in a response of its own or among others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handed {
    pub(crate) id: ChunkId,
    stopwatch: Stopwatch,
}

impl Handed {
    /// Runs since it was handed.
    pub(crate) fn stopwatch(&self) -> Stopwatch {
        self.stopwatch
    }
}

/// Owns a receiver from the end of the very turn in which the endpoint returned it. Its drop tells that the
/// receiver is gone, unless it has finished: that covers a response that was never polled, a
/// parked poll, an upgrade that never came.
pub(crate) struct Guard {
    shard: Arc<Shard>,
    attached: Attached,
}

/// What a turn of the shard changes: a receiver, whose end is still to be told by a [`Guard`].
pub(crate) struct Attached {
    receiver: Option<Receiver>,
    /// Keeps the connection watching for its client's leaving.
    parked: Option<Parked<Handed>>,
    has_more: bool,
}

/// What is taken in one turn.
const FRAMES_BYTES: usize = 64 * 1024;

impl Guard {
    pub(crate) fn new(shard: Arc<Shard>, attached: Attached) -> Self {
        Self { shard, attached }
    }

    /// From now on the connection ends as soon as its client leaves.
    pub(crate) fn park(&mut self, connection: Option<&Connection>) {
        self.attached.parked = connection.map(Connection::park);
    }

    /// All frames that there are, up to a limit, each to `take`; nothing once the receiver has
    /// finished. The ticket is that of the last.
    pub(crate) fn poll_frames(
        &mut self,
        waker: &Waker,
        mut take: impl FnMut(Bytes),
    ) -> Poll<Option<Ticket>> {
        let Self { shard, attached } = self;
        let (mut last, mut taken_bytes) = (None, 0);
        shard.turn(|turn| {
            attached.has_more = true;
            while taken_bytes < FRAMES_BYTES && attached.has_more {
                let mut frame = BytesMut::new();
                match attached.transmit_in(turn, &mut frame, waker) {
                    Poll::Ready(Some(transmit)) => {
                        taken_bytes += frame.len();
                        take(frame.freeze());
                        last = transmit.chunk.or(last);
                        attached.has_more = transmit.more;
                    }
                    Poll::Ready(None) | Poll::Pending => attached.has_more = false,
                }
            }
        });
        match (taken_bytes, &self.attached.receiver) {
            (1.., _) => Poll::Ready(Some(self.ticket(last))),
            (0, None) => Poll::Ready(None),
            (0, Some(_)) => Poll::Pending,
        }
    }

    /// For a chunk of the receiver.
    pub(crate) fn ticket(&self, chunk: Option<ChunkId>) -> Ticket {
        Ticket::new(&self.shard, chunk)
    }

    /// Whether there may be more frames, although nobody has called.
    pub(crate) fn has_more(&self) -> bool {
        self.attached.has_more
    }

    /// The next frame, within a turn.
    pub(crate) fn transmit_in(
        &mut self,
        turn: &mut Turn<'_>,
        buf: &mut BytesMut,
        waker: &Waker,
    ) -> Poll<Option<Transmit>> {
        self.attached.transmit_in(turn, buf, waker)
    }

    /// Whether the session ended without the receiver. If not, the waker is called when it does.
    pub(crate) fn is_over_in(&mut self, turn: &mut Turn<'_>, waker: &Waker) -> bool {
        let Some(receiver) = &self.attached.receiver else { return false };
        // Its place may be another session's by now.
        let is_over = turn.endpoint.is_over(receiver);
        if !is_over && let Some(key) = receiver.session() {
            turn.waiting.of(key).wait_to_transmit(waker);
        }
        is_over
    }

    /// Tells why the receiver ended, if it has not finished.
    pub(crate) fn gone(&mut self, why: Gone) {
        self.attached.parked = None;
        if let Some(receiver) = self.attached.receiver.take() {
            self.shard.turn(|turn| turn.endpoint.handle_gone(receiver, why, turn.now));
        }
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.attached.receiver.is_none()
    }

    pub(crate) fn shard(&self) -> &Arc<Shard> {
        &self.shard
    }

    /// The session whose frames come here.
    pub(crate) fn session(&self) -> Option<SessionKey> {
        self.attached.receiver.as_ref()?.session()
    }

    pub(crate) fn transport(&self) -> Option<Transport> {
        self.attached.receiver.as_ref().map(Receiver::transport)
    }
}

impl Attached {
    pub(crate) fn new(receiver: Receiver) -> Self {
        Self { receiver: Some(receiver), parked: None, has_more: false }
    }

    /// The next frame, within a turn. Without one, the waker is called when there is.
    pub(crate) fn transmit_in(
        &mut self,
        turn: &mut Turn<'_>,
        buf: &mut BytesMut,
        waker: &Waker,
    ) -> Poll<Option<Transmit>> {
        let Some(receiver) = &mut self.receiver else { return Poll::Ready(None) };
        let transmit = turn.endpoint.poll_transmit(receiver, buf);
        match &transmit {
            Some(transmit) if transmit.fin => {
                self.receiver = None;
                self.parked = None;
            }
            Some(transmit) if transmit.more => {}
            _ => {
                if let Some(key) = receiver.session() {
                    turn.waiting.of(key).wait_to_transmit(waker);
                }
            }
        }
        transmit.map_or(Poll::Pending, |transmit| Poll::Ready(Some(transmit)))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // The session's own deadline may be a moment later than the connection's.
        let is_stalled = self.attached.parked.as_ref().is_some_and(Parked::is_stalled);
        self.gone(if is_stalled { Gone::Stalled } else { Gone::Disconnected });
    }
}

/// Owns the word on a chunk: it was written, or it was lost, and nothing else.
pub(crate) struct Ticket(Option<(Arc<dyn Ledger<Handed>>, Handed)>);

impl Ticket {
    fn new(shard: &Arc<Shard>, chunk: Option<ChunkId>) -> Self {
        Self(chunk.map(|id| {
            let handed = Handed { id, stopwatch: Stopwatch::started(&shard.app) };
            (shard.clone() as Arc<dyn Ledger<Handed>>, handed)
        }))
    }

    /// The chunk's bytes are on their way in a connection of ours, which will tell.
    pub(crate) fn hand(mut self, connection: &Connection) {
        if let Some((ledger, chunk)) = self.0.take() {
            connection.hand(ledger, chunk);
        }
    }

    /// The server around us took the chunk's bytes.
    pub(crate) fn taken(mut self) {
        if let Some((ledger, chunk)) = self.0.take() {
            ledger.written(&[chunk], None);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some((ledger, chunk)) = self.0.take() {
            ledger.lost(&[chunk]);
        }
    }
}
