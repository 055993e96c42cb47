//! Bodies of responses: they drive the endpoint, so that no task and no channel is needed.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::guard::{Connection, Guard, Ticket};
use crate::nudge::{Note, Notes};

/// The body of a response.
pub struct Body(Kind);

enum Kind {
    /// All there is.
    Full(Bytes),
    /// One frame of a session.
    Once(Bytes, Option<Ticket>, Option<Connection>),
    /// Frames of a session, each a chunk.
    Stream(Box<Stream>),
}

struct Stream {
    guard: Guard,
    notes: Notes,
    /// Called when there are frames.
    waker: Waker,
    /// To be given to the server around us one by one, each a chunk (PROTOCOL §4).
    frames: VecDeque<Bytes>,
    /// For the last of them.
    ticket: Option<Ticket>,
    connection: Option<Connection>,
    /// The last chunk that a server around us took, and did not ask for more yet.
    taken: Option<Ticket>,
}

impl Body {
    pub(crate) fn full(bytes: Bytes) -> Self {
        Self(Kind::Full(bytes))
    }

    pub(crate) fn once(
        bytes: Bytes,
        ticket: Option<Ticket>,
        connection: Option<Connection>,
    ) -> Self {
        Self(Kind::Once(bytes, ticket, connection))
    }

    pub(crate) fn stream(mut guard: Guard, connection: Option<Connection>) -> Self {
        guard.park(connection.as_ref());
        let notes = Notes::new();
        Self(Kind::Stream(Box::new(Stream {
            guard,
            waker: notes.shard(),
            notes,
            frames: VecDeque::new(),
            ticket: None,
            connection,
            taken: None,
        })))
    }
}

impl Stream {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.frames.is_empty() {
            ready!(self.poll_frames(cx));
        }
        let Some(frame) = self.frames.pop_front() else { return Poll::Ready(None) };
        if self.frames.is_empty()
            && let Some(ticket) = self.ticket.take()
        {
            match &self.connection {
                Some(connection) => ticket.hand(connection),
                None => self.taken = Some(ticket),
            }
        }
        Poll::Ready(Some(frame))
    }

    /// Waits for frames, or for the end.
    fn poll_frames(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(taken) = self.taken.take() {
            taken.taken();
        }
        self.notes.wakes(cx.waker());
        self.notes.look();
        if !self.notes.take(Note::SHARD) && !self.guard.has_more() {
            return Poll::Pending;
        }
        let Self { guard, frames, .. } = self;
        let ticket = ready!(guard.poll_frames(&self.waker, |frame| frames.push_back(frame)));
        self.ticket = ticket;
        Poll::Ready(())
    }

    fn is_finished(&self) -> bool {
        self.frames.is_empty() && self.guard.is_finished()
    }
}

/// Dropped after its end, the server around us took it all.
impl Drop for Stream {
    fn drop(&mut self) {
        if self.is_finished()
            && let Some(taken) = self.taken.take()
        {
            taken.taken();
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match &mut self.0 {
            Kind::Full(bytes) => Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty()),
            Kind::Once(bytes, ticket, connection) => ticket.take().map(|ticket| {
                match connection {
                    Some(connection) => ticket.hand(connection),
                    None => ticket.taken(),
                }
                std::mem::take(bytes)
            }),
            Kind::Stream(stream) => ready!(stream.poll_next(cx)),
        };
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Full(bytes) => bytes.is_empty(),
            Kind::Once(_, ticket, _) => ticket.is_none(),
            Kind::Stream(stream) => stream.is_finished(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Full(bytes) | Kind::Once(bytes, ..) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Stream(_) => SizeHint::default(),
        }
    }
}

impl Default for Body {
    /// An empty body.
    fn default() -> Self {
        Self::full(Bytes::new())
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Full(_) => "Body::Full",
            Kind::Once(..) => "Body::Once",
            Kind::Stream(_) => "Body::Stream",
        })
    }
}
