//! Requests, and what every head of a receiver must say.

use http::request::{Builder, Parts};
use http::{Request, Response};
use sockjs_core::{Grade, Peer, Transport};

pub fn peer() -> Peer {
    Peer::new(Some("192.0.2.1:4711".parse().unwrap()), Grade::Socket)
}

pub fn head(request: Builder) -> Parts {
    request.body(()).unwrap().into_parts().0
}

pub fn get(path: &str) -> Builder {
    Request::get(format!("/echo{path}"))
}

pub fn post(path: &str) -> Builder {
    Request::post(format!("/echo{path}"))
}

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

/// PROTOCOL §4: the head of each transport.
pub fn check_head(head: &Response<()>, transport: Transport) {
    let header = |name: &str| head.headers().get(name).map(|value| value.to_str().unwrap());
    let (status, content_type) = match transport {
        Transport::Websocket | Transport::RawWebsocket => (101, None),
        Transport::Xhr | Transport::XhrStreaming | Transport::Jsonp => {
            (200, Some("application/javascript; charset=UTF-8"))
        }
        Transport::EventSource => (200, Some("text/event-stream")),
        Transport::HtmlFile => (200, Some("text/html; charset=UTF-8")),
    };
    assert_eq!(head.status(), status);
    assert_eq!(header("content-type"), content_type);
    assert_eq!(header("content-length"), None);
    let streams =
        matches!(transport, Transport::XhrStreaming | Transport::EventSource | Transport::HtmlFile);
    assert_eq!(header("x-accel-buffering") == Some("no"), streams);
    assert_eq!(header("x-content-type-options").is_some(), transport == Transport::Jsonp);
    if transport != Transport::RawWebsocket {
        let never = "no-store, no-cache, no-transform, must-revalidate, max-age=0";
        assert_eq!(header("cache-control"), Some(never));
    }
}
