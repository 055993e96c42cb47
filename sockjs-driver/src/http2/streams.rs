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

use bytes::{Buf, Bytes};
use http::{Method, Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::service::Service;
use pin_project_lite::pin_project;

use crate::connection::{Clock, Patience};
use crate::runtime::Runtime;

/// The longest frame of a stream that hyper gets: what a client that lets nothing flow may have in memory.
const PIECE_BYTES: usize = 16 * 1024;

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
    /// A response ends after `stall` without a frame of it that its client lets flow, and what a WebSocket wrote
    /// so long after its end.
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
        // What is not a response is what comes after one.
        let part = match (CALLED.take(), UPGRADING.take()) {
            (Some(request), _) => Part::Response(request),
            (None, Some(carried)) => Part::WebSocket(carried),
            (None, None) => Part::Other,
        };
        self.runtime.spawn(Box::pin(Running {
            stream: Box::pin(stream),
            part,
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
    part: Part,
    clock: Clock,
    patience: Patience<u64>,
    stall: Duration,
    _counted: Counted,
}

impl<F: Future> Future for Running<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if let Part::Response(Called { carried, .. }) = &this.part {
            UPGRADING.set(carried.clone());
        }
        let polled = this.stream.as_mut().poll(cx);
        UPGRADING.take();
        if polled.is_ready() {
            return Poll::Ready(());
        }
        let held = match &this.part {
            Part::Response(Called { flow, .. }) => flow.frames_if_held(),
            Part::WebSocket(carried) => carried.is_over(cx.waker()).then_some(0),
            Part::Other => None,
        };
        match this.patience.check(held, this.stall, || this.clock.now()) {
            // Dropped, it is reset.
            Some(deadline) => this.clock.poll_until(deadline, cx),
            None => Poll::Pending,
        }
    }
}

/// What a task is of a stream.
enum Part {
    Response(Called),
    /// What a WebSocket still has to write.
    WebSocket(Arc<Carried>),
    Other,
}

/// What is known of a request for which the service was called.
struct Called {
    flow: Arc<Flow>,
    /// If a WebSocket may follow.
    carried: Option<Arc<Carried>>,
}

/// A WebSocket over a stream.
#[derive(Default)]
struct Carried {
    /// A service of ours has it, and nobody else.
    is_ours: AtomicBool,
    is_over: AtomicBool,
    /// Of the task that writes.
    waker: Mutex<Option<Waker>>,
}

impl Carried {
    /// Whether nobody uses the WebSocket any more: what it wrote has its time from then on. If not, the waker is
    /// called when it is so.
    fn is_over(&self, waker: &Waker) -> bool {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
        self.is_over.load(Ordering::SeqCst)
    }
}

/// The use of a WebSocket over a stream, in its request's extensions: if it has [begun](Self::begin), it is over
/// when all of these are dropped.
#[derive(Clone)]
pub(crate) struct Use(Arc<InUse>);

impl Use {
    /// From now on this is the WebSocket's use. Others need not keep it as long as they use theirs.
    pub(crate) fn begin(&self) {
        self.0.0.is_ours.store(true, Ordering::SeqCst);
    }
}

struct InUse(Arc<Carried>);

impl Drop for InUse {
    fn drop(&mut self) {
        if !self.0.is_ours.load(Ordering::SeqCst) {
            return;
        }
        self.0.is_over.store(true, Ordering::SeqCst);
        let waker = self.0.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
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
    /// The request for which the service was called last, until hyper has made a stream of
    /// it: which it does next, within the same poll.
    static CALLED: Cell<Option<Called>> = const { Cell::new(None) };
    /// The WebSocket that may follow the response which is being polled: hyper then has it written by a task of
    /// its own.
    static UPGRADING: Cell<Option<Arc<Carried>>> = const { Cell::new(None) };
}

/// A service whose responses' bodies are observed.
pub(super) struct Observed<S>(pub(super) S);

impl<S, B> Service<Request<Incoming>> for Observed<S>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    B: Body,
{
    type Response = Response<Content<B>>;
    type Error = S::Error;
    type Future = Answer<S::Future>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let flow = Arc::<Flow>::default();
        let carried = (request.method() == Method::CONNECT).then(Arc::<Carried>::default);
        if let Some(carried) = &carried {
            request.extensions_mut().insert(Use(Arc::new(InUse(carried.clone()))));
        }
        let future = self.0.call(request);
        CALLED.set(Some(Called { flow: flow.clone(), carried }));
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
    B: Body,
{
    type Output = Result<Response<Content<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.future.poll(cx))?;
        Poll::Ready(Ok(response.map(|body| Content { body, rest: None, flow: this.flow.clone() })))
    }
}

pin_project! {
    /// A body of which it is known whether hyper holds a frame: it asks for the next one once its client lets
    /// that flow. Only a byte of it, for the rest waits in hyper's own buffer: so frames are in pieces.
    pub(super) struct Content<B>
    where
        B: Body,
    {
        #[pin]
        body: B,
        // Of a frame that is longer than a piece.
        rest: Option<B::Data>,
        flow: Arc<Flow>,
    }
}

impl<B: Body> Body for Content<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let is_rest = this.rest.is_some();
        let frame = match this.rest.take() {
            Some(rest) => Poll::Ready(Some(Ok(Frame::data(rest)))),
            None => this.body.poll_frame(cx),
        };
        let is_held = matches!(frame, Poll::Ready(Some(_)));
        this.flow.is_held.store(is_held, Ordering::Relaxed);
        this.flow.frames.fetch_add(1, Ordering::Relaxed);
        frame.map_ok(|frame| {
            frame.map_data(|mut data| {
                if data.remaining() > PIECE_BYTES {
                    let piece = data.copy_to_bytes(PIECE_BYTES);
                    *this.rest = Some(data);
                    return piece;
                }
                let piece = data.copy_to_bytes(data.remaining());
                // The last one may stay long, and would keep all of the frame's memory.
                if is_rest { Bytes::copy_from_slice(&piece) } else { piece }
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_none() && self.body.is_end_stream()
    }

    /// Asked before the first frame.
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
