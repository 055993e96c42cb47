//! PROTOCOL §6: what send requests are answered.

use crate::common::request::{get, head, peer, post};
use crate::common::{START, Sim, secs};
use bytes::Bytes;
use http::{Response, StatusCode};
use sockjs_core::{Action, BodyError, CloseReason, Refused, Route};

fn open() -> Sim {
    let mut sim = Sim::new(|_| ());
    sim.receive("open", "/000/s/xhr");
    sim.skip();
    sim
}

fn header<'r>(response: &'r Response<Bytes>, name: &str) -> Option<&'r str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

#[test]
fn delivered_messages_are_204_or_ok() {
    let mut sim = open();
    for body in ["[\"a\"]", "[]", "[\"\"]", " [ \"x\" ,\n\"y\" ] "] {
        let xhr = sim.post("p", "/000/s/xhr_send", body).unwrap();
        assert_eq!((xhr.status().as_u16(), xhr.body().len()), (204, 0));
        assert_eq!(header(&xhr, "content-type"), Some("text/plain; charset=UTF-8"));
        assert_eq!(header(&xhr, "content-length"), None);
        assert_eq!(header(&xhr, "access-control-allow-origin"), Some("*"));
        let jsonp = sim.post("q", "/000/s/jsonp_send", body).unwrap();
        assert_eq!((jsonp.status().as_u16(), &jsonp.body()[..]), (200, &b"ok"[..]));
        assert_eq!(header(&jsonp, "content-type"), Some("text/plain; charset=UTF-8"));
        assert_eq!(header(&jsonp, "content-length"), Some("2"));
        assert_eq!(header(&jsonp, "access-control-allow-origin"), None);
    }
    let all = std::iter::from_fn(|| sim.recv_text(1)).collect::<Vec<_>>();
    assert_eq!(all, ["a", "a", "", "", "x", "y", "x", "y"]);
}

#[test]
fn a_body_is_taken_whole_or_not_at_all() {
    let mut sim = open();
    for path in ["/000/s/xhr_send", "/000/s/jsonp_send"] {
        for (body, text) in [
            ("", "Payload expected."),
            ("x", "Broken JSON encoding."),
            ("\"a\"", "Broken JSON encoding."),
            ("[\"a\",1]", "Broken JSON encoding."),
            ("[\"a\"", "Broken JSON encoding."),
            ("{\"a\":1}", "Broken JSON encoding."),
            ("\u{feff}[\"a\"]", "Broken JSON encoding."),
        ] {
            let answer = sim.post("p", path, body).unwrap();
            assert_eq!((answer.status().as_u16(), &answer.body()[..]), (500, text.as_bytes()));
        }
    }
    assert_eq!(sim.recv(1), None);
    assert_eq!(sim.endpoint.stats().messages_in, 0);
}

#[test]
fn forms_carry_the_array_in_a_field() {
    let mut sim = open();
    let form = || {
        post("/000/s/jsonp_send")
            .header("Content-Type", "Application/x-www-form-urlencoded; charset=UTF-8")
    };
    for (body, status) in [
        ("d=%5B%22a+b%22%5D&d=%5B%22c%22%5D", 200),
        ("x=1&d=[\"%C3%A4\"]", 200),
        ("d=", 500),
        ("x=1", 500),
        ("d=[\"%ff\"]", 500),
    ] {
        assert_eq!(sim.post_as("p", form(), None, body).unwrap().status(), status, "{body}");
    }
    let plain = post("/000/s/jsonp_send").header("Content-Type", "text/plain");
    sim.post_as("p", plain, None, "[\"%61bc\"]");
    let xhr = post("/000/s/xhr_send").header("Content-Type", "application/x-www-form-urlencoded");
    sim.post_as("p", xhr, None, "[\"%62cd\"]");
    let all = std::iter::from_fn(|| sim.recv_text(1)).collect::<Vec<_>>();
    assert_eq!(all, ["a b", "ä", "%61bc", "%62cd"]);
}

