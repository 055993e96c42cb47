//! PROTOCOL §1: which paths exist.

use sockjs_tests::client::{Request, Transport};

use super::support::server;

const GREETING: &str = "Welcome to SockJS!\n";

#[test]
fn base_greets_with_and_without_slash() {
    let server = server();
    for path in ["/echo", "/echo/", "/close", "/close/", "/a/b/echo", "/a/b/echo/"] {
        let answer = server.get(path);
        answer
            .expect_status(200)
            .expect_header("Content-Type", "text/plain; charset=UTF-8")
            .expect_header("Content-Length", "19")
            .expect_no_header("Set-Cookie")
            .expect_body(GREETING);
    }
}

#[test]
fn unknown_paths_below_base_are_404() {
    let server = server();
    let paths = [
        "/a",
        "/a.html",
        "//",
        "///",
        "/a/a",
        "/a/a/",
        "/a/",
        "/a./a/xhr",
        "/a/a./xhr",
        "/./.",
        "//xhr",
        "/a//xhr",
        "//a/xhr",
        "/a/a/xhr/",
        "/a/a//xhr",
        "//a/a/xhr",
        "/a/a/a/xhr",
        "/a/a/nothing",
        "/a/a/XHR",
        "/a/a/",
        "/iframe",
        "/iframe.htm",
        "/iframeXhtml",
        "/IFRAME.HTML",
        "/iframe-/.html",
        "/iframe.html/",
        "/iframe-A.html",
        "/iframe.htmlx",
        "/info/",
        "/INFO",
        "/infox",
        "/websocket/",
        "/x/websocket",
    ];
    for path in paths {
        for request in [Request::get(format!("/echo{path}")), Request::post(format!("/echo{path}"))]
        {
            let answer = server.exchange(&request);
            answer.expect_status(404).expect_header("Content-Type", "text/plain; charset=UTF-8");
            let line = answer.text().trim_end();
            assert!(!line.is_empty() && line.len() < 200, "no short line:\n{answer}");
            assert!(!line.contains('\n'), "more than a line:\n{answer}");
        }
    }
}

#[test]
fn base_matches_whole_segments() {
    let server = server();
    let paths = [
        "/echox",
        "/echo.html",
        "/echox/info",
        "/ECHO",
        "/Echo/info",
        "//echo",
        "/ech",
        "/",
        "/a/b",
        "/a/b/",
        "/a//b/echo",
        "/b/echo",
        "/a/b/echox",
        "/a/b/info",
        "/xecho/info",
    ];
    for path in paths {
        server.get(path).expect_status(404);
    }
}

#[test]
fn a_deeper_prefix_is_a_whole_service() {
    let server = server();
    let session = server.session("/a/b/echo").open();
    session.send(&["deep"]);
    session.expect(Transport::Jsonp, &[r#"a["deep"]"#]);
    server.get("/a/b/echo/info").expect_status(200);
    server.get("/a/b/echo/iframe.html").expect_status(200);
    server.get("/a/b/echo/iframe.htm").expect_status(404);
    server.websocket_session("/a/b/echo");
    server.websocket("/a/b/echo/websocket");
}

#[test]
fn iframe_page_has_many_names() {
    let server = server();
    let names = [
        "",
        "-",
        "-a",
        "0",
        "-0.1.2",
        "-0.1.2abc-dirty.2144",
        "_",
        ".",
        "..",
        "z9._-",
        ".html",
        "iframe",
    ];
    for name in names {
        server.get(format!("/echo/iframe{name}.html")).expect_status(200);
    }
}

#[test]
fn queries_are_accepted_everywhere() {
    let server = server();
    for path in ["/echo?a", "/echo/?a=b&c=d", "/echo?/x/../y", "/echo?%", "/echo??", "/echo?"] {
        server.get(path).expect_status(200).expect_body(GREETING);
    }
    for path in
        ["/echo/info?t=0.123", "/echo/info?", "/echo/iframe.html?t=1", "/echo/iframe-x.html?"]
    {
        server.get(path).expect_status(200);
    }
    server.get("/echo/x?iframe.html").expect_status(404);
    let session = server.session("/echo");
    let with_query = |name: &str| Request::post(session.target(&format!("{name}?t=1&c=a.b/c/xhr")));
    session.exchange(&with_query("xhr")).expect_status(200).expect_body("o\n");
    session.exchange(&with_query("xhr_send").body(r#"["x"]"#)).expect_status(204);
    assert_eq!(session.poll(), r#"a["x"]"#);
}

#[test]
fn absolute_form_targets_are_accepted() {
    let server = server();
    let at = |path: &str| format!("http://localhost{path}");
    server.get(at("/echo")).expect_status(200).expect_body(GREETING);
    server.get(at("/echo/?x=y")).expect_status(200).expect_body(GREETING);
    server.get(at("/echo/info")).expect_status(200);
    server.get(at("/echo/iframe.html")).expect_status(200);
    server.get(at("/echo/nothing")).expect_status(404);
    server.get(at("/")).expect_status(404);
    let session = server.session("/echo");
    let open = Request::post(at(&session.target("xhr")));
    session.exchange(&open).expect_status(200).expect_body("o\n");
    session.send(&["x"]);
    let poll = Request::post(at(&session.target("xhr?a=b")));
    session.exchange(&poll).expect_status(200).expect_body("a[\"x\"]\n");
}

#[test]
fn upgrade_changes_nothing_where_no_websocket_is() {
    let server = server();
    let upgrade =
        |request: Request| request.header("Connection", "Upgrade").header("Upgrade", "websocket");
    server.exchange(&upgrade(Request::get("/echo"))).expect_status(200).expect_body(GREETING);
    server.exchange(&upgrade(Request::get("/echo/info"))).expect_status(200);
    server.exchange(&upgrade(Request::get("/echo/iframe.html"))).expect_status(200);
    server.exchange(&upgrade(Request::get("/echo/nothing"))).expect_status(404);
    let session = server.session("/echo");
    let open = upgrade(Request::post(session.target("xhr")));
    session.exchange(&open).expect_status(200).expect_body("o\n");
    let send = upgrade(Request::post(session.target("xhr_send"))).body(r#"["x"]"#);
    session.exchange(&send).expect_status(204);
    assert_eq!(session.poll(), r#"a["x"]"#);
}
