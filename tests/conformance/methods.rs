//! PROTOCOL §1: methods, `Allow`, HEAD.

use sockjs_tests::client::{Request, Transport};

use super::support::{expect_method_not_allowed, expect_no_caching, server};

const METHODS: [&str; 10] =
    ["GET", "POST", "OPTIONS", "HEAD", "PUT", "DELETE", "PATCH", "get", "Post", "FROB"];

#[test]
fn static_paths_refuse_other_methods() {
    let server = server();
    let refused = |path: &str, served: &[&str], allow: &str| {
        for method in METHODS.iter().filter(|method| !served.contains(method)) {
            let answer = server.exchange(&Request::new(method, path));
            expect_method_not_allowed(answer.head(), allow);
        }
    };
    refused("/echo", &["GET", "HEAD"], "GET, HEAD");
    refused("/echo/", &["GET", "HEAD"], "GET, HEAD");
    refused("/echo/iframe.html", &["GET", "HEAD"], "GET, HEAD");
    refused("/echo/iframe-1.html", &["GET", "HEAD"], "GET, HEAD");
    refused("/echo/info", &["GET", "HEAD", "OPTIONS"], "GET, HEAD, OPTIONS");
    refused("/echo/websocket", &["GET"], "GET");
}

#[test]
fn session_paths_refuse_other_methods() {
    let server = server();
    let session = server.session("/echo");
    let refused = |name: &str, served: &[&str], allow: &str| {
        for method in METHODS.iter().filter(|method| !served.contains(method)) {
            let answer = server.exchange(&Request::new(method, session.target(name)));
            expect_method_not_allowed(answer.head(), allow);
            expect_no_caching(answer.head());
        }
    };
    for name in ["xhr", "xhr_streaming", "xhr_send"] {
        refused(name, &["POST", "OPTIONS"], "OPTIONS, POST");
    }
    refused("eventsource", &["GET", "OPTIONS"], "GET");
    refused("htmlfile?c=x", &["GET"], "GET");
    refused("jsonp?c=x", &["GET"], "GET");
    refused("jsonp_send", &["POST"], "POST");
    refused("websocket", &["GET"], "GET");
    session.xhr_send(r#"["x"]"#).expect_status(404);
}

#[test]
fn head_is_get_without_the_body() {
    let server = server();
    for path in ["/echo", "/echo/", "/echo/iframe.html"] {
        let (get, head) = (server.get(path), server.exchange(&Request::head(path)));
        head.expect_status(200);
        for name in ["Content-Type", "Content-Length", "Cache-Control", "ETag"] {
            assert_eq!(head.get(name), get.get(name), "{name} of HEAD {path}");
        }
    }
    let info = server.exchange(&Request::head("/echo/info"));
    info.expect_status(200).expect_header("Content-Type", "application/json; charset=UTF-8");
    assert!(info.get("Content-Length").is_some(), "{info}");
    expect_no_caching(info.head());
}

#[test]
fn head_keeps_the_connection_in_step() {
    let server = server();
    let mut connection = server.connect();
    for path in ["/echo", "/echo/info", "/echo/iframe.html", "/echo/nothing"] {
        connection.exchange(&Request::head(path));
        connection.exchange(&Request::get("/echo")).expect_body("Welcome to SockJS!\n");
    }
}

#[test]
fn head_opens_no_session() {
    let server = server();
    for transport in Transport::ALL {
        let session = server.session("/echo");
        let target = session.target(&format!("{}?c=x", transport.name()));
        session.exchange(&Request::head(target)).expect_status(405);
        session.xhr_send(r#"["x"]"#).expect_status(404);
        session.receive_first(transport, "o");
    }
}

#[test]
fn head_consumes_nothing() {
    let server = server();
    for transport in Transport::ALL {
        let session = server.session("/echo").open();
        session.send(&["x"]);
        let target = session.target(&format!("{}?c=x", transport.name()));
        session.exchange(&Request::head(target)).expect_status(405);
        session.receive_first(transport, r#"a["x"]"#);
    }
}
