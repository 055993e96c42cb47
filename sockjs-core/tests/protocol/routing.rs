//! PROTOCOL §1 to §3 and §7: the answers that need no session, header by header.

use crate::common::request::{get, head, options, peer, post, websocket};
use crate::common::{START, settings};
use http::request::Builder;
use http::{Method, Request, Response, Version};
use sockjs_core::{
    BaseUrl, ConnectProtocol, CookieSetting, OriginPolicy, Route, Service, Settings, Transport,
};

const NO_CACHE: &str = "no-store, no-cache, no-transform, must-revalidate, max-age=0";
const TEXT: &str = "text/plain; charset=UTF-8";

fn service(change: impl FnOnce(&mut Settings)) -> Service {
    let mut settings = settings();
    change(&mut settings);
    Service::new(settings).unwrap()
}

fn answer_of(service: &Service, request: Builder) -> Response<String> {
    match service.route(head(request), &peer(), 7, START) {
        Route::Respond(response) => response.map(|body| String::from_utf8(body.to_vec()).unwrap()),
        other => panic!("no answer: {other:?}"),
    }
}

fn answer(request: Builder) -> Response<String> {
    answer_of(&service(|_| ()), request)
}

/// The answer has exactly these headers.
#[track_caller]
fn expect(response: &Response<String>, status: u16, headers: &[(&str, &str)], body: &str) {
    assert_eq!((response.status().as_u16(), response.body().as_str()), (status, body));
    let mut sent: Vec<_> =
        response.headers().iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
    let mut expected = headers.to_vec();
    sent.sort_unstable();
    expected.sort_unstable();
    assert_eq!(sent, expected);
}

#[test]
fn greeting() {
    for path in ["", "/", "/?x=1"] {
        expect(
            &answer(get(path)),
            200,
            &[("content-type", TEXT), ("content-length", "19")],
            "Welcome to SockJS!\n",
        );
    }
    let head = Request::head("/echo");
    expect(&answer(head), 200, &[("content-type", TEXT), ("content-length", "19")], "");
}

#[test]
fn info() {
    let body = r#"{"websocket":true,"origins":["*:*"],"cookie_needed":false,"entropy":7}"#;
    expect(
        &answer(get("/info")),
        200,
        &[
            ("content-type", "application/json; charset=UTF-8"),
            ("content-length", "70"),
            ("cache-control", NO_CACHE),
            ("access-control-allow-origin", "*"),
            ("vary", "Origin"),
        ],
        body,
    );
    expect(
        &answer(get("/info").header("Origin", "null")),
        200,
        &[
            ("content-type", "application/json; charset=UTF-8"),
            ("content-length", "70"),
            ("cache-control", NO_CACHE),
            ("access-control-allow-origin", "null"),
            ("access-control-allow-credentials", "true"),
            ("vary", "Origin"),
        ],
        body,
    );
}

#[test]
fn info_says_what_is_set() {
    let service = service(|settings| {
        settings.transports = settings.transports.without(Transport::Websocket);
        settings.cookie = CookieSetting::Jsessionid;
        settings.base_url = BaseUrl::Fixed("https://b.example/echo".into());
    });
    let response = answer_of(&service, get("/info"));
    assert_eq!(
        response.body(),
        r#"{"websocket":false,"origins":["*:*"],"cookie_needed":true,"entropy":7,"base_url":"https://b.example/echo"}"#
    );
    assert!(!response.headers().contains_key("set-cookie"));
}

#[test]
fn preflights() {
    for (path, methods) in [
        ("/info", "OPTIONS, GET"),
        ("/0/s/xhr", "OPTIONS, POST"),
        ("/0/s/xhr_streaming", "OPTIONS, POST"),
        ("/0/s/xhr_send", "OPTIONS, POST"),
        ("/0/s/eventsource", "OPTIONS, GET"),
    ] {
        let request = options(path)
            .header("Origin", "http://a")
            .header("Access-Control-Request-Headers", "content-type, X-a");
        let service = service(|settings| settings.cookie = CookieSetting::Jsessionid);
        expect(
            &answer_of(&service, request),
            204,
            &[
                ("access-control-allow-methods", methods),
                ("access-control-allow-headers", "content-type, X-a"),
                ("access-control-allow-origin", "http://a"),
                ("access-control-allow-credentials", "true"),
                ("access-control-max-age", "31536000"),
                ("cache-control", "public, max-age=31536000"),
                ("expires", "Wed, 13 Nov 2024 22:13:20 GMT"),
                ("vary", "Origin"),
            ],
            "",
        );
    }
}

