//! PROTOCOL §3: the info answer.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sockjs_tests::client::{Request, Response};

use super::support::{expect_no_caching, server};

#[track_caller]
fn fields(answer: &Response) -> Value {
    serde_json::from_str(answer.text()).unwrap_or_else(|error| panic!("{error} in\n{answer}"))
}

#[test]
fn info_says_what_the_service_offers() {
    let server = server();
    let services = [
        ("/echo", true, false),
        ("/close", true, false),
        ("/broadcast", true, false),
        ("/a/b/echo", true, false),
        ("/disabled_websocket_echo", false, false),
        ("/xhr_only_echo", false, false),
        ("/cookie_needed_echo", true, true),
    ];
    for (base, websocket, cookie_needed) in services {
        let answer = server.get(format!("{base}/info"));
        let mut info = fields(&answer);
        let entropy = info.as_object_mut().and_then(|info| info.remove("entropy"));
        let expected =
            json!({ "websocket": websocket, "origins": ["*:*"], "cookie_needed": cookie_needed });
        assert_eq!(info, expected, "info of {base}");
        let entropy = entropy.as_ref().and_then(Value::as_u64);
        assert!(entropy.is_some_and(|entropy| entropy < 1 << 32), "entropy in\n{answer}");
    }
}

#[test]
fn info_head() {
    let server = server();
    let answer = server.get("/cookie_needed_echo/info");
    answer
        .expect_status(200)
        .expect_header("Content-Type", "application/json; charset=UTF-8")
        .expect_no_header("Set-Cookie");
    expect_no_caching(answer.head());
}

#[test]
fn entropy_is_fresh() {
    let server = server();
    let mut connection = server.connect();
    let values: BTreeSet<u64> = (0..64)
        .filter_map(|_| {
            let answer = connection.exchange(&Request::get("/echo/info"));
            fields(&answer)["entropy"].as_u64()
        })
        .collect();
    // Two equal ones among 64 come once in two million runs, three never.
    assert!(values.len() >= 63, "{values:?}");
    assert!(values.iter().any(|value| *value > u64::from(u16::MAX)), "{values:?}");
}

#[test]
fn base_url_is_there_when_configured() {
    let server = server();
    let info = fields(&server.get("/base_url_echo/info"));
    assert_eq!(info["base_url"], "http://node1.example.com/base_url_echo");
    assert_eq!(info["websocket"], true);
}
