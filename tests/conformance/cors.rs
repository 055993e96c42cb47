//! PROTOCOL §2: CORS.

use sockjs_tests::client::{Receiver, Request, Transport};

use super::support::{BODY_LIMIT_BYTES, expect_cors, expect_no_cors, server};

const ORIGINS: [Option<&str>; 4] =
    [None, Some("null"), Some("http://example.com"), Some("https://sub.example.com:8443")];

fn with_origin(request: Request, origin: Option<&str>) -> Request {
    match origin {
        Some(origin) => request.header("Origin", origin),
        None => request,
    }
}

#[test]
fn receive_answers() {
    let server = server();
    for transport in Transport::ALL {
        for origin in ORIGINS {
            let session = server.session("/echo");
            let request = with_origin(transport.request(session.path()), origin);
            let mut receiver = Receiver::request(server.connect(), transport, request);
            receiver.expect("o");
            if transport.is_cors() {
                expect_cors(receiver.head(), origin);
            } else {
                expect_no_cors(receiver.head());
            }
        }
    }
}

#[test]
fn info_and_send_answers() {
    let server = server();
    for origin in ORIGINS {
        let session = server.session("/echo").open();
        let info = server.exchange(&with_origin(Request::get("/echo/info"), origin));
        expect_cors(info.expect_status(200).head(), origin);
        let head = server.exchange(&with_origin(Request::head("/echo/info"), origin));
        expect_cors(head.expect_status(200).head(), origin);
        let send = |body: &str| {
            let request = Request::post(session.target("xhr_send")).body(body);
            server.exchange(&with_origin(request, origin))
        };
        expect_cors(send(r#"["x"]"#).expect_status(204).head(), origin);
        expect_cors(send("").expect_status(500).head(), origin);
        expect_cors(send("x").expect_status(500).head(), origin);
    }
}

#[test]
fn error_answers() {
    let server = server();
    for origin in ORIGINS {
        let unknown = Request::post(server.session("/echo").target("xhr_send")).body("[]");
        let answer = server.exchange(&with_origin(unknown, origin));
        expect_cors(answer.expect_status(404).head(), origin);
        let session = server.session("/echo").open();
        let huge = Request::post(session.target("xhr_send"))
            .header("Content-Length", (BODY_LIMIT_BYTES + 1).to_string());
        let answer = server.exchange(&with_origin(huge, origin));
        expect_cors(answer.expect_status(413).head(), origin);
    }
}

#[test]
fn other_answers_have_none() {
    let server = server();
    let session = server.session("/echo").open();
    let requests = [
        Request::get("/echo"),
        Request::get("/echo/iframe.html"),
        Request::get(session.target("jsonp")),
        Request::get(session.target("htmlfile")),
        Request::post(session.target("jsonp_send")).body("[]").header("Content-Type", "text/plain"),
        Request::get(session.target("xhr")),
        Request::post(session.target("eventsource")),
        Request::post("/echo/info"),
    ];
    for request in requests {
        let answer = server.exchange(&request.header("Origin", "http://example.com"));
        expect_no_cors(answer.head());
    }
    expect_no_cors(server.websocket("/echo/websocket").head());
}

#[test]
fn asked_headers_come_back() {
    let server = server();
    let session = server.session("/echo").open();
    let long = vec!["x-header-name"; 69].join(",") + &"y".repeat(59);
    assert_eq!(long.len(), 1024);
    for asked in ["a", "a, b, c", "X-Requested-With,Content-Type", "x_!#$%&'*+-.^`|~0", &long] {
        for path in ["/echo/info", &session.target("xhr"), &session.target("eventsource")] {
            let request = Request::options(path)
                .header("Origin", "http://example.com")
                .header("Access-Control-Request-Headers", asked);
            let answer = server.exchange(&request);
            answer.expect_status(204).expect_header("Access-Control-Allow-Headers", asked);
        }
    }
    let request = Request::get("/echo/info").header("Access-Control-Request-Headers", "a, b");
    server.exchange(&request).expect_header("Access-Control-Allow-Headers", "a, b");
}

#[test]
fn what_is_no_list_of_names_does_not_come_back() {
    let server = server();
    let session = server.session("/echo").open();
    let long = "x".repeat(1025);
    for asked in ["", "a b", "a;b", "a: b", "a, b\"c", "a(b)", "<script>", "a, @", &long] {
        for path in ["/echo/info", &session.target("xhr_send"), &session.target("eventsource")] {
            let request = Request::options(path)
                .header("Origin", "http://example.com")
                .header("Access-Control-Request-Headers", asked);
            let answer = server.exchange(&request);
            answer.expect_status(204).expect_no_header("Access-Control-Allow-Headers");
        }
    }
    server.get("/echo/info").expect_no_header("Access-Control-Allow-Headers");
}
