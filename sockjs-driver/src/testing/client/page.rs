//! What a client's page knows: shared by the test and the client's tasks.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use http::StatusCode;
use sockjs_core::testing::Frame;
use sockjs_core::{CloseReason, Message};

use crate::runtime::Task;

#[derive(Default)]
pub(super) struct Page(Mutex<State>);

#[derive(Default)]
struct State {
    stage: Stage,
    received: VecDeque<Message>,
    outgoing: VecDeque<Outgoing>,
    /// What a bug of the service sent.
    fault: Option<String>,
    /// Nothing goes on.
    is_over: bool,
    /// It is to say goodbye.
    is_closing: bool,
    wakers: Vec<Waker>,
}

#[derive(Default)]
enum Stage {
    #[default]
    Connecting,
    Refused(StatusCode),
    Unanswered,
    Open,
    Closed(CloseReason),
}

/// What is to be sent.
pub(super) enum Outgoing {
    Message(Message),
    Goodbye,
}

/// The connection broke off.
pub(super) struct Broken;

impl Page {
    /// A task that ends with the page.
    pub(super) fn run(
        self: Arc<Self>,
        work: impl Future<Output = Result<(), Broken>> + Send + 'static,
    ) -> Task {
        let mut work = Box::pin(work);
        Box::pin(poll_fn(move |cx| {
            let is_over =
                |state: &mut State| if state.is_over { Poll::Ready(()) } else { Poll::Pending };
            if self.wait(cx, is_over).is_ready() {
                return Poll::Ready(());
            }
            work.as_mut().poll(cx).map(|result| result.unwrap_or_else(|Broken| self.lose()))
        }))
    }

    /// The service refuses the session, or what was sent to it.
    pub(super) fn refused(&self, status: StatusCode) -> Broken {
        self.change(|state| {
            if let Stage::Connecting = state.stage {
                state.stage = Stage::Refused(status);
            }
        });
        Broken
    }

    /// A frame came, or what is none.
    pub(super) fn take(&self, frame: Result<Frame, String>) -> Result<(), Broken> {
        match frame {
            Ok(Frame::Open) => self.open(),
            Ok(Frame::Messages(messages)) => self.change(|state| state.received.extend(messages)),
            Ok(Frame::Close(code, reason)) => self.end(CloseReason::new(code, reason)),
            Ok(Frame::Heartbeat | Frame::Ping | Frame::WebsocketClose(_)) => {}
            Err(fault) => {
                self.change(|state| state.fault = Some(fault));
                return Err(Broken);
            }
        }
        Ok(())
    }

    pub(super) fn open(&self) {
        self.change(|state| state.stage = Stage::Open);
    }

    /// The first reason counts.
    pub(super) fn end(&self, reason: CloseReason) {
        self.change(|state| {
            if let Stage::Connecting | Stage::Open = state.stage {
                state.stage = Stage::Closed(reason);
            }
        });
    }

    /// The connection broke off: 1006, as browsers say.
    fn lose(&self) {
        self.change(|state| {
            state.is_over = true;
            match state.stage {
                Stage::Connecting => state.stage = Stage::Unanswered,
                Stage::Open => {
                    state.stage = Stage::Closed(CloseReason::new(1006, "Connection lost"))
                }
                _ => {}
            }
        });
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state().stage, Stage::Closed(_))
    }

    pub(super) fn put(&self, outgoing: Outgoing) {
        self.change(|state| {
            state.is_closing |= matches!(outgoing, Outgoing::Goodbye);
            state.outgoing.push_back(outgoing);
        });
    }

    /// What is to be sent next.
    pub(super) fn poll_outgoing(&self, cx: &mut Context<'_>) -> Poll<Outgoing> {
        self.wait(cx, |state| state.outgoing.pop_front().map_or(Poll::Pending, Poll::Ready))
    }

    /// The end of the client's tasks, unless they are still to say goodbye.
    pub(super) fn forsake(&self) {
        self.change(|state| state.is_over |= !state.is_closing);
    }

    /// The end of the client's tasks.
    pub(super) fn leave(&self) {
        self.change(|state| state.is_over = true);
    }

    pub(super) fn poll_open(&self, cx: &mut Context<'_>) -> Poll<Result<(), StatusCode>> {
        self.wait(cx, |state| match &state.stage {
            Stage::Connecting => Poll::Pending,
            Stage::Refused(status) => Poll::Ready(Err(*status)),
            Stage::Unanswered => panic!("the service broke off without an answer"),
            Stage::Open | Stage::Closed(_) => Poll::Ready(Ok(())),
        })
    }

    pub(super) fn poll_message(&self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.wait(cx, |state| match state.received.pop_front() {
            Some(message) => Poll::Ready(Some(message)),
            None => state.poll_end().map(|_| None),
        })
    }

    pub(super) fn take_message(&self) -> Option<Message> {
        self.state().received.pop_front()
    }

    pub(super) fn poll_end(&self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        self.wait(cx, |state| state.poll_end())
    }

    fn wait<T>(&self, cx: &Context<'_>, look: impl FnOnce(&mut State) -> Poll<T>) -> Poll<T> {
        let mut state = self.state();
        let found = look(&mut state);
        if found.is_pending() && !state.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.wakers.push(cx.waker().clone());
        }
        found
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// A look may panic, for what the test did or the service sent, and changes nothing then.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn poll_end(&self) -> Poll<CloseReason> {
        if let Some(fault) = &self.fault {
            panic!("the service sent {fault}");
        }
        match &self.stage {
            Stage::Closed(reason) => Poll::Ready(reason.clone()),
            _ => Poll::Pending,
        }
    }
}
