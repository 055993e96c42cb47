//! What an HTTP/2 connection has under way: hyper tells neither when its last stream ended, nor that a
//! client lets nothing flow.

use std::cell::Cell;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::service::Service;
use pin_project_lite::pin_project;

use crate::connection::{Clock, Patience};
use crate::runtime::Runtime;

/// Counts of a connection.
#[derive(Default)]
pub(super) struct Streams {
    begun: AtomicU64,
    ended: AtomicU64,
    /// The socket did not take the last write.
    is_blocked: AtomicBool,
    writes: AtomicU64,
    /// Of the connection.
    waker: Mutex<Option<Waker>>,
}

impl Streams {
    /// The connection wants to hear of changes. To be called before it asks for the counts.
    pub(super) fn wake_later(&self, waker: &Waker) {
        let mut slot = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *slot {
            Some(known) => known.clone_from(waker),
            None => *slot = Some(waker.clone()),
        }
    }

    /// How many have begun so far, if all have ended.
    pub(super) fn begun_if_none_is_left(&self) -> Option<u64> {
        let begun = self.begun.load(Ordering::SeqCst);
        (self.ended.load(Ordering::SeqCst) == begun).then_some(begun)
    }

    /// Writes so far, if the socket does not take the next one.
    pub(super) fn writes_if_blocked(&self) -> Option<u64> {
        let is_blocked = self.is_blocked.load(Ordering::SeqCst);
        is_blocked.then(|| self.writes.load(Ordering::SeqCst))
    }

    fn wake(&self) {
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn note_write<T>(&self, written: &Poll<T>) {
        self.is_blocked.store(written.is_pending(), Ordering::SeqCst);
        if written.is_ready() {
            self.writes.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Runs a connection's streams: responses, and WebSockets after them.
#[derive(Clone)]
pub(super) struct Executor {
    runtime: Arc<dyn Runtime>,
    streams: Arc<Streams>,
    stall: Duration,
}

impl Executor {
    /// A response ends after `stall` without a frame of it that its client lets flow.
    pub(super) fn new(runtime: Arc<dyn Runtime>, streams: Arc<Streams>, stall: Duration) -> Self {
        Self { runtime, streams, stall }
    }
}

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future + Send + 'static,
{
    fn execute(&self, stream: F) {
        self.streams.begun.fetch_add(1, Ordering::SeqCst);
        self.runtime.spawn(Box::pin(Running {
            stream: Box::pin(stream),
            flow: CALLED.take(),
            clock: Clock::new(self.runtime.clone()),
            patience: Patience::new(),
            stall: self.stall,
            _counted: Counted(self.streams.clone()),
        }));
    }
}

/// A stream at work.
struct Running<F> {
    stream: Pin<Box<F>>,
    flow: Option<Arc<Flow>>,
    clock: Clock,
    patience: Patience<u64>,
    stall: Duration,
    _counted: Counted,
}

impl<F: Future> Future for Running<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let held = this.flow.as_ref().and_then(|flow| flow.frames_if_held());
        match this.patience.check(held, this.stall, || this.clock.now()) {
            // Dropped, it is reset.
            Some(deadline) => this.clock.poll_until(deadline, cx),
            None => Poll::Pending,
        }
    }
}

/// Counts a stream as ended when dropped.
struct Counted(Arc<Streams>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::SeqCst);
        if self.0.begun_if_none_is_left().is_some() {
            self.0.wake();
        }
    }
}

/// What became of a body's frames.
#[derive(Default)]
struct Flow {
    /// Those that hyper has taken.
    frames: AtomicU64,
    /// The last of them waits for its client to let it flow.
    is_held: AtomicBool,
}

impl Flow {
    fn frames_if_held(&self) -> Option<u64> {
        let is_held = self.is_held.load(Ordering::Relaxed);
        is_held.then(|| self.frames.load(Ordering::Relaxed))
    }
}

thread_local! {
    /// That of the request for which the service was called last, until hyper has made a stream of
    /// it: which it does next, within the same poll.
    static CALLED: Cell<Option<Arc<Flow>>> = const { Cell::new(None) };
}

/// A service whose responses' bodies are observed.
pub(super) struct Observed<S>(pub(super) S);

impl<S, B> Service<Request<Incoming>> for Observed<S>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
{
    type Response = Response<Content<B>>;
    type Error = S::Error;
    type Future = Answer<S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (future, flow) = (self.0.call(request), Arc::<Flow>::default());
        CALLED.set(Some(flow.clone()));
        Answer { future, flow }
    }
}

pin_project! {
    /// An answer on its way.
    pub(super) struct Answer<F> {
        #[pin]
        future: F,
        flow: Arc<Flow>,
    }
}

impl<F, B, E> Future for Answer<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<Content<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.future.poll(cx))?;
        Poll::Ready(Ok(response.map(|body| Content { body, flow: this.flow.clone() })))
    }
}

pin_project! {
    /// A body of which it is known whether hyper holds a frame: it asks for the next one once it has
    /// sent that.
    pub(super) struct Content<B> {
        #[pin]
        body: B,
        flow: Arc<Flow>,
    }
}

impl<B: Body> Body for Content<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let frame = this.body.poll_frame(cx);
        let is_held = matches!(frame, Poll::Ready(Some(_)));
        this.flow.is_held.store(is_held, Ordering::Relaxed);
        this.flow.frames.fetch_add(1, Ordering::Relaxed);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A socket that is observed.
pub(super) struct Io<I> {
    io: I,
    streams: Arc<Streams>,
}

impl<I> Io<I> {
    pub(super) fn new(io: I, streams: Arc<Streams>) -> Self {
        Self { io, streams }
    }
}

impl<I: Read + Unpin> Read for Io<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<I: Write + Unpin> Write for Io<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.streams.note_write(&written);
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        // No progress: hyper flushes whether there is something or not.
        self.streams.is_blocked.store(flushed.is_pending(), Ordering::SeqCst);
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.streams.note_write(&written);
        written
    }
}
