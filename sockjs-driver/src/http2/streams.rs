//! What an HTTP/2 connection has under way: hyper tells neither when its last stream ended, nor that a
//! client lets nothing flow.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::service::Service;
use pin_project_lite::pin_project;

use crate::runtime::Runtime;

/// Counts of a connection.
#[derive(Default)]
pub(super) struct Streams {
    begun: AtomicU64,
    ended: AtomicU64,
    /// Bodies of which hyper has a frame that it may not send yet.
    held: AtomicU64,
    /// The socket did not take the last write.
    is_blocked: AtomicBool,
    /// Writes, and frames that are held no longer.
    progress: AtomicU64,
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

    /// How far writing has come, if something waits to be written.
    pub(super) fn written_if_more_waits(&self) -> Option<u64> {
        let waits = self.is_blocked.load(Ordering::SeqCst) || self.held.load(Ordering::SeqCst) > 0;
        waits.then(|| self.progress.load(Ordering::SeqCst))
    }

    fn wake(&self) {
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn hold(&self) {
        self.held.fetch_add(1, Ordering::SeqCst);
        self.wake();
    }

    fn release(&self) {
        self.progress.fetch_add(1, Ordering::SeqCst);
        self.held.fetch_sub(1, Ordering::SeqCst);
    }

    fn note_write<T>(&self, written: &Poll<T>) {
        self.is_blocked.store(written.is_pending(), Ordering::SeqCst);
        if written.is_ready() {
            self.progress.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Runs a connection's streams: responses, and WebSockets after them.
#[derive(Clone)]
pub(super) struct Executor {
    runtime: Arc<dyn Runtime>,
    streams: Arc<Streams>,
}

/// A stream at work, until it is dropped.
struct Counted(Arc<Streams>);

impl Executor {
    pub(super) fn new(runtime: Arc<dyn Runtime>, streams: Arc<Streams>) -> Self {
        Self { runtime, streams }
    }
}

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future + Send + 'static,
{
    fn execute(&self, stream: F) {
        self.streams.begun.fetch_add(1, Ordering::SeqCst);
        let counted = Counted(self.streams.clone());
        self.runtime.spawn(Box::pin(async move {
            let _counted = counted;
            stream.await;
        }));
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::SeqCst);
        if self.0.begun_if_none_is_left().is_some() {
            self.0.wake();
        }
    }
}

/// A service whose responses' bodies are observed.
pub(super) struct Observed<S> {
    service: S,
    streams: Arc<Streams>,
}

impl<S> Observed<S> {
    pub(super) fn new(service: S, streams: Arc<Streams>) -> Self {
        Self { service, streams }
    }
}

impl<S, B> Service<Request<Incoming>> for Observed<S>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
{
    type Response = Response<Content<B>>;
    type Error = S::Error;
    type Future = Answer<S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        Answer { future: self.service.call(request), streams: self.streams.clone() }
    }
}

pin_project! {
    /// An answer on its way.
    pub(super) struct Answer<F> {
        #[pin]
        future: F,
        streams: Arc<Streams>,
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
        let held = Held { streams: this.streams.clone(), is_held: false };
        Poll::Ready(Ok(response.map(|body| Content { body, held })))
    }
}

pin_project! {
    /// A body of which it is known whether hyper holds a frame: it asks for the next one once it has
    /// sent that.
    pub(super) struct Content<B> {
        #[pin]
        body: B,
        held: Held,
    }
}

struct Held {
    streams: Arc<Streams>,
    is_held: bool,
}

impl Held {
    fn release(&mut self) {
        if std::mem::take(&mut self.is_held) {
            self.streams.release();
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.release();
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
        this.held.release();
        let frame = ready!(this.body.poll_frame(cx));
        if frame.is_some() {
            this.held.is_held = true;
            this.held.streams.hold();
        }
        Poll::Ready(frame)
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