#[test]
fn unpaired_surrogates_are_replaced() {
    let mut sim = open();
    sim.post("p", "/000/s/xhr_send", r#"["a\ud800b","\ud83d\ude00"]"#);
    assert_eq!(sim.recv_text(1).as_deref(), Some("a\u{fffd}b"));
    assert_eq!(sim.recv_text(1).as_deref(), Some("😀"));
}

#[test]
fn unknown_sessions_are_404_before_the_body() {
    let mut sim = open();
    for path in ["/000/x/xhr_send", "/000/x/jsonp_send"] {
        let answer = sim.post("p", path, "[\"a\"]").unwrap();
        assert_eq!(answer.status(), 404);
        assert_eq!(header(&answer, "content-type"), Some("text/plain; charset=UTF-8"));
    }
}

#[test]
fn a_websocket_session_is_unknown_to_send_requests() {
    let mut sim = Sim::new(|_| ());
    sim.receive("w", "/000/s/websocket");
    assert_eq!(sim.post("p", "/000/s/xhr_send", "[]").unwrap().status(), 404);
}

#[test]
fn what_comes_after_the_close_is_dropped_and_counted() {
    let mut sim = open();
    sim.close(1, CloseReason::default());
    let closing = sim.post("p", "/000/s/xhr_send", "[\"a\",\"b\"]").unwrap();
    assert_eq!(closing.status(), 204);
    sim.receive("a", "/000/s/xhr");
    let closed = sim.post("q", "/000/s/jsonp_send", "[\"c\"]").unwrap();
    assert_eq!(closed.body(), "ok");
    assert_eq!(sim.endpoint.stats().dropped, 3);
    sim.advance(secs(6));
    assert_eq!(sim.post("r", "/000/s/xhr_send", "[]").unwrap().status(), 404);
}

#[test]
fn bodies_that_cannot_be_read_have_their_answers() {
    let mut sim = open();
    let mut reply = || {
        let request = head(post("/000/s/xhr_send").header("Content-Length", "12"));
        let Route::Send(permit) = sim.service().route(request, &peer(), 0, START) else {
            panic!("a send request")
        };
        match sim.endpoint.handle_send(permit, None, START) {
            Action::Collect { reply, .. } => reply,
            other => panic!("{other:?}"),
        }
    };
    for (error, status) in
        [(BodyError::TooLarge, 413), (BodyError::TimedOut, 408), (BodyError::Broken, 400)]
    {
        let answer = reply().unread(error);
        assert_eq!(answer.status(), status);
        assert_eq!(answer.status(), StatusCode::from(error));
        assert_eq!(header(&answer, "access-control-allow-origin"), Some("*"));
        assert_eq!(header(&answer, "vary"), Some("Origin"));
    }
    assert_eq!(reply().refused(Refused::Gone).status(), 404);
    let overdue = reply().refused(Refused::Overdue);
    assert_eq!((overdue.status().as_u16(), header(&overdue, "retry-after")), (503, Some("5")));
}

#[test]
fn an_announced_length_over_the_limit_is_refused_unread_if_the_session_is_known() {
    let mut sim = Sim::new(|settings| settings.limits.message_bytes = 12);
    sim.receive("a", "/000/s/xhr");
    let mut ask = |id: &str, bytes: &str| {
        let request = post(&format!("/000/{id}/xhr_send")).header("Content-Length", bytes);
        let Route::Send(permit) = sim.service().route(head(request), &peer(), 0, START) else {
            panic!("a send request")
        };
        let action = sim.endpoint.handle_send(permit, None, START);
        let worth_reading = action.max_body_bytes();
        match action {
            Action::Collect { max_bytes, .. } => Err((max_bytes, worth_reading)),
            Action::Respond(answer) => {
                assert_eq!(worth_reading, 64 * 1024, "to be dropped");
                Ok(answer.status().as_u16())
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ask("s", "12"), Err((12, 12)));
    assert_eq!(ask("s", "13"), Ok(413));
    assert_eq!(ask("s", "18446744073709551615"), Ok(413));
    assert_eq!(ask("t", "13"), Ok(404));
}

#[test]
fn countless_tiny_messages_are_refused_while_they_are_read() {
    let mut sim = Sim::new(|settings| {
        settings.limits.message_bytes = 1_000;
        settings.limits.inbox_bytes = 280;
    });
    sim.receive("a", "/000/s/xhr");
    let payload = |count: usize| format!("[{}]", vec!["\"\""; count].join(","));
    assert_eq!(sim.post("p", "/000/s/xhr_send", &payload(20)).unwrap().status(), 204);
    while sim.recv(1).is_some() {}
    assert_eq!(sim.post("q", "/000/s/xhr_send", &payload(21)).unwrap().status(), 413);
    assert!(sim.recv(1).is_none());
    assert_eq!(sim.endpoint.live(), 1);
}

#[test]
fn only_post_sends() {
    let sim = open();
    let Route::Respond(answer) =
        sim.service().route(head(get("/000/s/xhr_send")), &peer(), 0, START)
    else {
        panic!("an answer")
    };
    assert_eq!((answer.status().as_u16(), header(&answer, "allow")), (405, Some("OPTIONS, POST")));
}
