//! The future of a connection.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{Request, Response};
use http_body::Body;
use hyper::{
    body::Incoming,
    rt::{Read, Timer, Write},
    server::conn::http1::{Builder, UpgradeableConnection},
    service::Service,
};
use pin_project_lite::pin_project;

use super::{
    ConnectionConfig,
    clock::{Clock, Patience},
    fifo::Chunk,
    gate::Gate,
    line::{Io, Line},
    lock,
    progress::{Awaited, Progress},
    shared::{ConnectionHandle, Shared},
    stream::Stream,
};
use crate::sync::Mutex;
use crate::waiting::Known;

/// The least that hyper takes for its buffers, below which it panics.
const LEAST_BUFFER_BYTES: usize = 8192;

/// How long a closing connection waits for the peer's end.
const LINGER: Duration = Duration::from_secs(1);

const REQUEST_TIMEOUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Serves HTTP/1 on a connection until it ends, is upgraded, or fails; nobody is told which.
/// Requests carry a [`ConnectionHandle`], for whoever [takes](ConnectionHandle::take) it.
///
/// As everywhere in hyper, the executor's waker drives it; it needs no task of its own.
pub(crate) fn serve_connection<I, S, B, C>(
    io: I,
    service: S,
    config: ConnectionConfig,
    timer: Arc<dyn Timer + Send + Sync>,
) -> Connection<I, S, B, C>
where
    I: Read + Write + Send + Unpin + 'static,
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
    C: Chunk,
{
    let progress = Arc::<Progress>::default();
    let line = Arc::new(Mutex::new(Line::new(io, Arc::clone(&progress))));
    let shared = Arc::new(Shared::new(Stream::open::<I, C>, timer.now()));
    let gate = Gate {
        line: Arc::clone(&line),
        handle: ConnectionHandle(Arc::clone(&shared)),
        progress: Arc::clone(&progress),
        max_target_bytes: config.max_target_bytes,
        service,
    };
    // hyper's own timeout for heads would set and drop a timer with every request.
    let hyper = Builder::new()
        .half_close(true)
        .pipeline_flush(false)
        .max_headers(config.max_header_count)
        .max_buf_size(config.max_head_bytes.max(LEAST_BUFFER_BYTES))
        .header_read_timeout(None)
        .serve_connection(Io::new(Arc::clone(&line), Arc::clone(&shared)), gate)
        .with_upgrades();
    Connection {
        hyper: Some(hyper),
        end: End(shared),
        line,
        progress,
        waker: Known::default(),
        config,
        clock: Clock::new(timer),
        reading: Patience::new(),
        writing: Patience::new(),
        lingering: Patience::new(),
    }
}

pin_project! {
    /// The future of one HTTP/1 connection; see [`serve_connection`].
    #[must_use = "futures do nothing unless polled"]
    pub(crate) struct Connection<I, S, B, C>
    where
        S: Service<Request<Incoming>, Response = Response<B>>,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        B: Body,
        C: Chunk,
    {
        // Dropped first: chunks are lost before their bodies report that they are gone.
        end: End<C>,
        #[pin]
        hyper: Option<UpgradeableConnection<Io<I, C>, Gate<I, S, C>>>,
        line: Arc<Mutex<Line<I>>>,
        progress: Arc<Progress>,
        // What `end` has.
        waker: Known,
        config: ConnectionConfig,
        clock: Clock,
        reading: Patience<Awaited>,
        writing: Patience<u64>,
        lingering: Patience<()>,
    }
}

impl<I, S, B, C> Connection<I, S, B, C>
where
    I: Read + Write + Send + Unpin + 'static,
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
    C: Chunk,
{
    /// Ends the connection after the response that is under way, or now if it is idle. Poll on
    /// after this call.
    pub(crate) fn graceful_shutdown(self: Pin<&mut Self>) {
        if let Some(hyper) = self.project().hyper.as_pin_mut() {
            hyper.graceful_shutdown();
        }
    }

    /// Lets hyper work. Ready when it has finished; everything that it held is gone then.
    fn poll_hyper(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let mut this = self.project();
        let Some(hyper) = this.hyper.as_mut().as_pin_mut() else {
            return Poll::Ready(Ended::InOrder);
        };
        let shared = &this.end.0;
        if this.waker.changes(cx.waker()) {
            shared.wakes(cx.waker().clone());
        }
        shared.enter();
        let finished = hyper.poll(cx).is_ready();
        shared.leave();

        let mut line = lock(this.line);
        let seen = line.see();
        let ended = if finished {
            // An upgrade leaves the socket open, and so does a failure.
            if seen.is_shut_down { Ended::InOrder } else { Ended::Done }
        } else if shared.is_parked() && line.poll_gone(seen.is_reading, cx).is_ready() {
            Ended::HangUp
        } else {
            let awaited = seen.is_reading.then(|| this.progress.awaited());
            let limit = match awaited {
                Some(Awaited::Request(_)) => this.config.idle_timeout,
                _ => this.config.read_timeout,
            };
            let now = || shared.moment.now(|| this.clock.now());
            let read = this.reading.check(awaited, limit, now);
            let written = seen.is_blocked.then_some(seen.write_count);
            let write = this.writing.check(written, this.config.write_stall, now);
            let Some(deadline) = read.into_iter().chain(write).min() else {
                return Poll::Pending;
            };
            if this.clock.poll_until(deadline, cx).is_pending() {
                return Poll::Pending;
            }
            if this.writing.is_over(this.clock) {
                shared.stall();
                Ended::HangUp
            } else if seen.is_reading && line.scanner.is_mid_head() {
                // An answer would not fall into another, for hyper reads a head only when everything
                // before is answered.

                Ended::Dismiss(REQUEST_TIMEOUT)
            } else {
                Ended::Dismiss(b"")
            }
        };
        drop(line);
        shared.end();
        this.hyper.set(None);
        Poll::Ready(ended)
    }

    /// Waits for the peer's end, for a while.
    fn poll_linger(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if lock(this.line).poll_drained(cx).is_ready() {
            return Poll::Ready(());
        }
        match this.lingering.check(Some(()), LINGER, || this.clock.now()) {
            Some(deadline) => this.clock.poll_until(deadline, cx),
            None => Poll::Ready(()),
        }
    }
}

impl<I, S, B, C> Future for Connection<I, S, B, C>
where
    I: Read + Write + Send + Unpin + 'static,
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
    C: Chunk,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match ready!(self.as_mut().poll_hyper(cx)) {
            Ended::Done if Arc::strong_count(&self.line) > 1 => return Poll::Ready(()),
            Ended::Done => {}
            Ended::InOrder => ready!(self.as_mut().poll_linger(cx)),
            Ended::Dismiss(answer) => lock(&self.line).dismiss(answer, cx),
            Ended::HangUp => {}
        }
        // Not left to this value's drop, which is the executor's to time.
        lock(&self.line).hang_up();
        Poll::Ready(())
    }
}

impl<I, S, B, C> fmt::Debug for Connection<I, S, B, C>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body,
    C: Chunk,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

/// How hyper's part came to its end.
enum Ended {
    /// hyper has closed our side; the peer may still be talking.
    InOrder,
    /// Upgraded, then somebody has the socket, or failed.
    Done,
    /// Too slow: to be told as far as it goes at once.
    Dismiss(&'static [u8]),
    /// Gone or stalled.
    HangUp,
}

/// Reports what is left of the chunks when the connection ends by being dropped.
struct End<C: Chunk>(Arc<Shared<C>>);

impl<C: Chunk> Drop for End<C> {
    fn drop(&mut self) {
        self.0.end();
    }
}