#[test]
fn iframe() {
    let page = answer(get("/iframe-1.6.1.html"));
    assert!(page.body().starts_with("<!DOCTYPE html>\n<html>\n<head>\n"));
    assert!(page.body().contains("  <script src=\"/sockjs.min.js\"></script>\n"));
    assert!(page.body().ends_with("</body>\n</html>"));
    let (tag, length) = (page.headers()["etag"].clone(), page.body().len().to_string());
    let tag = tag.to_str().unwrap();
    let cached = [
        ("cache-control", "public, max-age=31536000"),
        ("expires", "Wed, 13 Nov 2024 22:13:20 GMT"),
        ("etag", tag),
    ];
    let typed = [("content-type", "text/html; charset=UTF-8"), ("content-length", &length)];
    expect(&page, 200, &[&cached[..], &typed[..]].concat(), page.body());
    for known in [tag.to_owned(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".into()] {
        expect(&answer(get("/iframe.html").header("If-None-Match", known)), 304, &cached, "");
    }
}

#[test]
fn unknown_paths() {
    for path in [
        "/a",
        "//",
        "///",
        "/a/a",
        "/a/a/",
        "/a./a/xhr",
        "/a/a./xhr",
        "/./.",
        "//xhr",
        "/iframe",
        "/iframe.htm",
        "/iframeXhtml",
        "/IFRAME.HTML",
        "/iframe-/.html",
        "/a/a/xhr/",
        "/a//xhr",
        "x",
        ".html",
    ] {
        let response = answer(get(path));
        assert_eq!(response.status(), 404, "{path}");
        assert_eq!(response.headers()["content-type"], TEXT);
        assert!(response.body().len() < 80);
    }
    let long = "x".repeat(129);
    assert_eq!(answer(post(&format!("/0/{long}/xhr"))).status(), 404);
    assert_eq!(answer(post(&format!("/{long}/0/xhr"))).status(), 404);
}

#[test]
fn wrong_methods() {
    for (path, allow) in [
        ("", "GET, HEAD"),
        ("/info", "GET, HEAD, OPTIONS"),
        ("/iframe.html", "GET, HEAD"),
        ("/websocket", "GET"),
        ("/0/s/websocket", "GET"),
        ("/0/s/xhr", "OPTIONS, POST"),
        ("/0/s/xhr_streaming", "OPTIONS, POST"),
        ("/0/s/xhr_send", "OPTIONS, POST"),
        ("/0/s/eventsource", "GET"),
        ("/0/s/htmlfile", "GET"),
        ("/0/s/jsonp", "GET"),
        ("/0/s/jsonp_send", "POST"),
    ] {
        let lower = Method::from_bytes(b"get").unwrap();
        for method in [Method::PUT, Method::DELETE, Method::PATCH, lower] {
            let response = answer(Request::builder().method(method).uri(format!("/echo{path}")));
            let mut headers = vec![("allow", allow), ("content-length", "0")];
            if path.starts_with("/0/") || path == "/info" {
                headers.push(("cache-control", NO_CACHE));
            }
            expect(&response, 405, &headers, "");
        }
        if !allow.contains("HEAD") {
            assert_eq!(answer(Request::head(format!("/echo{path}"))).status(), 405);
        }
    }
}

#[test]
fn head_is_get_without_the_body() {
    for path in ["", "/info", "/iframe.html", "/nothing", "/0/s/nothing"] {
        let (get, head) = (answer(get(path)), answer(Request::head(format!("/echo{path}"))));
        assert_eq!(head.status(), get.status(), "{path}");
        assert_eq!(head.headers()["content-type"], get.headers()["content-type"], "{path}");
        assert!(head.headers().contains_key("content-length"), "{path}");
        assert!(head.body().is_empty() && !get.body().is_empty(), "{path}");
    }
}

#[test]
fn transports_that_are_off_are_404_with_their_preflights() {
    let off = |transport: Transport| {
        service(|settings| settings.transports = settings.transports.without(transport))
    };
    for (transport, path) in [
        (Transport::Xhr, "/0/s/xhr"),
        (Transport::XhrStreaming, "/0/s/xhr_streaming"),
        (Transport::EventSource, "/0/s/eventsource"),
        (Transport::HtmlFile, "/0/s/htmlfile"),
        (Transport::Jsonp, "/0/s/jsonp"),
        (Transport::Jsonp, "/0/s/jsonp_send"),
        (Transport::Websocket, "/0/s/websocket"),
        (Transport::Websocket, "/websocket"),
    ] {
        for method in ["GET", "POST", "OPTIONS"] {
            let request = Request::builder().method(method).uri(format!("/echo{path}"));
            assert_eq!(answer_of(&off(transport), request).status(), 404, "{method} {path}");
        }
    }
    let jsonp_only = service(|settings| {
        settings.transports = [Transport::Jsonp].into_iter().collect();
    });
    assert_eq!(answer_of(&jsonp_only, post("/0/s/xhr_send")).status(), 404);
}

#[test]
fn refused_origins() {
    let service = service(|settings| settings.origins = OriginPolicy::SameOrigin);
    for path in ["", "/info", "/iframe.html", "/0/s/xhr", "/nothing/here", "/websocket"] {
        let request = get(path).header("Host", "a").header("Origin", "http://b");
        let response = answer_of(&service, request);
        assert_eq!(response.status(), 403, "{path}");
        assert!(response.headers().keys().all(|n| !n.as_str().starts_with("access-control")));
        assert!(!response.headers().contains_key("set-cookie"));
        let cached = response.headers().get("cache-control").is_none();
        assert_eq!(cached, !(path == "/info" || path.starts_with("/0/")), "{path}");
    }
    let same = get("/info").header("Host", "a").header("Origin", "http://a");
    assert_eq!(answer_of(&service, same).status(), 200);
}

#[test]
fn cookies() {
    let service = service(|settings| settings.cookie = CookieSetting::Jsessionid);
    for (sent, set) in [
        ("JSESSIONID=abc; x=y", "JSESSIONID=abc; path=/"),
        ("x=y", "JSESSIONID=dummy; path=/"),
        ("JSESSIONID=", "JSESSIONID=dummy; path=/"),
        ("JSESSIONID=a,b", "JSESSIONID=dummy; path=/"),
    ] {
        let request = get("/0/s/xhr").header("Cookie", sent);
        assert_eq!(answer_of(&service, request).headers()["set-cookie"], set);
    }
    for path in ["", "/info", "/iframe.html"] {
        assert!(!answer_of(&service, get(path)).headers().contains_key("set-cookie"));
    }
}

#[test]
fn callbacks() {
    for path in ["/0/s/htmlfile", "/0/s/jsonp"] {
        for (query, text) in [
            ("", "\"callback\" parameter required"),
            ("?c=", "\"callback\" parameter required"),
            ("?c=a%20b", "invalid \"callback\" parameter"),
            ("?callback=%3Cscript%3E", "invalid \"callback\" parameter"),
        ] {
            let response = answer(get(&format!("{path}{query}")));
            assert_eq!(response.status(), 500);
            assert!(response.body().contains(text) && !response.body().contains('<'));
        }
        let request = head(get(&format!("{path}?c=%63allback&c=x")));
        assert!(matches!(service(|_| ()).route(request, &peer(), 0, START), Route::Receive(_)));
    }
}

#[test]
fn handshakes() {
    for path in ["/websocket", "/0/s/websocket"] {
        let not_one = answer(get(path));
        assert_eq!(not_one.status(), 400);
        assert!(not_one.body().contains("Not a valid websocket request"));
        assert_eq!(answer(websocket(path).version(Version::HTTP_10)).status(), 400);
        let with = |name: &'static str, value: &'static str| {
            let mut request = websocket(path);
            request.headers_mut().unwrap().insert(name, value.parse().unwrap());
            answer(request)
        };
        let old = with("sec-websocket-version", "8");
        assert_eq!(
            (old.status().as_u16(), &old.headers()["sec-websocket-version"]),
            (426, &"13".parse().unwrap())
        );
        assert_eq!(with("sec-websocket-key", "short").status(), 400);
        assert_eq!(with("connection", "close").status(), 400);
    }
}

#[test]
fn the_answer_to_a_handshake() {
    let mut sim = crate::common::Sim::new(|settings| settings.cookie = CookieSetting::Jsessionid);
    let accepted = |sim: &mut crate::common::Sim, path: &str| {
        let parts = head(websocket(path).header("Sec-WebSocket-Protocol", "x"));
        let Route::Websocket(permit) = sim.service().route(parts, &peer(), 0, START) else {
            panic!("a handshake")
        };
        match sim.endpoint.handle_websocket(permit, None, START) {
            sockjs_core::Action::Upgrade { head, .. } => head.map(|()| String::new()),
            other => panic!("{other:?}"),
        }
    };
    let upgrade = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    ];
    expect(&accepted(&mut sim, "/websocket"), 101, &upgrade, "");
    let of_session = [("cache-control", NO_CACHE), ("set-cookie", "JSESSIONID=dummy; path=/")];
    let all = [&upgrade[..], &of_session[..]].concat();
    expect(&accepted(&mut sim, "/0/s/websocket"), 101, &all, "");
}

