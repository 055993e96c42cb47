//! The application's handle of a channel: a session in small.

use std::fmt;
use std::future::poll_fn;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use futures_core::Stream;
use futures_sink::Sink;
use sockjs_core::multiplex::{ChannelKey, Topic};
use sockjs_core::{Message, SendError};

use super::pump::Shared;
use crate::session::SessionHandle;

/// One subscription of a client to a topic, from its beginning to its end: the application's side.
///
/// It is used as a [`Session`](crate::Session) is: there is one `Channel` for each subscription,
/// which receives; any number of [`ChannelHandle`]s send and close. When the handler returns, the
/// channel is closed. It is also a `Stream` of messages and a `Sink` for them.
pub struct Channel {
    handle: ChannelHandle,
    /// A message that the sink took and the session's queue did not yet.
    pending: Option<Outgoing>,
}

/// A clonable handle of a channel, for other tasks.
#[derive(Clone)]
pub struct ChannelHandle {
    shared: Arc<Shared>,
    key: ChannelKey,
}

/// A message on its way to the session's queue.
struct Outgoing {
    /// As the application gave it, to be given back.
    payload: Message,
    /// As the session sends it.
    frame: Option<Message>,
}

impl Channel {
    pub(super) fn new(shared: Arc<Shared>, key: ChannelKey) -> Self {
        Self { handle: ChannelHandle { shared, key }, pending: None }
    }

    /// The client's next message, in order. `None` once the client has unsubscribed or its session
    /// has ended, and all that arrived before was taken; or once the application closed the channel.
    pub async fn recv(&mut self) -> Option<Message> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`recv`](Self::recv), for futures written by hand.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.handle.shared.poll_recv(&self.handle.key, cx.waker())
    }

    /// A handle for other tasks.
    pub fn handle(&self) -> ChannelHandle {
        self.handle.clone()
    }

    /// As [`ChannelHandle::send`]. Here too, so that `SinkExt` in scope does not hide it.
    ///
    /// # Errors
    /// As there.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        self.handle.send(message).await
    }

    /// As [`ChannelHandle::close`]. Here too, so that `SinkExt` in scope does not hide it.
    pub fn close(&self) {
        self.handle.close();
    }

    fn poll_pending(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let sent = ready!(self.handle.poll_send(&mut self.pending, cx.waker()));
        self.pending = None;
        Poll::Ready(sent)
    }
}

impl Deref for Channel {
    type Target = ChannelHandle;

    fn deref(&self) -> &ChannelHandle {
        &self.handle
    }
}

impl ChannelHandle {
    /// Sends a message; waits for room in the session's queue.
    ///
    /// # Errors
    /// The message is given back if the channel or its session has ended, or if it is bytes:
    /// channels carry text.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        let mut outgoing = Some(Outgoing::new(message.into()));
        poll_fn(|cx| self.poll_send(&mut outgoing, cx.waker())).await
    }

    /// Sends a message if there is room now.
    ///
    /// # Errors
    /// As [`send`](Self::send), and [`SendError::Full`] if there is no room.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        let payload = message.into();
        let frame = self.frame(&payload)?;
        self.session().try_send(frame).map_err(|error| give_back(error, payload))
    }

    /// Closes the channel: what was sent before is delivered first, then the client is unsubscribed.
    /// Closing again changes nothing, nor does closing a channel that the client has ended.
    pub fn close(&self) {
        self.shared.close(&self.key);
    }

    /// Whether the channel was closed, or has ended with its session.
    pub fn is_closed(&self) -> bool {
        !self.shared.is_open(&self.key)
    }

    /// The topic.
    pub fn topic(&self) -> &Topic {
        self.key.topic()
    }

    /// The session that carries the channel: for what is known of the client, and to close it.
    pub fn session(&self) -> &SessionHandle {
        &self.shared.session
    }

    /// The session's message for a payload.
    fn frame(&self, payload: &Message) -> Result<Message, SendError> {
        if payload.is_binary() {
            return Err(SendError::NotText(payload.clone()));
        }
        let frame = self.shared.frame(&self.key, payload);
        frame.ok_or_else(|| SendError::Closed(payload.clone()))
    }

    fn poll_send(
        &self,
        outgoing: &mut Option<Outgoing>,
        waker: &Waker,
    ) -> Poll<Result<(), SendError>> {
        let Some(Outgoing { payload, frame }) = outgoing else { return Poll::Ready(Ok(())) };
        match frame {
            // While it waited, the channel may have ended.
            Some(_) if !self.shared.is_open(&self.key) => {
                return Poll::Ready(Err(SendError::Closed(payload.clone())));
            }
            Some(_) => {}
            None => *frame = Some(self.frame(payload)?.encode()),
        }
        let sent = ready!(self.session().0.poll_send(frame, waker));
        Poll::Ready(sent.map_err(|error| give_back(error, payload.clone())))
    }
}

impl Outgoing {
    fn new(payload: Message) -> Self {
        Self { payload, frame: None }
    }
}

/// The session's refusal of a frame, as one of its payload.
fn give_back(error: SendError, payload: Message) -> SendError {
    match error {
        SendError::Full(_) => SendError::Full(payload),
        SendError::NotText(_) => SendError::NotText(payload),
        _ => SendError::Closed(payload),
    }
}

impl Stream for Channel {
    type Item = Message;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.get_mut().poll_recv(cx)
    }
}

/// Ready means that the last message found room, so that at most one waits outside of the queue.
impl Sink<Message> for Channel {
    type Error = SendError;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().poll_pending(cx)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), SendError> {
        self.get_mut().pending = Some(Outgoing::new(message));
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().poll_pending(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        ready!(self.as_mut().poll_flush(cx))?;
        self.close();
        Poll::Ready(Ok(()))
    }
}

/// Shows nothing of the client.
impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}

/// The topic, which the client may have chosen, is not shown.
impl fmt::Debug for ChannelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("session", self.session()).finish_non_exhaustive()
    }
}
