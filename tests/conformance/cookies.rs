//! PROTOCOL §2: the cookie for load balancers.

use sockjs_tests::client::{Head, Receiver, Request, Transport, WebSocket};

use super::support::server;

const BASE: &str = "/cookie_needed_echo";
const DUMMY: &str = "JSESSIONID=dummy; path=/";

#[track_caller]
fn expect_cookie(head: &Head) {
    head.expect_header("Set-Cookie", DUMMY);
}

#[test]
fn receive_answers_set_it() {
    let server = server();
    for transport in Transport::ALL {
        let session = server.session(BASE);
        expect_cookie(session.receive_first(transport, "o").head());
        let own = server.session(BASE);
        let request = transport.request(own.path()).header("Cookie", "JSESSIONID=abcdef");
        let mut receiver = Receiver::request(server.connect(), transport, request);
        receiver.expect("o");
        receiver.head().expect_header("Set-Cookie", "JSESSIONID=abcdef; path=/");
    }
}

#[test]
fn send_answers_set_it() {
    let server = server();
    let session = server.session(BASE).open();
    expect_cookie(session.xhr_send(r#"["x"]"#).expect_status(204).head());
    expect_cookie(session.jsonp_send("text/plain", r#"["x"]"#).expect_status(200).head());
}

#[test]
fn errors_set_it() {
    let server = server();
    let session = server.session(BASE).open();
    expect_cookie(session.xhr_send("").expect_status(500).head());
    expect_cookie(session.jsonp_send("text/plain", "x").expect_status(500).head());
    for (request, status) in [
        (Request::get(session.target("jsonp")), 500),
        (Request::get(session.target("xhr")), 405),
        (Request::get(session.target("websocket")), 400),
        (Request::get(session.target("nothing")), 404),
        (Request::post(server.session(BASE).target("xhr_send")).body("[]"), 404),
    ] {
        expect_cookie(server.exchange(&request).expect_status(status).head());
    }
}

#[test]
fn the_101_sets_it() {
    let server = server();
    let path = server.session(BASE).target("websocket");
    expect_cookie(server.websocket(&path).head());
    let request = WebSocket::request(&path).header("Cookie", "JSESSIONID=abcdef");
    let mut connection = server.connect();
    connection.send(request.to_bytes());
    let socket = WebSocket::upgrade(connection);
    socket.head().expect_header("Set-Cookie", "JSESSIONID=abcdef; path=/");
}

#[test]
fn the_own_value_comes_back() {
    let server = server();
    let cases: [(&[u8], &str); 7] = [
        (b"JSESSIONID=abcdef", "abcdef"),
        (b"a=b; JSESSIONID=abc; c=d", "abc"),
        (b"a=b;JSESSIONID=abc", "abc"),
        (b"JSESSIONID=a=b", "a=b"),
        (b"JSESSIONID=a%20b", "a%20b"),
        (b"JSESSIONID=!#$&'()*+-./:<=>?@[]^_`{|}~", "!#$&'()*+-./:<=>?@[]^_`{|}~"),
        (b"XJSESSIONID=x; JSESSIONID=y", "y"),
    ];
    for (cookie, value) in cases {
        let target = server.session(BASE).target("xhr");
        let answer = server.exchange(&Request::post(target).header("Cookie", cookie));
        answer.expect_header("Set-Cookie", &format!("JSESSIONID={value}; path=/"));
    }
}

#[test]
fn missing_empty_and_illegal_values_become_dummy() {
    let server = server();
    let cookies: [&[u8]; 10] = [
        b"a=b",
        b"JSESSIONID",
        b"JSESSIONID=",
        b"JSESSIONID=; a=b",
        b"JSESSIONID=a b",
        b"JSESSIONID=a\"b",
        b"JSESSIONID=a\\b",
        b"JSESSIONID=a,b",
        b"JSESSIONID=a\xe9b",
        b"XJSESSIONID=x",
    ];
    for cookie in cookies {
        let target = server.session(BASE).target("xhr");
        let answer = server.exchange(&Request::post(target).header("Cookie", cookie));
        answer.expect_status(200);
        assert_eq!(answer.get("Set-Cookie"), Some(DUMMY), "for {}", cookie.escape_ascii());
    }
}

#[test]
fn other_answers_set_none() {
    let server = server();
    let session = server.session(BASE);
    let requests = [
        Request::get(BASE),
        Request::get(format!("{BASE}/")),
        Request::get(format!("{BASE}/info")),
        Request::get(format!("{BASE}/iframe.html")),
        Request::get(format!("{BASE}/nothing")),
        Request::options(format!("{BASE}/info")),
        Request::options(session.target("xhr")),
        Request::options(session.target("xhr_send")),
        Request::options(session.target("eventsource")),
    ];
    for request in requests {
        let request = request.header("Cookie", "JSESSIONID=abcdef");
        server.exchange(&request).expect_no_header("Set-Cookie");
    }
    server.websocket(format!("{BASE}/websocket")).head().expect_no_header("Set-Cookie");
}

#[test]
fn other_services_set_none() {
    let server = server();
    let session = server.session("/echo");
    let request = Request::post(session.target("xhr")).header("Cookie", "JSESSIONID=abcdef");
    server.exchange(&request).expect_status(200).expect_no_header("Set-Cookie");
    session.xhr_send("[]").expect_status(204).expect_no_header("Set-Cookie");
    server.websocket(session.target("websocket")).head().expect_no_header("Set-Cookie");
}
