//! Runs the handlers of sessions over HTTP.
//!
//! Between its messages such a handler has no task: there may be very many of them, and a request that
//! brings it messages is a task already, and polls it. What else wakes it has its shard spawn a task,
//! for one poll: a waker is called from anywhere, and tasks are spawned by tasks. (A WebSocket's handler
//! runs in the task of its WebSocket.)
//!
//! A handler holds its session, and the session the handler: it goes when it ends, or when the runtime
//! does, which the shard's timer task notices.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::runtime::Task;
use crate::session::Inner;
use crate::sync::atomic::{AtomicU8, Ordering};
use crate::sync::{Mutex, lock};

/// A session's handler, and who polls it.
pub(crate) struct Runner {
    handler: Mutex<Option<Task>>,
    state: AtomicU8,
}

/// Nobody polls it, and nothing calls for that.
const IDLE: u8 = 0;
/// It was woken, and a task is on its way to poll it.
const DUE: u8 = 1;
/// It is being polled.
const POLLED: u8 = 2;
/// It is being polled, and was woken meanwhile.
const AGAIN: u8 = 3;
/// It has ended.
const OVER: u8 = 4;

impl Runner {
    pub(crate) fn new() -> Self {
        Self { handler: Mutex::default(), state: AtomicU8::new(IDLE) }
    }

    /// Whether the state was the one, and is the other now.
    fn moves(&self, from: u8, to: u8) -> bool {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The handler is to be polled. Says whether nobody is at it, nor on the way.
    fn call(&self) -> bool {
        loop {
            match self.state.load(Ordering::Acquire) {
                IDLE if self.moves(IDLE, DUE) => return true,
                POLLED if self.moves(POLLED, AGAIN) => return false,
                IDLE | POLLED => {}
                _ => return false,
            }
        }
    }

    /// Polls the handler, by whoever has moved the state. Says whether it is due again, which the caller
    /// sees to.
    fn poll(&self, waker: &Waker) -> bool {
        let mut handler = lock(&self.handler);
        let mut cx = Context::from_waker(waker);
        if let Some(future) = &mut *handler
            && future.as_mut().poll(&mut cx).is_pending()
        {
            drop(handler);
            let is_due = !self.moves(POLLED, IDLE);
            if is_due {
                self.state.store(DUE, Ordering::Release);
            }
            return is_due;
        }
        let ended = handler.take();
        drop(handler);
        self.state.store(OVER, Ordering::Release);
        // What the application left in it goes without the lock.
        drop(ended);
        false
    }
}

impl Inner {
    /// Runs the session's handler from now on, at first in a task of its own: what it does before it waits
    /// shall delay no frame.
    pub(crate) fn begin(self: Arc<Self>, handler: Task) {
        *lock(&self.runner.handler) = Some(handler);
        self.shard.runs(&self);
        if self.runner.call() {
            self.spawn();
        }
    }

    /// Polls the handler; if it is being polled, that is done once more by whoever is at it.
    pub(crate) fn run(self: &Arc<Self>) {
        let runner = &self.runner;
        // A task that is on its way will find nothing left to do.
        if !runner.moves(IDLE, POLLED) && !runner.moves(DUE, POLLED) {
            self.wake_by_ref();
        } else if self.poll() {
            self.clone().spawn();
        }
    }

    fn poll(self: &Arc<Self>) -> bool {
        let is_due = self.runner.poll(&self.clone().into());
        if self.shard.has_lost_its_runtime() {
            self.abandon();
        }
        is_due
    }

    /// Whether that is the waker with which the handler is polled.
    pub(crate) fn is_woken_by(&self, waker: &Waker) -> bool {
        // Nothing else is where this session is.
        std::ptr::eq(waker.data(), std::ptr::from_ref(self).cast())
    }

    /// Drops the handler, for nothing is left that could run it. Whoever polls it now does so after that.
    pub(crate) fn abandon(&self) {
        let handler = self.runner.handler.try_lock().ok().and_then(|mut handler| handler.take());
        if let Some(handler) = handler {
            self.runner.state.store(OVER, Ordering::Release);
            drop(handler);
        }
    }

    /// Polls the handler in a task of its own.
    pub(crate) fn spawn(self: Arc<Self>) {
        let runtime = self.shard.app.runtime.clone();
        runtime.spawn(Box::pin(Once(Some(self))));
    }
}

impl Wake for Inner {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.runner.call() {
            self.shard.spawn_soon(self.clone());
        }
    }
}

/// The task of one poll, until that is over.
struct Once(Option<Arc<Inner>>);

impl Future for Once {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(session) = self.0.take() else { return Poll::Ready(()) };
        if session.runner.moves(DUE, POLLED) && session.poll() {
            self.0 = Some(session);
            // After others.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

/// A runtime that drops it instead drops the handler with it, if that is still due.
impl Drop for Once {
    fn drop(&mut self) {
        if let Some(session) = self.0.take().filter(|session| session.runner.moves(DUE, POLLED)) {
            session.abandon();
        }
    }
}
