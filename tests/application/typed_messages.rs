//! Messages as values of types.

use std::collections::BTreeMap;
use std::error::Error;

use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use sockjs_tests::client::{Transport, json_array};

use super::support::{App, now, wait};
use crate::adapter::json::{self, JsonError, JsonSendError};
use crate::adapter::{Broadcast, CloseReason, Message, SendError};

/// What clients say.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Request {
    Hello { name: String },
    Move { to: Vec<Point> },
}

#[derive(Debug, PartialEq, Deserialize)]
struct Point {
    x: i32,
    #[serde(default)]
    y: i32,
}

/// What they are told: another type.
#[derive(Serialize)]
struct Notice<'a> {
    text: &'a str,
    at: u64,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Plan {
    name: String,
    steps: Vec<Point>,
}

fn fault(text: &str) -> JsonError {
    json::read::<Plan>(Message::from(text)).expect_err("it is no plan")
}

#[test]
fn values_come_in_and_go_out() {
    let app = App::start();
    let (mut socket, session) = app.websocket();
    let mut session = session.json::<Request>();
    socket.send_text(&json_array(&[
        r#"{"type":"hello","name":"Ann \u2028 \ud83d\ude00"}"#,
        r#"{"type":"move","to":[{"x":1},{"x":-2,"y":3}]}"#,
    ]));
    let name = "Ann \u{2028} 😀".to_owned();
    let hello = wait(session.recv()).expect("a message").expect("a request");
    assert_eq!(hello, Request::Hello { name });
    let to = vec![Point { x: 1, y: 0 }, Point { x: -2, y: 3 }];
    let moved = wait(session.recv()).expect("a message").expect("a request");
    assert_eq!(moved, Request::Move { to });
    wait(session.send(&Notice { text: "a\"\u{2028}\n", at: 7 })).expect("it is open");
    socket.expect_text(r#"a["{\"text\":\"a\\\"\u2028\\n\",\"at\":7}"]"#);
    wait(session.send("text")).expect("it is open");
    socket.expect_text(r#"a["\"text\""]"#);
    wait(session.send(&[1, 2][..])).expect("it is open");
    socket.expect_text(r#"a["[1,2]"]"#);
}

#[test]
fn a_message_that_is_not_as_expected_is_told_and_ends_nothing() {
    let app = App::start();
    let (client, session) = app.open();
    let mut session = session.json::<Vec<u8>>();
    client.send(&["[1,300]", "[1,2]"]);
    let error = wait(session.recv()).expect("a message").expect_err("300 is too large");
    assert_eq!(error.path(), "[1]");
    assert_eq!(error.raw(), &Message::from("[1,300]"));
    assert_eq!(wait(session.recv()).expect("a message").expect("numbers"), [1, 2]);
    session.close(CloseReason::GO_AWAY);
    assert!(wait(session.recv()).is_none());
    assert!(session.is_closed());
    assert!(session.into_inner().is_closed());
}

#[test]
fn errors_name_the_field() {
    for (text, path) in [
        (r#"{"name":"a","steps":[{"x":1},{"x":"far"}]}"#, "steps[1].x"),
        (r#"{"name":7,"steps":[]}"#, "name"),
        (r#"{"name":"a","steps":[{"y":1}]}"#, "steps[0]"),
        (r#"{"name":"a"}"#, ""),
        ("[]", ""),
        ("", ""),
        ("{\"name\":\"a\",\"steps\":[{]}", ""),
        (r#"{"name":"a","steps":[]} and more"#, ""),
    ] {
        let error = fault(text);
        assert_eq!(error.path(), path, "{text}: {error}");
        assert_eq!(error.into_raw(), Message::from(text));
    }
}

#[test]
fn errors_read_well() {
    let error = fault(r#"{"name":"a","steps":[{"x":"secret"}]}"#);
    let text = "steps[0].x: invalid type: string \"secret\", expected i32 at line 1 column 34";
    assert_eq!(error.to_string(), text);
    assert!(error.source().is_some());
    assert_eq!(fault("").to_string(), "EOF while parsing a value at line 1 column 0");
    assert!(!format!("{error:?}").contains("steps\":"), "the message is not shown");
}

#[test]
fn what_has_no_json_form_is_not_sent() {
    #[derive(Serialize)]
    struct Map {
        by_point: BTreeMap<(i32, i32), u8>,
    }

    let app = App::start();
    let (_client, session) = app.open();
    let session = session.json::<()>();
    let map = Map { by_point: BTreeMap::from([((1, 2), 3)]) };
    let Err(JsonSendError::NotJson(error)) = wait(session.send(&map)) else { panic!("no JSON") };
    assert_eq!(error.path(), "by_point");
    assert_eq!(error.to_string(), "by_point: key must be a string");
    assert_eq!(app.service.stats().messages_out, 0);
}

#[test]
fn refusals_are_as_of_any_message() {
    let app = App::with(|builder| builder.limits(|limits| limits.outbox_bytes = 1));
    let (client, session) = app.open();
    let session = session.json::<()>();
    session.try_send(&1).expect("the queue is empty");
    let full = session.try_send(&2);
    assert!(matches!(full, Err(JsonSendError::Refused(SendError::Full(back))) if back == "2"));
    assert!(now(session.send(&2)).is_none());
    client.expect(Transport::Xhr, &[r#"a["1"]"#]);
    session.close(CloseReason::GO_AWAY);
    let late = wait(session.send(&3));
    assert!(matches!(late, Err(JsonSendError::Refused(SendError::Closed(back))) if back == "3"));
}

#[test]
fn it_is_a_stream() {
    let app = App::start();
    let (mut socket, session) = app.websocket();
    socket.send_text(r#"["1","x","2"]"#);
    let three = session.json::<u8>().take(3).map(Result::ok).collect::<Vec<_>>();
    assert_eq!(wait(three), [Some(1), None, Some(2)]);
}

#[test]
fn bytes_are_read_as_well() {
    let app = App::start();
    let (mut socket, session) = app.raw_websocket();
    socket.send_text("[1]");
    let mut session = session.json::<[u8; 1]>();
    assert_eq!(wait(session.recv()).expect("a message").expect("numbers"), [1]);
    assert_eq!(json::read::<u8>(Message::binary(b"7".to_vec())).expect("a number"), 7);
}

#[test]
fn a_value_for_a_group() {
    let app = App::start();
    let group = Broadcast::new();
    let (client, session) = app.open();
    group.join(&session);
    let notice = json::message(&Notice { text: "all", at: 1 }).expect("it is JSON");
    assert_eq!(group.send(notice).count, 1);
    client.expect(Transport::Xhr, &[r#"a["{\"text\":\"all\",\"at\":1}"]"#]);
}
