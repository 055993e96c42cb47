//! PROTOCOL §1: transports that are switched off.

use sockjs_tests::client::{Request, Transport, WebSocket};

use super::support::{expect_no_caching, server};

#[test]
fn disabled_websocket_is_404() {
    let server = server();
    let session = server.session("/disabled_websocket_echo");
    for path in [session.target("websocket"), "/disabled_websocket_echo/websocket".to_owned()] {
        server.exchange(&WebSocket::request(&path)).expect_status(404);
        server.get(&path).expect_status(404);
        server.exchange(&Request::post(&path)).expect_status(404);
        server.exchange(&Request::options(&path)).expect_status(404);
    }
    expect_no_caching(server.exchange(&WebSocket::request(session.target("websocket"))).head());
}

#[test]
fn the_rest_still_serves_without_websocket() {
    let server = server();
    for transport in Transport::ALL {
        let session = server.session("/disabled_websocket_echo");
        session.receive_first(transport, "o");
    }
}

#[test]
fn switched_off_transports_are_404() {
    let server = server();
    let session = server.session("/xhr_only_echo");
    let names =
        ["xhr_streaming", "eventsource", "htmlfile?c=x", "jsonp?c=x", "jsonp_send", "websocket"];
    for name in names {
        for method in ["GET", "POST", "OPTIONS", "HEAD", "PUT"] {
            let request = Request::new(method, session.target(name));
            server.exchange(&request).expect_status(404);
        }
    }
    server.exchange(&WebSocket::request("/xhr_only_echo/websocket")).expect_status(404);
    server.exchange(&WebSocket::request(session.target("websocket"))).expect_status(404);
    session.xhr_send(r#"["x"]"#).expect_status(404);
}

#[test]
fn switched_on_transports_serve_beside_them() {
    let server = server();
    let session = server.session("/xhr_only_echo").open();
    session.send(&["x"]);
    assert_eq!(session.poll(), r#"a["x"]"#);
    for name in ["xhr", "xhr_send"] {
        server.exchange(&Request::options(session.target(name))).expect_status(204);
    }
    session.jsonp_send("text/plain", r#"["y"]"#).expect_status(404);
    session.send(&["z"]);
    assert_eq!(session.poll(), r#"a["z"]"#);
}
