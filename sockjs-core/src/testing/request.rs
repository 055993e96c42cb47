//! Requests as clients make them, and what the head of each receiver must say.

use http::request::{Builder, Parts};
use http::{Request, Response};

use crate::{Grade, Peer, Transport};

/// The other end of every simulated connection.
pub fn peer() -> Peer {
    let address = core::net::SocketAddr::from(([192, 0, 2, 1], 4711));
    Peer::new(Some(address), Grade::Socket)
}

/// The head of a request.
///
/// # Panics
/// If the request is none, e.g. for its path.
pub fn head(request: Builder) -> Parts {
    request.body(()).expect("a request").into_parts().0
}

/// A GET of a path below the service's prefix `/echo`.
pub fn get(path: &str) -> Builder {
    Request::get(format!("/echo{path}"))
}

/// A POST to a path below the service's prefix `/echo`.
pub fn post(path: &str) -> Builder {
    Request::post(format!("/echo{path}"))
}

/// OPTIONS of a path below the service's prefix `/echo`.
pub fn options(path: &str) -> Builder {
    Request::options(format!("/echo{path}"))
}

/// A handshake.
pub fn websocket(path: &str) -> Builder {
    get(path)
        .header("Upgrade", "websocket")
        .header("Connection", "Upgrade")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
}

/// The request that a client would make on that path.
pub fn for_path(path: &str) -> Builder {
    match path.rsplit('/').next().unwrap_or_default() {
        "websocket" => websocket(path),
        "xhr" | "xhr_streaming" => post(path),
        "htmlfile" | "jsonp" => get(&format!("{path}?c=cb")),
        _ => get(path),
    }
}

/// Checks the head of a receiver (PROTOCOL §4).
///
/// # Errors
/// What is wrong with it.
pub fn check_head(head: &Response<()>, transport: Transport) -> Result<(), String> {
    let header = |name: &str| head.headers().get(name).and_then(|value| value.to_str().ok());
    let (status, content_type) = match transport {
        Transport::Websocket | Transport::RawWebsocket => (101, None),
        Transport::Xhr | Transport::XhrStreaming | Transport::Jsonp => {
            (200, Some("application/javascript; charset=UTF-8"))
        }
        Transport::EventSource => (200, Some("text/event-stream")),
        Transport::HtmlFile => (200, Some("text/html; charset=UTF-8")),
    };
    let streams =
        matches!(transport, Transport::XhrStreaming | Transport::EventSource | Transport::HtmlFile);
    let never = "no-store, no-cache, no-transform, must-revalidate, max-age=0";
    let right = head.status() == status
        && header("content-type") == content_type
        && header("content-length").is_none()
        && (header("x-accel-buffering") == Some("no")) == streams
        && header("x-content-type-options").is_some() == (transport == Transport::Jsonp)
        && (transport == Transport::RawWebsocket || header("cache-control") == Some(never));
    if right { Ok(()) } else { Err(format!("the head of {transport} says {head:?}")) }
}
