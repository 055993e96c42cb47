//! PROTOCOL §6 and DESIGN §6: refused origins, by the default policy of same origin.

use sockjs_tests::client::{Head, Request, Transport, WebSocket};
use sockjs_tests::server::Server;

use super::support::{expect_cors, expect_no_cors, server};

const BASE: &str = "/same_origin_echo";
const FOREIGN: &str = "http://foreign.example.com";
const HOST: &str = "own.example.com";
const OWN: &str = "http://own.example.com";

#[track_caller]
fn expect_refusal(head: &Head) {
    head.expect_status(403);
    expect_no_cors(head);
}

fn with_origin(request: Request, origin: &str) -> Request {
    request.header("Host", HOST).header("Origin", origin)
}

fn asking_info(server: &Server, name: &str, value: &str) -> u16 {
    let request = Request::get(format!("{BASE}/info")).header("Host", HOST);
    server.exchange(&request.header(name, value)).status()
}

#[test]
fn a_foreign_origin_is_refused_before_anything_else() {
    let server = server();
    let session = server.session(BASE);
    let requests = [
        Request::get(BASE),
        Request::get(format!("{BASE}/info")),
        Request::options(format!("{BASE}/info")),
        Request::get(format!("{BASE}/iframe.html")),
        Request::get(format!("{BASE}/nothing")),
        Request::post(format!("{BASE}/info")),
        Request::options(session.target("xhr")),
        Request::get(session.target("xhr")),
        Request::post(session.target("xhr_send")).body(r#"["x"]"#),
        Request::post(session.target("jsonp_send")).body("broken"),
        Request::get(session.target("jsonp")),
        WebSocket::request(session.target("websocket")),
        WebSocket::request(format!("{BASE}/websocket")),
        Request::get(session.target("websocket")),
    ];
    for request in requests {
        for origin in [FOREIGN, "null"] {
            expect_refusal(server.exchange(&with_origin(request.clone(), origin)).head());
        }
    }
    for transport in Transport::ALL {
        let request = with_origin(transport.request(session.path()), FOREIGN);
        expect_refusal(server.exchange(&request).head());
    }
    session.xhr_send("[]").expect_status(404);
}

#[test]
fn a_refused_send_changes_nothing() {
    let server = server();
    let session = server.session(BASE).open();
    let send = Request::post(session.target("xhr_send")).body(r#"["forged"]"#);
    expect_refusal(server.exchange(&with_origin(send, FOREIGN)).head());
    let poll = Request::post(session.target("xhr"));
    expect_refusal(server.exchange(&with_origin(poll, FOREIGN)).head());
    session.send(&["genuine"]);
    assert_eq!(session.poll(), r#"a["genuine"]"#);
}

#[test]
fn the_own_origin_passes() {
    let server = server();
    let session = server.session(BASE);
    let info = server.exchange(&with_origin(Request::get(format!("{BASE}/info")), OWN));
    expect_cors(info.expect_status(200).head(), Some(OWN));
    let open = with_origin(Request::post(session.target("xhr")), OWN);
    server.exchange(&open).expect_status(200).expect_body("o\n");
    let send = with_origin(Request::post(session.target("xhr_send")), OWN).body(r#"["x"]"#);
    server.exchange(&send).expect_status(204);
    server.exchange(&open).expect_body("a[\"x\"]\n");
    let mut connection = server.connect();
    connection.send(with_origin(WebSocket::request(session.target("websocket")), OWN).to_bytes());
    WebSocket::upgrade(connection).expect_text("o");
}

#[test]
fn host_and_port_are_part_of_it() {
    let server = server();
    let asking = |host: &str, origin: &str| {
        let request = Request::get(format!("{BASE}/info")).header("Host", host);
        server.exchange(&request.header("Origin", origin)).status()
    };
    assert_eq!(asking("own.example.com:8080", "http://own.example.com:8080"), 200);
    assert_eq!(asking("own.example.com:8080", "http://own.example.com:8081"), 403);
    assert_eq!(asking("own.example.com:8080", "http://own.example.com"), 403);
    assert_eq!(asking("own.example.com", "http://sub.own.example.com"), 403);
    assert_eq!(asking("own.example.com", "http://own.example.com.foreign.example"), 403);
    assert_eq!(asking("own.example.com", "http://foreign.example/own.example.com"), 403);
}

#[test]
fn without_origin_other_headers_decide() {
    let server = server();
    assert_eq!(asking_info(&server, "Sec-Fetch-Site", "same-origin"), 200);
    assert_eq!(asking_info(&server, "Sec-Fetch-Site", "cross-site"), 403);
    assert_eq!(asking_info(&server, "Referer", "http://own.example.com/page?x=y"), 200);
    assert_eq!(asking_info(&server, "Referer", "http://foreign.example.com/page"), 403);
    assert_eq!(asking_info(&server, "Referer", "http://foreign.example.com/own.example.com"), 403);
    assert_eq!(asking_info(&server, "User-Agent", "no browser"), 200);
}

#[test]
fn other_services_take_any_origin() {
    let server = server();
    for base in ["/echo", "/close", "/broadcast", "/amplify", "/ticker", "/cookie_needed_echo"] {
        let request = Request::get(format!("{base}/info")).header("Origin", FOREIGN);
        server.exchange(&request).expect_status(200);
    }
}
