//! PROTOCOL §3: the iframe page.

use sockjs_tests::client::{Request, Response};
use sockjs_tests::server::Server;

use super::support::{expect_no_cors, expect_strong_caching, server, server_with};

const PATH: &str = "/cookie_needed_echo/iframe.html";

fn page(client_url: &str) -> String {
    format!(
        r#"<!DOCTYPE html>
<html>
<head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
  <script src="{client_url}"></script>
  <script>
    document.domain = document.domain;
    SockJS.bootstrap_iframe();
  </script>
</head>
<body>
  <h2>Don't panic!</h2>
  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>
</body>
</html>"#
    )
}

#[track_caller]
fn etag(server: &Server) -> String {
    let answer = server.get(PATH);
    let etag = answer.get("ETag").unwrap_or_else(|| panic!("no ETag in\n{answer}"));
    let inner = etag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    assert!(inner.is_some_and(|inner| !inner.contains('"')), "no quoted ETag in\n{answer}");
    etag.to_owned()
}

fn asking(server: &Server, if_none_match: &str) -> Response {
    server.exchange(&Request::get(PATH).header("If-None-Match", if_none_match))
}

#[track_caller]
fn expect_not_modified(answer: &Response, etag: &str) {
    answer.expect_status(304).expect_header("ETag", etag).expect_no_header("Content-Type");
    answer.expect_no_header("Set-Cookie");
    expect_strong_caching(answer.head());
}

#[test]
fn the_page_is_exactly_this() {
    let server = server();
    for path in ["/echo/iframe.html", "/echo/iframe-1.6.1.html?t=1", PATH] {
        let answer = server.get(path);
        answer
            .expect_status(200)
            .expect_header("Content-Type", "text/html; charset=UTF-8")
            .expect_no_header("Set-Cookie")
            .expect_no_header("X-Frame-Options")
            .expect_body(&page("/sockjs.min.js"));
        let policy = answer.get("Content-Security-Policy").unwrap_or_default();
        assert!(!policy.contains("frame-ancestors"), "{answer}");
        expect_strong_caching(answer.head());
        expect_no_cors(answer.head());
    }
}

#[test]
fn the_client_url_is_escaped() {
    let server = server_with(&["--client-url", "http://cdn.example.com/sockjs.js?a=1&b=2"]);
    let answer = server.get("/echo/iframe.html");
    answer.expect_body(&page("http://cdn.example.com/sockjs.js?a=1&amp;b=2"));
}

#[test]
fn etag_is_constant_while_the_page_is() {
    let server = server();
    let etag = etag(&server);
    for path in [PATH, "/cookie_needed_echo/iframe-0.html", "/cookie_needed_echo/iframe.html?x=y"] {
        server.get(path).expect_header("ETag", &etag);
    }
    let other = server_with(&["--client-url", "http://cdn.example.com/sockjs.js"]);
    assert_ne!(other.get(PATH).get("ETag"), Some(etag.as_str()));
}

#[test]
fn if_none_match_gets_304() {
    let server = server();
    let etag = etag(&server);
    let matching = [
        etag.clone(),
        format!("W/{etag}"),
        "*".to_owned(),
        format!(r#""other", {etag}"#),
        format!(r#"{etag}, "other""#),
        format!(r#""a,b",W/"c" , W/{etag},"d""#),
        format!(r#""", {etag}"#),
    ];
    for list in matching {
        let answer = asking(&server, &list);
        assert_eq!(answer.status(), 304, "If-None-Match: {list}\n{answer}");
        expect_not_modified(&answer, &etag);
    }
}

#[test]
fn other_tags_get_the_page() {
    let server = server();
    let etag = etag(&server);
    let inner = etag.trim_matches('"');
    let others = [
        r#""other""#.to_owned(),
        r#"W/"other", "another""#.to_owned(),
        format!(r#""{inner}x""#),
        format!(r#""x{inner}""#),
        r#""*""#.to_owned(),
        r#""""#.to_owned(),
    ];
    for list in others {
        let answer = asking(&server, &list);
        assert_eq!(answer.status(), 200, "If-None-Match: {list}\n{answer}");
        answer.expect_header("ETag", &etag).expect_body(&page("/sockjs.min.js"));
    }
}

#[test]
fn if_none_match_may_come_in_two_lines() {
    let server = server();
    let etag = etag(&server);
    let request = Request::get(PATH).header("If-None-Match", r#""other""#);
    expect_not_modified(&server.exchange(&request.header("If-None-Match", &etag)), &etag);
}

#[test]
fn head_of_the_page_knows_304_too() {
    let server = server();
    let etag = etag(&server);
    let request = Request::head(PATH).header("If-None-Match", &etag);
    expect_not_modified(&server.exchange(&request), &etag);
    let mut connection = server.connect();
    connection.exchange(&request);
    connection.exchange(&Request::get(PATH)).expect_body(&page("/sockjs.min.js"));
}
