//! Several services in one server.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use sockjs_core::CloseReason;

use crate::body::Body;
use crate::runtime::Runtime;
use crate::sockjs::{ResponseFuture, SockJs};

/// Services under different prefixes. Of several that own a path, the longest prefix answers; a
/// path of none gets a 404.
#[derive(Debug)]
pub struct Services<R>(Arc<[SockJs<R>]>);

impl<R: Runtime> Services<R> {
    /// These services together.
    pub fn new(services: impl IntoIterator<Item = SockJs<R>>) -> Self {
        let mut services: Vec<_> = services.into_iter().collect();
        services.sort_by_key(|service| std::cmp::Reverse(service.prefix().len()));
        Self(services.into())
    }

    /// The services, those with longer prefixes first.
    pub fn iter(&self) -> impl Iterator<Item = &SockJs<R>> {
        self.0.iter()
    }

    /// Shuts all of them down at once, as [`SockJs::shutdown`] does one.
    pub async fn shutdown(&self, reason: CloseReason, deadline: Duration) -> usize {
        let mut ends: Vec<_> = self
            .iter()
            .map(|service| Box::pin(service.shutdown(reason.clone(), deadline)))
            .map(Some)
            .collect();
        let mut left = 0;
        poll_fn(|cx| {
            for end in &mut ends {
                if let Some(Poll::Ready(count)) = end.as_mut().map(|end| end.as_mut().poll(cx)) {
                    left += count;
                    *end = None;
                }
            }
            if ends.iter().any(Option::is_some) { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        left
    }
}

impl<R> Clone for Services<R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<R, B> tower_service::Service<Request<B>> for Services<R>
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
        let path = request.uri().path();
        match self.iter().find(|service| service.owns(path)) {
            Some(service) => hyper::service::Service::call(service, request),
            None => Box::pin(std::future::ready(Ok(not_found()))),
        }
    }
}

fn not_found() -> Response<Body> {
    let mut response = Response::new(Body::full(Bytes::from_static(b"Not found\n")));
    *response.status_mut() = StatusCode::NOT_FOUND;
    let text = HeaderValue::from_static("text/plain; charset=UTF-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response
}
