//! The application's handle of a session (DESIGN §4).

use std::fmt;
use std::future::{Future, poll_fn};
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use futures_core::Stream;
use futures_sink::Sink;
use http::Extensions;
use once_cell::race::OnceBox;
use sockjs_core::{CloseReason, ConnectionInfo, Message, Report, SendError, SessionKey, Transport};

use crate::broadcast::{Left, Memberships};
use crate::exchange::PeerAddr;
use crate::inbox::{Inbox, Next};
use crate::observe::Span;
use crate::runner::Runner;
use crate::shard::{Ended, LATEST, Shard};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, lock};

/// One client, from its opening to its end: the application's side.
///
/// There is one `Session` for each client, which receives; any number of [`SessionHandle`]s, which
/// send and close, come from [`handle`](Self::handle). When the handler returns, the session is
/// closed.
///
/// It is also a `Stream` of messages and a `Sink` for them.
pub struct Session {
    handle: SessionHandle,
    /// What the shard wakes when there is something to receive.
    reader: Option<Waker>,
    /// A message that the sink took and the queue did not yet; few sessions have one.
    pending: Option<Box<Message>>,
}

/// A clonable handle of a session, for other tasks.
#[derive(Clone)]
pub struct SessionHandle(pub(crate) Arc<Inner>);

/// What all handles of a session share.
pub(crate) struct Inner {
    pub(crate) shard: Arc<Shard>,
    pub(crate) key: SessionKey,
    info: ConnectionInfo,
    /// What the application closed it with.
    closing: OnceBox<CloseReason>,
    /// Without what is unread, which is in `inbox`.
    end: OnceBox<Report>,
    inbox: Mutex<Inbox>,
    /// Whether the inbox has something, or may have: so that a look at an empty one needs no lock.
    has_news: AtomicBool,
    /// Of a session over HTTP.
    pub(crate) runner: Runner,
    pub(crate) span: Span,
    pub(crate) memberships: Memberships,
}

impl Inner {
    pub(crate) fn new(shard: Arc<Shard>, key: SessionKey, mut info: ConnectionInfo) -> Arc<Self> {
        forget_peer(info.extensions_mut());
        Arc::new(Self {
            shard,
            key,
            info,
            closing: OnceBox::new(),
            end: OnceBox::new(),
            inbox: Mutex::default(),
            has_news: AtomicBool::new(true),
            runner: Runner::new(),
            span: Span::default(),
            memberships: Memberships::new(),
        })
    }

    /// The session ended. Returns what is to be dropped after the turn.
    pub(crate) fn end(&self, mut report: Report) -> Left {
        // First, so that whoever hears of the end finds it in no group.
        let left = self.memberships.end(self);
        self.with_inbox(|inbox| inbox.end(std::mem::take(&mut report.unread)));
        // The core reports each session once.
        let _ = self.end.set(Box::new(report));
        left
    }

    #[cfg(any(feature = "tracing", feature = "metrics"))]
    pub(crate) fn transport(&self) -> Transport {
        self.info.transport()
    }

    /// What became of it, once it has ended.
    #[cfg(any(feature = "tracing", feature = "metrics"))]
    pub(crate) fn outcome(&self) -> Option<&Report> {
        self.end.get()
    }

    /// Looks at what left the endpoint for the application. Whoever holds the shard may do so, not the other
    /// way round.
    pub(crate) fn with_inbox<R>(&self, look: impl FnOnce(&mut Inbox) -> R) -> R {
        let mut inbox = lock(&self.inbox);
        let result = look(&mut inbox);
        self.has_news.store(inbox.has_news(), Ordering::Release);
        result
    }

    /// Whether there is nothing for the application, and nobody but its own task waits for it to know: the
    /// answer to a send request may.
    fn is_quiet(&self) -> bool {
        !self.has_news.load(Ordering::Acquire) && self.info.transport().is_websocket()
    }

    pub(crate) fn panicked(&self) {
        let key = self.key;
        // It is the reason, unless the application gave one before.
        let _ = self.closing.set(Box::new(CloseReason::INTERNAL_ERROR));
        self.shard.turn(|turn| turn.endpoint.handle_panic(key, turn.now));
    }

    pub(crate) fn handler_ended(&self) {
        let reason = lock(&self.inbox).take_reason();
        self.close(reason.map(|reason| *reason).unwrap_or_default());
    }

    fn close(&self, reason: CloseReason) {
        let mut ended = Vec::new();
        let left = self.close_within(reason, &mut ended);
        ended.into_iter().for_each(Ended::tell);
        drop(left);
    }