#[test]
fn an_upgrade_header_elsewhere_changes_nothing() {
    let request = get("").header("Upgrade", "websocket").header("Connection", "upgrade");
    assert_eq!(answer(request).status(), 200);
}

#[test]
fn while_draining_info_sends_clients_elsewhere_and_all_else_is_as_ever() {
    let service = service(|settings| settings.origins = OriginPolicy::SameOrigin);
    let answer = |request: http::request::Builder| {
        let request = head(request.header("Host", "h"));
        match service.route_draining(request, &peer(), START) {
            Route::Respond(answer) => answer,
            other => panic!("{other:?}"),
        }
    };
    let info = answer(get("/info").header("Origin", "http://h"));
    assert_eq!(info.status(), 503);
    assert_eq!(info.headers()["retry-after"], "5");
    assert_eq!(info.headers()["access-control-allow-origin"], "http://h");
    assert!(answer(Request::head("/echo/info")).body().is_empty());
    let foreign = answer(get("/info").header("Origin", "http://evil"));
    assert_eq!(foreign.status(), 403);
    assert!(!foreign.headers().contains_key("access-control-allow-origin"));
    assert_eq!(answer(post("/info")).status(), 405);
    assert_eq!(answer(get("")).status(), 200);
}

#[test]
fn a_refused_origin_gets_the_sessions_cookie_too() {
    let service = service(|settings| {
        settings.origins = OriginPolicy::SameOrigin;
        settings.cookie = CookieSetting::Jsessionid;
    });
    let foreign = |path| post(path).header("Host", "h").header("Origin", "http://evil");
    let refused = answer_of(&service, foreign("/0/s/xhr"));
    assert_eq!(refused.status(), 403);
    assert_eq!(refused.headers()["set-cookie"], "JSESSIONID=dummy; path=/");
    assert!(!answer_of(&service, foreign("/info")).headers().contains_key("set-cookie"));
}

