//! What stands between hyper and the service: the checks of PROTOCOL §8 that hyper leaves to
//! others, and its answers to HTTP/1.0.

use std::{
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{
    HeaderValue, Request, Response, StatusCode, Version,
    header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
};
use http_body::{Body, Frame, SizeHint};
use hyper::{body::Incoming, service::Service};
use pin_project_lite::pin_project;

use super::{
    fifo::Chunk,
    line::Line,
    lock,
    progress::{Answering, Progress},
    shared::ConnectionHandle,
};
use crate::sync::Mutex;

/// A service that is asked only about sound requests, and told where they come from.
pub(super) struct Gate<I, S, C: Chunk> {
    pub(super) line: Arc<Mutex<Line<I>>>,
    pub(super) handle: ConnectionHandle<C>,
    pub(super) progress: Arc<Progress>,
    pub(super) max_target_bytes: usize,
    pub(super) service: S,
}

impl<I, S, C: Chunk> Gate<I, S, C> {
    /// Says what is wrong with a request that was just made.
    fn check(&self, request: &Request<Incoming>) -> Result<(), StatusCode> {
        let has_two_lengths = self.progress.is_unclear() && {
            let mut line = lock(&self.line);
            line.scanner.expect_body(request.body().size_hint().exact());
            line.scanner.has_two_lengths()
        };
        let headers = request.headers();
        let mut hosts = headers.get_all(HOST).iter();
        match (hosts.next(), hosts.next(), request.version()) {
            (Some(_), None, _) | (None, _, Version::HTTP_10) => {}
            _ => return Err(StatusCode::BAD_REQUEST),
        }
        if has_two_lengths && headers.contains_key(TRANSFER_ENCODING) {
            return Err(StatusCode::BAD_REQUEST);
        }
        let target_bytes = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
        if target_bytes > self.max_target_bytes {
            return Err(StatusCode::URI_TOO_LONG);
        }
        Ok(())
    }
}

impl<I, S, B, C> Service<Request<Incoming>> for Gate<I, S, C>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    B: Body,
    C: Chunk,
{
    type Response = Response<Content<B>>;
    type Error = S::Error;
    type Future = Answer<S::Future, C>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let answering = Some(self.progress.begin());
        if let Err(status) = self.check(&request) {
            return Answer::Refused { status, answering };
        }
        let is_old = request.version() == Version::HTTP_10;
        self.handle.mark(request.extensions_mut());
        let future = self.service.call(request);
        Answer::Asked { future, is_old, answering, chunks: PhantomData }
    }
}

pin_project! {
    /// The answer on its way.
    #[project = AnswerProjection]
    pub(super) enum Answer<F, C> {
        Refused { status: StatusCode, answering: Option<Answering> },
        Asked {
            #[pin]
            future: F,
            is_old: bool,
            answering: Option<Answering>,
            chunks: PhantomData<fn(C)>,
        },
    }
}

impl<F, B, E, C> Future for Answer<F, C>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    C: Chunk,
{
    type Output = Result<Response<Content<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (future, is_old, answering) = match self.project() {
            AnswerProjection::Refused { status, answering } => {
                return Poll::Ready(Ok(refusal(*status, answering.take())));
            }
            AnswerProjection::Asked { future, is_old, answering, .. } => {
                (future, *is_old, answering)
            }
        };
        let mut response = ready!(future.poll(cx))?;
        ConnectionHandle::<C>::passes(&mut response);
        if is_old && !has_known_length(&response) {
            // hyper would promise keep-alive to a client that asked for it, although only the
            // connection's end can end this body. A response of version 1.0 it leaves alone.
            *response.version_mut() = Version::HTTP_10;
        }
        let answering = answering.take();
        Poll::Ready(Ok(response.map(|body| Content { body: Some(body), _answering: answering })))
    }
}

pin_project! {
    /// The service's body, or none for a refusal.
    pub(super) struct Content<B> {
        #[pin]
        body: Option<B>,
        _answering: Option<Answering>,
    }
}

impl<B: Body> Body for Content<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project().body.as_pin_mut() {
            Some(body) => body.poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// Whether hyper can tell the client where this body ends.
fn has_known_length<B: Body>(response: &Response<B>) -> bool {
    let body = response.body();
    body.is_end_stream()
        || body.size_hint().exact().is_some()
        || response.headers().contains_key(CONTENT_LENGTH)
}

/// An empty answer after which the connection closes: where the next request would begin is not
/// to be trusted.
fn refusal<B>(status: StatusCode, answering: Option<Answering>) -> Response<Content<B>> {
    let mut response = Response::new(Content { body: None, _answering: answering });
    *response.status_mut() = status;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
