//! Clients that speak to a service without a connection, each in a task of its own.

use std::future::poll_fn;
use std::pin::Pin;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::Full;
use sockjs_driver::{Body, SockJs};

use crate::world::World;

/// Asks for something of the session `s`.
pub(crate) async fn post(
    service: &SockJs<World>,
    what: &str,
    body: &'static str,
) -> Response<Body> {
    post_to(service, "s", what, body).await
}

async fn post_to(
    service: &SockJs<World>,
    id: &str,
    what: &str,
    body: &'static str,
) -> Response<Body> {
    let request = Request::post(format!("/echo/000/{id}/{what}"));
    service.respond(request.body(Full::new(Bytes::from_static(body.as_bytes()))).unwrap()).await
}

/// The next chunk of a body; `None` at its end.
pub(crate) async fn chunk(body: &mut Body) -> Option<String> {
    let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
    let bytes = frame.unwrap().into_data().ok()?;
    Some(String::from_utf8(bytes.to_vec()).unwrap())
}

/// A whole body.
pub(crate) async fn all(mut body: Body) -> String {
    let mut text = String::new();
    while let Some(chunk) = chunk(&mut body).await {
        text += &chunk;
    }
    text
}

/// Streams the session `s`.
pub(crate) async fn stream(service: &SockJs<World>, is_last: impl Fn(&str) -> bool) -> Vec<String> {
    stream_of(service, "s", is_last).await
}

/// Streams until a frame is the last; returns its frames, without prelude and `o`.
pub(crate) async fn stream_of(
    service: &SockJs<World>,
    id: &str,
    is_last: impl Fn(&str) -> bool,
) -> Vec<String> {
    let response = post_to(service, id, "xhr_streaming", "").await;
    assert_eq!(response.status(), StatusCode::OK);
    let mut body = response.into_body();
    let mut frames = Vec::new();
    while let Some(chunk) = chunk(&mut body).await {
        frames.extend(chunk.lines().map(str::to_owned));
        if frames.last().is_some_and(|frame| is_last(frame)) {
            break;
        }
    }
    frames.retain(|frame| frame != "o" && !frame.starts_with("hhh"));
    frames
}

/// Polls again and again, as a client does, until a close frame comes.
pub(crate) async fn poll_to_the_end(service: &SockJs<World>) -> Vec<String> {
    let mut frames = Vec::new();
    loop {
        let response = post(service, "xhr", "").await;
        if response.status() != StatusCode::OK {
            frames.push(response.status().as_str().to_owned());
            return frames;
        }
        let frame = all(response.into_body()).await;
        let is_end = frame.starts_with('c');
        frames.push(frame.trim_end().to_owned());
        if is_end {
            return frames;
        }
    }
}

/// The messages of message frames.
pub(crate) fn messages(frames: &[String]) -> Vec<String> {
    let arrays = frames.iter().filter_map(|frame| frame.strip_prefix('a'));
    arrays.flat_map(|array| serde_json::from_str::<Vec<String>>(array).unwrap()).collect()
}