    /// Closes it under a lock: who has ended is left to be told, and what is left to be dropped, without that.
    pub(crate) fn close_within(&self, reason: CloseReason, ended: &mut Vec<Ended>) -> Left {
        if self.end.get().is_some() || self.closing.set(Box::new(reason.clone())).is_err() {
            return Left::default();
        }
        let left = self.memberships.end(self);
        self.shard.turn_within(ended, |turn| turn.endpoint.close(self.key, reason));
        left
    }
}

impl Session {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { handle: SessionHandle(inner), reader: None, pending: None }
    }

    /// The client's next message, in order. `None` once the session has ended and all that arrived
    /// before its end was taken, or once the application closed it.
    ///
    /// A session that the server closes, in a shutdown for instance, goes on until its client was
    /// told; `recv` waits for that, while `send` already fails.
    ///
    /// Taking messages is the back-pressure: while the application takes none, its client's
    /// WebSocket is not read, and its send requests wait.
    pub async fn recv(&mut self) -> Option<Message> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`recv`](Self::recv), for futures written by hand.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        if self.0.closing.get().is_some() {
            return Poll::Ready(None);
        }
        let is_known = self.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker()));
        if is_known && self.0.is_quiet() {
            return Poll::Pending;
        }
        let mut next = self.0.with_inbox(|inbox| inbox.next(is_known));
        if let Next::Unknown = next {
            next = self.look(cx.waker());
        }
        match next {
            Next::Message(message) => Poll::Ready(Some(message)),
            Next::Idle { is_awaited } => {
                if is_awaited {
                    self.0.shard.turn_at(LATEST, |turn| turn.answered(self.0.key));
                }
                Poll::Pending
            }
            Next::Unknown => Poll::Ready(None),
        }
    }

    /// Looks into the endpoint, and has this task woken when more comes. Still unknown is what will
    /// never come.
    fn look(&mut self, waker: &Waker) -> Next {
        self.reader = Some(waker.clone());
        let inner = &self.handle.0;
        inner.shard.turn_at(LATEST, |turn| {
            inner.with_inbox(|inbox| {
                if inner.end.get().is_none() {
                    turn.wait_to_read(inner.key, waker);
                    inbox.fill(true, turn.endpoint, inner.key);
                }
                inbox.next(true)
            })
        })
    }

    /// A handle for other tasks.
    pub fn handle(&self) -> SessionHandle {
        self.handle.clone()
    }

    /// As [`SessionHandle::send`]. Here too, so that `SinkExt` in scope does not hide it.
    ///
    /// # Errors
    /// As there.
    pub fn send(
        &self,
        message: impl Into<Message>,
    ) -> impl Future<Output = Result<(), SendError>> + Send {
        self.handle.send(message)
    }

    /// As [`SessionHandle::close`]. Here too, so that `SinkExt` in scope does not hide it.
    pub fn close(&self, reason: CloseReason) {
        self.handle.close(reason);
    }

    fn poll_pending(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let mut message = self.pending.take().map(|message| *message);
        let sent = self.handle.0.poll_send(&mut message, cx.waker());
        self.pending = message.map(Box::new);
        sent
    }
}

impl Deref for Session {
    type Target = SessionHandle;

    fn deref(&self) -> &SessionHandle {
        &self.handle
    }
}

impl SessionHandle {
    /// Sends a message; waits for room in the session's queue.
    ///
    /// What is accepted arrives in order and without a gap, or is named in the
    /// [`Report`](Self::closed).
    ///
    /// # Errors
    /// The message is given back if the session is closed, or if it is bytes and the transport
    /// carries text only.
    pub fn send(
        &self,
        message: impl Into<Message>,
    ) -> impl Future<Output = Result<(), SendError>> + Send {
        // No `async`: handlers hold this future, and it holds the message once.
        let mut message = Some(message.into().encode());
        poll_fn(move |cx| self.0.poll_send(&mut message, cx.waker()))
    }

