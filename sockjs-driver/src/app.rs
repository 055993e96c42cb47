//! The application's side of a service: its handler, its say on who may in, its runtime.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{StatusCode, request};
use sockjs_core::{Principal, Timestamp};

use crate::observe::Observer;
use crate::recording::Recording;
use crate::runtime::{Clock, Runtime, Task};
use crate::session::{Inner, Session};
use crate::sync::atomic::{AtomicBool, Ordering};

/// Runs one session.
pub(crate) type Handler = Box<dyn Fn(Session) -> Task + Send + Sync>;

/// Looks at the head of a request and says who sent it, or refuses it with a status.
pub(crate) type Authorize = Box<dyn Fn(&request::Parts) -> Verdict + Send + Sync>;

/// What [`Authorize`] will say.
pub(crate) type Verdict =
    Pin<Box<dyn Future<Output = Result<Option<Principal>, StatusCode>> + Send>>;

/// What all shards of a service share.
pub(crate) struct App {
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) clock: Clock,
    handler: Handler,
    authorize: Option<Authorize>,
    /// Where the traces of its endpoints go.
    pub(crate) recording: Option<Recording>,
    pub(crate) observer: Observer,
    is_draining: AtomicBool,
}

impl App {
    pub(crate) fn new(
        runtime: Arc<dyn Runtime>,
        handler: Handler,
        authorize: Option<Authorize>,
        recording: Option<Recording>,
        observer: Observer,
    ) -> Self {
        let clock = Clock::new(&*runtime);
        let is_draining = AtomicBool::new(false);
        Self { runtime, clock, handler, authorize, recording, observer, is_draining }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.timestamp(self.runtime.now())
    }

    pub(crate) fn drain(&self) {
        self.is_draining.store(true, Ordering::Release);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    /// Who sent a request, `None` if the application does not care, and the time then; before it was
    /// `now`.
    pub(crate) async fn authorize(
        &self,
        head: &request::Parts,
        now: Timestamp,
    ) -> Result<(Option<Principal>, Timestamp), StatusCode> {
        match &self.authorize {
            Some(authorize) => Ok((authorize(head).await?, self.now())),
            None => Ok((None, now)),
        }
    }

    /// The handler of a session that has opened, to be run.
    pub(crate) fn handle(self: &Arc<Self>, session: Arc<Inner>) -> Running {
        self.observer.opened(&session);
        Running { handler: Handling::Due(self.clone()), session }
    }

    /// Runs a handler in a task of its own.
    pub(crate) fn spawn(&self, handler: Running) {
        self.runtime.spawn(Box::pin(handler));
    }
}

/// A session's handler, from its start on. Its end closes the session, however it comes.
pub(crate) struct Running {
    handler: Handling,
    session: Arc<Inner>,
}

enum Handling {
    /// To be called by the first poll.
    Due(Arc<App>),
    Begun(Task),
}

impl Handling {
    fn poll(&mut self, session: &Arc<Inner>, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Due(app) = self {
            *self = Self::Begun((app.handler)(Session::new(session.clone())));
        }
        match self {
            Self::Begun(handler) => handler.as_mut().poll(cx),
            Self::Due(_) => Poll::Pending,
        }
    }
}

impl Future for Running {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // A handler that panics ends its session and nothing else.
        let Self { handler, session } = &mut *self;
        let step = AssertUnwindSafe(|| handler.poll(session, cx));
        match session.span.run(|| catch_unwind(step)) {
            Ok(poll) => ready!(poll),
            Err(_) => session.panicked(),
        }
        Poll::Ready(())
    }
}

/// Also when the runtime drops the task: nobody is left to talk to.
impl Drop for Running {
    fn drop(&mut self) {
        self.session.handler_ended();
    }
}
