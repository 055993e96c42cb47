//! PROTOCOL §6, the table: what each send is answered.

use sockjs_tests::client::{Request, Session, Transport, frame_of, json_array};

use super::support::{server, wait_until_gone};

const FORM: &str = "application/x-www-form-urlencoded";

#[test]
fn delivered() {
    let server = server();
    let session = server.session("/echo").open();
    session
        .xhr_send(r#"["a"]"#)
        .expect_status(204)
        .expect_header("Content-Type", "text/plain; charset=UTF-8");
    for (content_type, body) in [("text/plain", r#"["b"]"#), (FORM, "d=%5B%22c%22%5D")] {
        session
            .jsonp_send(content_type, body)
            .expect_status(200)
            .expect_header("Content-Type", "text/plain; charset=UTF-8")
            .expect_header("Content-Length", "2")
            .expect_body("ok");
    }
    assert_eq!(session.poll(), r#"a["a","b","c"]"#);
}

#[test]
fn no_messages_are_delivered_too() {
    let server = server();
    let session = server.session("/echo").open();
    session.xhr_send("[]").expect_status(204);
    session.xhr_send(" [ ] ").expect_status(204);
    session.jsonp_send("text/plain", "[]").expect_status(200).expect_body("ok");
    session.jsonp_send(FORM, "d=%5B%5D").expect_status(200).expect_body("ok");
    session.send(&["x"]);
    assert_eq!(session.poll(), r#"a["x"]"#);
}

#[test]
fn an_empty_message_is_delivered() {
    let server = server();
    let session = server.session("/echo").open();
    session.xhr_send(r#"[""]"#).expect_status(204);
    assert_eq!(session.poll(), r#"a[""]"#);
}

#[test]
fn an_empty_body() {
    let server = server();
    let session = server.session("/echo").open();
    session.xhr_send("").expect_status(500).expect_line("Payload expected.");
    session.jsonp_send("text/plain", "").expect_status(500).expect_line("Payload expected.");
    for form in ["", "d=", "d", "x=y", "D=%5B%5D", "d=&d=%5B%22x%22%5D", "dd=%5B%5D&e=d"] {
        let answer = session.jsonp_send(FORM, form);
        answer.expect_status(500).expect_line("Payload expected.");
    }
    session.send(&["still here"]);
    assert_eq!(session.poll(), r#"a["still here"]"#);
}

#[track_caller]
fn expect_unknown(session: &Session) {
    for body in [r#"["x"]"#, "[]", "", "broken"] {
        session.xhr_send(body).expect_status(404);
        session.jsonp_send("text/plain", body).expect_status(404);
        session.jsonp_send(FORM, body).expect_status(404);
    }
}

#[test]
fn unknown_and_aborted_sessions() {
    let server = server();
    expect_unknown(&server.session("/echo"));
    let session = server.session("/echo");
    drop(session.receive_first(Transport::Eventsource, "o"));
    wait_until_gone(&session);
    expect_unknown(&session);
}

#[test]
fn websocket_sessions_take_no_sends() {
    let server = server();
    let session = server.session("/echo");
    let mut socket = server.websocket(session.target("websocket"));
    socket.expect_text("o");
    expect_unknown(&session);
}

#[test]
fn the_session_is_looked_up_before_the_body_is_read() {
    let server = server();
    for name in ["xhr_send", "jsonp_send"] {
        let session = server.session("/echo");
        let request = Request::post(session.target(name)).header("Content-Length", "1000000");
        // No byte of the body is ever sent.
        session.exchange(&request).expect_status(404);
    }
}

#[test]
fn xhr_send_takes_any_content_type() {
    let server = server();
    let session = server.session("/echo").open();
    let types = [
        "",
        "text/plain",
        "T",
        "application/json",
        "application/xml",
        FORM,
        "text/plain; x=y",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
    ];
    for content_type in types {
        let request = Request::post(session.target("xhr_send"))
            .header("Content-Type", content_type)
            .body(r#"["a+b%41&d=c"]"#);
        session.exchange(&request).expect_status(204);
        assert_eq!(session.poll(), r#"a["a+b%41&d=c"]"#, "as {content_type:?}");
    }
}

#[test]
fn many_sends_arrive_in_order() {
    let server = server();
    let session = server.session("/echo").open();
    let mut connection = session.connect();
    let expected: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    for pair in expected.chunks(2) {
        let body = json_array(pair);
        let answer = connection.exchange(&Request::post(session.target("xhr_send")).body(body));
        answer.expect_status(204);
    }
    assert_eq!(session.poll(), frame_of(&expected));
}
