//! A service as an application holds it.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use sockjs_core::{CloseReason, Stats};

use crate::body::Body;
use crate::builder::Builder;
use crate::hub::Hub;
use crate::runtime::Runtime;
use crate::shard::Shard;

/// A SockJS service: a prefix, its settings, the application's handler, and all sessions. A clone
/// is the same service.
///
/// It is a `tower` service and a `hyper` service at once; in both, requests of other paths get a
/// 404, so ask [`owns`](Self::owns) first where that matters.
pub struct SockJs<R> {
    hub: Arc<Hub>,
    runtime: PhantomData<fn() -> R>,
}

impl<R: Runtime + Default> SockJs<R> {
    /// Describes a service under a prefix, e.g. `/echo`.
    pub fn builder(prefix: impl Into<String>) -> Builder<R> {
        Builder::new(prefix, R::default())
    }
}

impl<R: Runtime> SockJs<R> {
    pub(crate) fn new(hub: Hub) -> Self {
        Self { hub: Arc::new(hub), runtime: PhantomData }
    }

    /// The path under which the service answers.
    pub fn prefix(&self) -> &str {
        &self.hub.service.settings().prefix
    }

    /// Whether a path is the service's: its prefix, or below it. Any path is if it is
    /// [nested](Builder::nested).
    pub fn owns(&self, path: &str) -> bool {
        self.hub.service.owns(path)
    }

    #[cfg(feature = "testing")]
    pub(crate) fn is_nested(&self) -> bool {
        self.hub.service.settings().is_nested
    }

    #[cfg(feature = "testing")]
    pub(crate) fn runtime(&self) -> Arc<dyn Runtime> {
        self.hub.app.runtime.clone()
    }

    /// Answers a request.
    pub fn respond<B>(
        &self,
        request: Request<B>,
    ) -> impl Future<Output = Response<Body>> + use<R, B>
    where
        B: http_body::Body,
    {
        let answering = self.hub.clone().respond(request);
        async move {
            let Ok(response) = answering.await;
            response
        }
    }

    /// Counts over all sessions, now and ever, with averages over the last ten seconds. They can be
    /// serialised, with serde.
    pub fn stats(&self) -> Stats {
        let mut sum = Stats::default();
        for shard in &self.hub.shards {
            sum.add(&shard.turn(|turn| turn.endpoint.stats()));
        }
        // The shards' own are among them.
        sum.refused = self.hub.app.observer.refusals();
        sum
    }

    /// Refuses new sessions, closes all others with `reason` once their queued messages are
    /// delivered, and waits for their end, at most until the deadline. Sessions that have not ended
    /// by then are cut off, and their number is returned: their [`Report`](crate::Report)s name
    /// what was not delivered.
    ///
    /// Calling it again is in order, also meanwhile: the sessions are closed already, and the
    /// earlier deadline cuts them off. Dropping the future ends the wait and nothing else.
    pub async fn shutdown(&self, reason: CloseReason, deadline: Duration) -> usize {
        let hub = &self.hub;
        hub.app.drain();
        for shard in &hub.shards {
            shard.turn(|turn| turn.endpoint.shutdown(reason.clone()));
        }
        let mut sleep = hub.app.runtime.sleep(deadline);
        let mut idle = pin!(self.idle());
        poll_fn(|cx| {
            if idle.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            sleep.as_mut().poll(cx)
        })
        .await;
        let cut_off = |shard: &Arc<Shard>| {
            shard.turn(|turn| {
                let left = turn.endpoint.live();
                turn.endpoint.cut_off();
                left
            })
        };
        hub.shards.iter().map(cut_off).sum()
    }

    /// Waits until no session is left.
    async fn idle(&self) {
        for shard in &self.hub.shards {
            poll_fn(|cx| {
                shard.turn(|turn| {
                    if turn.endpoint.live() == 0 {
                        return Poll::Ready(());
                    }
                    turn.waiting.for_idle(cx.waker());
                    Poll::Pending
                })
            })
            .await;
        }
    }
}

impl<R> Clone for SockJs<R> {
    fn clone(&self) -> Self {
        Self { hub: self.hub.clone(), runtime: PhantomData }
    }
}

impl<R> fmt::Debug for SockJs<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = &self.hub.service.settings().prefix;
        f.debug_struct("SockJs").field("prefix", prefix).finish_non_exhaustive()
    }
}

/// The answer to a request, on its way.
pub type ResponseFuture = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl<R, B> tower_service::Service<Request<B>> for SockJs<R>
where
    R: Runtime,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        hyper::service::Service::call(self, request)
    }
}

impl<R, B> hyper::service::Service<Request<B>> for SockJs<R>
where
    R: Runtime,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn call(&self, request: Request<B>) -> ResponseFuture {
        Box::pin(self.hub.clone().respond(request))
    }
}
