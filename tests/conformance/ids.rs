//! PROTOCOL §1: server and session ids.

use sockjs_tests::client::{Request, Session, Transport, fresh_id};

use super::support::server;

/// A fresh id padded to a length.
fn id_of(length_bytes: usize) -> String {
    let id = fresh_id() + "-";
    id.clone() + &"x".repeat(length_bytes - id.len())
}

#[test]
fn ids_of_128_bytes_serve() {
    let server = server();
    let path = format!("/echo/{}/{}", id_of(128), id_of(128));
    let session = Session::at(server.address(), path).open();
    session.send(&["x"]);
    session.expect(Transport::Jsonp, &[r#"a["x"]"#]);
}

#[test]
fn ids_of_129_bytes_are_404() {
    let server = server();
    let paths = [
        format!("/echo/000/{}", id_of(129)),
        format!("/echo/{}/{}", id_of(129), fresh_id()),
        format!("/echo/000/{}", id_of(5000)),
    ];
    for path in paths {
        let session = Session::at(server.address(), path);
        for name in ["xhr", "xhr_streaming", "xhr_send", "jsonp_send"] {
            session.exchange(&Request::post(session.target(name))).expect_status(404);
        }
        for name in ["eventsource", "htmlfile?c=x", "jsonp?c=x", "websocket"] {
            session.exchange(&Request::get(session.target(name))).expect_status(404);
        }
    }
}

#[test]
fn percent_encoding_counts_as_it_stands() {
    let server = server();
    // 43 bytes decoded, 129 as they stand.
    let long = "%41".repeat(43);
    let session = Session::at(server.address(), format!("/echo/000/{long}"));
    session.exchange(&Request::post(session.target("xhr"))).expect_status(404);
}

#[test]
fn ids_are_compared_undecoded() {
    let server = server();
    let id = fresh_id();
    let at = |id: String| Session::at(server.address(), format!("/echo/000/{id}"));
    let (encoded, plain) = (at(format!("{id}%41")), at(format!("{id}A")));
    let (small, lower) = (at(format!("{id}%4a")), at(format!("{id}a")));
    let encoded = encoded.open();
    for other in [&plain, &small, &lower] {
        other.xhr_send(r#"["x"]"#).expect_status(404);
    }
    let plain = plain.open();
    encoded.send(&["encoded"]);
    plain.send(&["plain"]);
    assert_eq!(encoded.poll(), r#"a["encoded"]"#);
    assert_eq!(plain.poll(), r#"a["plain"]"#);
}

#[test]
fn encoded_dots_slashes_and_spaces_are_ordinary() {
    let server = server();
    for id in ["%2E", "%2F", "%20", "%2e%2e", "a%00b", "%", "%zz", "%ff"] {
        let path = format!("/echo/{id}/{}{id}", fresh_id());
        let session = Session::at(server.address(), path).open();
        session.send(&["x"]);
        assert_eq!(session.poll(), r#"a["x"]"#, "id {id}");
    }
}

#[test]
fn other_characters_are_ordinary() {
    let server = server();
    for id in ["a;b", "a=b", "a@b", "a:b", "~", "!$&'()*+,", "-_"] {
        let path = format!("/echo/{id}/{}{id}", fresh_id());
        let session = Session::at(server.address(), path).open();
        session.send(&["x"]);
        assert_eq!(session.poll(), r#"a["x"]"#, "id {id}");
    }
}

#[test]
fn one_byte_serves() {
    let server = server();
    // The prefix is this test's alone, so the short id is too.
    let session = Session::at(server.address(), "/a/b/echo/0/1").open();
    session.send(&["x"]);
    assert_eq!(session.poll(), r#"a["x"]"#);
    session.receive(Transport::XhrStreaming);
}

#[test]
fn the_server_part_does_not_identify() {
    let server = server();
    let id = fresh_id();
    let at = |name: &str| Session::at(server.address(), format!("/echo/{name}/{id}"));
    let opener = at("000").open();
    at("999").send(&["a"]);
    at("abc").jsonp_send("text/plain", r#"["b"]"#).expect_status(200);
    assert_eq!(at("xyz").poll(), r#"a["a","b"]"#);
    opener.send(&["c"]);
    at("111").receive_first(Transport::Eventsource, r#"a["c"]"#);
}