    /// Sends a message if there is room now.
    ///
    /// # Errors
    /// As [`send`](Self::send), and [`SendError::Full`] if there is no room.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        let message = message.into().encode();
        self.0.shard.turn_at(LATEST, |turn| turn.endpoint.send(self.0.key, message))
    }

    /// Waits until there is room again after [`try_send`](Self::try_send) said that there is none, or
    /// until the session is closed.
    pub async fn writable(&self) {
        let inner = &self.0;
        poll_fn(|cx| {
            inner.shard.turn(|turn| {
                if !turn.endpoint.is_full(inner.key) {
                    return Poll::Ready(());
                }
                turn.waiting.of(inner.key).wait_for_room(cx.waker());
                Poll::Pending
            })
        })
        .await;
    }

    /// Closes the session: what was sent before is delivered first, then the client is told.
    /// Closing again changes nothing. [`CloseReason::GO_AWAY`] is the usual reason.
    pub fn close(&self, reason: CloseReason) {
        self.0.close(reason);
    }

    /// Closes the session with this reason when its handler returns; until then it sends and
    /// receives as before.
    pub fn close_later(&self, reason: CloseReason) {
        lock(&self.0.inbox).close_later(reason);
    }

    /// Whether the session was closed or has ended.
    pub fn is_closed(&self) -> bool {
        self.0.closing.get().is_some() || self.0.end.get().is_some()
    }

    /// Why the session was closed: the application's own reason, or the end's. `None` while it is
    /// open.
    pub fn close_reason(&self) -> Option<CloseReason> {
        let ended = self.0.end.get().map(|report| report.reason.clone());
        ended.or_else(|| self.0.closing.get().cloned())
    }

    /// Waits for the session's end, and accounts for its messages.
    ///
    /// `unread` holds what the application has not taken at the time of the call.
    pub async fn closed(&self) -> Report {
        let mut end = End::of(self.0.clone());
        poll_fn(|cx| {
            ready!(end.poll(cx.waker()));
            self.0.report().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// What is known of the client: its address, query, headers, cookies.
    pub fn info(&self) -> &ConnectionInfo {
        &self.0.info
    }

    /// The transport that opened the session.
    pub fn transport(&self) -> Transport {
        self.0.info.transport()
    }
}

impl Inner {
    pub(crate) fn poll_send(
        &self,
        message: &mut Option<Message>,
        waker: &Waker,
    ) -> Poll<Result<(), SendError>> {
        let Some(sending) = message.take() else { return Poll::Ready(Ok(())) };
        self.shard.turn_at(LATEST, |turn| match turn.endpoint.send(self.key, sending) {
            Err(SendError::Full(back)) => {
                *message = Some(back);
                turn.waiting.of(self.key).wait_for_room(waker);
                Poll::Pending
            }
            sent => Poll::Ready(sent),
        })
    }

    fn report(&self) -> Option<Report> {
        let mut report = self.end.get()?.clone();
        report.unread = self.with_inbox(|inbox| inbox.unread());
        Some(report)
    }
}

/// A wait for a session's end, of which nothing is left when it is given up.
pub(crate) struct End {
    session: Arc<Inner>,
    seat: Option<u64>,
}

impl End {
    pub(crate) fn of(session: Arc<Inner>) -> Self {
        Self { session, seat: None }
    }

    pub(crate) fn poll(&mut self, waker: &Waker) -> Poll<()> {
        let Self { session, seat } = self;
        if session.end.get().is_some() {
            return Poll::Ready(());
        }
        let (polled, _before) = session.shard.turn(|turn| {
            // It may have come meanwhile.
            if session.end.get().is_some() {
                return (Poll::Ready(()), None);
            }
            (Poll::Pending, turn.waiting.of(session.key).wait_for_end(seat, waker))
        });
        polled
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if let (Some(seat), None) = (self.seat, self.session.end.get()) {
            let key = self.session.key;
            let _waker = self.session.shard.turn_at(LATEST, |turn| {
                turn.waiting.known(key).and_then(|place| place.leave(seat))
            });
        }
    }
}

impl Stream for Session {
    type Item = Message;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.get_mut().poll_recv(cx)
    }
}

/// Ready means that the last message found room, so that at most one waits outside of the queue.
impl Sink<Message> for Session {
    type Error = SendError;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().poll_pending(cx)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), SendError> {
        self.get_mut().pending = Some(Box::new(message.encode()));
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().poll_pending(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        ready!(self.as_mut().poll_flush(cx))?;
        self.close(CloseReason::GO_AWAY);
        Poll::Ready(Ok(()))
    }
}

/// Shows nothing of the client.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}

impl fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("key", &self.0.key)
            .field("transport", &self.transport())
            .finish_non_exhaustive()
    }
}

/// Handles are equal if they are of the same session.
impl PartialEq for SessionHandle {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for SessionHandle {}

/// The info tells the peer's address itself; few sessions have anything else to keep here.
fn forget_peer(extensions: &mut Extensions) {
    extensions.remove::<PeerAddr>();
    if extensions.is_empty() {
        *extensions = Extensions::new();
    }
}
