//! The session's id is a secret of its client: nothing that an application can print shows it.

use std::fmt::Debug;

use http::Request as HttpRequest;
use sockjs_tests::client::Transport;

use super::support::{App, expect_message, report, wait};
use crate::adapter::{Broadcast, SendError};

#[track_caller]
fn expect_silent(value: &impl Debug, id: &str) {
    let shown = [format!("{value:?}"), format!("{value:#?}")];
    let bytes = format!("{:?}", id.as_bytes());
    for shown in shown {
        let flat = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(!flat.contains(id) && !flat.contains(&bytes), "{shown}");
    }
}

#[test]
fn nothing_that_is_public_shows_the_id() {
    let app = App::start();
    let client = app.client();
    let mut stream = client.receive_first(Transport::XhrStreaming, "o");
    let mut session = app.session();
    let id = client.id();
    client.send(&["x"]);
    expect_message(&mut session, "x");
    wait(session.send("y")).expect("there is room");
    stream.expect(r#"a["y"]"#);
    let room = Broadcast::new();
    room.join(&session);
    expect_silent(&app.service, id);
    expect_silent(&app.service.stats(), id);
    expect_silent(&app.server.connections(), id);
    expect_silent(&session, id);
    expect_silent(&session.handle(), id);
    expect_silent(session.info(), id);
    expect_silent(&session.info().path(), id);
    expect_silent(&session.info().query(), id);
    expect_silent(&room, id);
    drop(stream);
    expect_silent(&report(&session), id);
    let error = session.try_send("late").expect_err("it has ended");
    assert!(matches!(error, SendError::Closed(_)));
    expect_silent(&error, id);
    assert!(!error.to_string().contains(id));
}

#[test]
fn no_answer_shows_the_id() {
    let app = App::start();
    for name in ["xhr", "xhr_streaming", "xhr_send", "jsonp", "jsonp?c=cb", "websocket", "none"] {
        for method in ["GET", "POST", "OPTIONS", "PUT"] {
            // One that is open already would let a poll wait.
            let client = app.client();
            let request = HttpRequest::builder().method(method).uri(client.target(name));
            let request = request.body(String::new()).expect("a request");
            let (service, id) = (app.service.clone(), client.id().to_owned());
            // Dropped at once: a stream's client leaves.
            app.run(async move { expect_silent(&service.respond(request).await, &id) });
        }
    }
}
