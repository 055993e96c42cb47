//! PROTOCOL §8: requests whose lengths or hosts are in doubt: 400, and the connection closes.

use sockjs_tests::client::{Request, Session};
use sockjs_tests::server::Server;

use super::support::server;

/// Writes these bytes and requires 400 and the end.
#[track_caller]
fn expect_400(server: &Server, bytes: &str) {
    let mut connection = server.connect();
    connection.send(bytes);
    let answer = connection.read_response(&Request::get("/"));
    assert_eq!(answer.status(), 400, "{}\n{answer}", bytes.escape_debug());
    connection.expect_end();
}

/// A send with these header lines after `Host`, and then this.
fn sending(session: &Session, lines: &str, body: &str) -> String {
    let target = session.target("xhr_send");
    format!("POST {target} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n{body}")
}

#[track_caller]
fn expect_untouched(session: &Session) {
    session.send(&["after"]);
    assert_eq!(session.poll(), r#"a["after"]"#);
}

#[test]
fn malformed_lengths() {
    let server = server();
    let session = server.session("/echo").open();
    for length in ["abc", "-1", "+5", "0x5", "5.0", "5 5", "5, 6", "5;x", "", "\u{ff15}"] {
        let line = format!("Content-Length: {length}\r\n");
        expect_400(&server, &format!("GET /echo HTTP/1.1\r\nHost: localhost\r\n{line}\r\n"));
        expect_400(&server, &sending(&session, &line, r#"["x"]"#));
    }
    expect_untouched(&session);
}

#[test]
fn conflicting_lengths() {
    let server = server();
    let session = server.session("/echo").open();
    let conflicts = [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 0\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 15\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
    ];
    for lines in conflicts {
        expect_400(&server, &format!("GET /echo HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n"));
        expect_400(&server, &sending(&session, lines, "5\r\n[\"x\"]\r\n0\r\n\r\n"));
    }
    expect_untouched(&session);
}

#[test]
fn malformed_chunks() {
    let server = server();
    let session = server.session("/echo").open();
    let bodies = [
        "x\r\n[\"x\"]\r\n0\r\n\r\n",
        "\r\n[\"x\"]\r\n0\r\n\r\n",
        "-5\r\n[\"x\"]\r\n0\r\n\r\n",
        "0x5\r\n[\"x\"]\r\n0\r\n\r\n",
        "fffffffffffffffff\r\n[\"x\"]\r\n0\r\n\r\n",
        "4\r\n[\"x\"]\r\n0\r\n\r\n",
        "5\r\n[\"x\"]0\r\n\r\n",
    ];
    for body in bodies {
        expect_400(&server, &sending(&session, "Transfer-Encoding: chunked\r\n", body));
    }
    expect_untouched(&session);
}

#[test]
fn a_host_is_needed_once() {
    let server = server();
    let session = server.session("/echo").open();
    let target = session.target("xhr_send");
    for hosts in ["", "Host: a\r\nHost: b\r\n", "Host: a\r\nHost: a\r\n"] {
        expect_400(&server, &format!("GET /echo HTTP/1.1\r\n{hosts}\r\n"));
        let head = format!("POST {target} HTTP/1.1\r\n{hosts}Content-Length: 5\r\n\r\n");
        expect_400(&server, &(head + r#"["x"]"#));
    }
    expect_untouched(&session);
}

#[test]
fn nothing_behind_a_malformed_request_is_served() {
    let server = server();
    let session = server.session("/echo").open();
    let smuggled = Request::post(session.target("xhr_send")).body(r#"["smuggled"]"#).to_bytes();
    let smuggled = String::from_utf8_lossy(&smuggled);
    let lines = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n";
    expect_400(&server, &sending(&session, lines, &format!("0\r\n\r\n{smuggled}")));
    expect_400(&server, &format!("GET /echo HTTP/1.1\r\n\r\n{smuggled}"));
    expect_untouched(&session);
}

#[test]
fn a_request_cut_short_does_nothing() {
    let server = server();
    let session = server.session("/echo").open();
    let request = Request::post(session.target("xhr_send"))
        .header("Content-Length", "100")
        .body(r#"["cut short"]"#);
    for _ in 0..10 {
        let mut connection = server.connect();
        connection.send(request.to_bytes());
        drop(connection);
    }
    expect_untouched(&session);
}
