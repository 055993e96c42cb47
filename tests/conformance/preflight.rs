//! PROTOCOL §2: OPTIONS.

use sockjs_tests::client::{Framing, Request};

use super::support::{expect_cors, expect_strong_caching, server};

#[test]
fn options_answers() {
    let server = server();
    let session = server.session("/cookie_needed_echo");
    let cases = [
        (session.target("xhr"), "OPTIONS, POST"),
        (session.target("xhr_streaming"), "OPTIONS, POST"),
        (session.target("xhr_send"), "OPTIONS, POST"),
        (session.target("eventsource"), "OPTIONS, GET"),
        ("/cookie_needed_echo/info".to_owned(), "OPTIONS, GET"),
        ("/cookie_needed_echo/info?t=1".to_owned(), "OPTIONS, GET"),
    ];
    for (path, methods) in &cases {
        for origin in [None, Some("null"), Some("http://example.com")] {
            let mut request = Request::options(path);
            if let Some(origin) = origin {
                request = request.header("Origin", origin);
            }
            let answer = server.exchange(&request);
            answer
                .expect_status(204)
                .expect_header("Access-Control-Allow-Methods", methods)
                .expect_header("Access-Control-Max-Age", "31536000")
                .expect_no_header("Access-Control-Allow-Headers")
                .expect_no_header("Set-Cookie");
            assert_eq!(answer.framing(), Framing::Empty);
            expect_strong_caching(answer.head());
            expect_cors(answer.head(), origin);
        }
    }
}

#[test]
fn options_opens_no_session() {
    let server = server();
    let session = server.session("/echo");
    for name in ["xhr", "xhr_streaming", "xhr_send", "eventsource"] {
        session.exchange(&Request::options(session.target(name))).expect_status(204);
    }
    session.xhr_send("[]").expect_status(404);
}
