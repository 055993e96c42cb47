//! The application's side of a service: its handler, its say on who may in, its runtime.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{StatusCode, request};
use pin_project_lite::pin_project;
use sockjs_core::{Principal, Timestamp};

use crate::observe::Observer;
use crate::recording::Recording;
use crate::runtime::{Clock, Runtime, Task};
use crate::session::{Inner, Session};
use crate::sync::atomic::{AtomicBool, Ordering};

/// The task of a session, whose first poll calls the application.
pub(crate) type Handler = Box<dyn Fn(Arc<Inner>) -> Task + Send + Sync>;

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

    /// Whether the application is asked who may in.
    pub(crate) fn authorizes(&self) -> bool {
        self.authorize.is_some()
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
    pub(crate) fn handle(&self, session: Arc<Inner>) -> Task {
        self.observer.opened(&session);
        (self.handler)(session)
    }
}

/// What runs sessions by `handler`: all of a session's task is one piece of memory.
pub(crate) fn run_by<H, F>(handler: H) -> Handler
where
    H: Fn(Session) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let handler = Arc::new(handler);
    Box::new(move |session| {
        let handling = Handling::Due { handler: handler.clone() };
        Box::pin(Running { handling, session })
    })
}

pin_project! {
    /// A session's handler, from its start on. Its end closes the session, however it comes.
    struct Running<H, F> {
        #[pin]
        handling: Handling<H, F>,
        session: Arc<Inner>,
    }

    /// Also when the runtime drops the task: nobody is left to talk to.
    impl<H, F> PinnedDrop for Running<H, F> {
        fn drop(this: Pin<&mut Self>) {
            this.session.handler_ended();
        }
    }
}

pin_project! {
    #[project = HandlingProjection]
    enum Handling<H, F> {
        /// To be called by the first poll.
        Due { handler: Arc<H> },
        Begun {
            #[pin]
            future: F,
        },
    }
}

impl<H: Fn(Session) -> F, F: Future<Output = ()>> Handling<H, F> {
    fn poll(mut self: Pin<&mut Self>, session: &Arc<Inner>, cx: &mut Context<'_>) -> Poll<()> {
        if let HandlingProjection::Due { handler } = self.as_mut().project() {
            let future = handler(Session::new(session.clone()));
            self.set(Self::Begun { future });
        }
        match self.project() {
            HandlingProjection::Begun { future } => future.poll(cx),
            HandlingProjection::Due { .. } => Poll::Pending,
        }
    }
}

impl<H: Fn(Session) -> F, F: Future<Output = ()>> Future for Running<H, F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // A handler that panics ends its session and nothing else.
        let this = self.project();
        let (handling, session) = (this.handling, &*this.session);
        let step = AssertUnwindSafe(|| handling.poll(session, cx));
        match session.span.run(|| catch_unwind(step)) {
            Ok(poll) => ready!(poll),
            Err(_) => session.panicked(),
        }
        Poll::Ready(())
    }
}