#[test]
fn prefixes() {
    let deep = service(|settings| settings.prefix = "/a/b/echo".into());
    assert!(deep.owns("/a/b/echo") && deep.owns("/a/b/echo/x") && !deep.owns("/a/b/echox"));
    assert_eq!(answer_of(&deep, Request::get("/a/b/echo/info?t=1")).status(), 200);
    assert_eq!(answer_of(&deep, Request::get("http://host/a/b/echo")).status(), 200);
    assert_eq!(answer_of(&deep, Request::get("/a/b/Echo")).status(), 404);
}

#[test]
fn a_nested_service_is_asked_without_its_prefix() {
    let nested = service(|settings| {
        settings.prefix = "/rooms/{room}".into();
        settings.is_nested = true;
        settings.cookie = CookieSetting::Jsessionid;
    });
    for (path, status) in
        [("/", 200), ("/info", 200), ("/iframe.html", 200), ("/rooms/x/info", 404)]
    {
        assert_eq!(answer_of(&nested, Request::get(path)).status(), status, "{path}");
    }
    assert!(nested.is_info("/info") && nested.owns("/anything"));
    let preflight = answer_of(&nested, Request::options("/0/s/xhr"));
    assert_eq!(preflight.status(), 204);
    let opening = head(Request::post("/0/s/xhr"));
    let Route::Receive(permit) = nested.route(opening, &peer(), 0, START) else {
        panic!("a receive request")
    };
    assert_eq!(permit.id(), b"s");
}

#[test]
fn an_extended_connect_opens_a_websocket_and_nothing_else() {
    let connect = |path: &str, protocol: &str| {
        Request::connect(format!("https://h/echo{path}"))
            .version(Version::HTTP_2)
            .header("Sec-WebSocket-Version", "13")
            .extension(ConnectProtocol(protocol.into()))
    };
    let service = service(|settings| settings.cookie = CookieSetting::Jsessionid);
    for path in ["/0/s/websocket", "/websocket"] {
        let route = service.route(head(connect(path, "websocket")), &peer(), 0, START);
        assert!(matches!(route, Route::Websocket(_)), "{path}: {route:?}");
    }
    for (request, status) in [
        (connect("/0/s/websocket", "webtransport"), 405),
        (connect("/0/s/xhr", "websocket"), 405),
        (connect("/info", "websocket"), 405),
        (connect("/0/s/websocket", "websocket").method("GET"), 400),
    ] {
        assert_eq!(answer_of(&service, request).status(), status);
    }
}
