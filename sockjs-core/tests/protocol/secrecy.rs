//! DESIGN §6: a session's id is a secret of its client, and nothing shows it.

use std::error::Error;
use std::fmt::Debug;

use crate::common::request::{for_path, head, peer, post};
use crate::common::{START, Sim, settings};
use bytes::BytesMut;
use sockjs_core::{
    Action, BodyError, Endpoint, Event, Message, Quota, Refused, Route, Seed, SendError, Service,
};

const ID: &str = "s3cr3t-1d";

/// The id in the forms that derived code would print.
fn forms() -> [String; 3] {
    let bytes = ID.as_bytes();
    let list = |items: Vec<String>| items.join(", ");
    [
        ID.to_owned(),
        list(bytes.iter().map(u8::to_string).collect()),
        list(bytes.iter().map(|byte| format!("{byte:x}")).collect()),
    ]
}

#[track_caller]
fn expect_hidden(shown: &str) {
    // The pretty form has each byte on a line of its own.
    let flat = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    for form in forms() {
        assert!(!flat.contains(&form), "{shown}");
    }
}

#[track_caller]
fn expect_silent(value: &impl Debug) {
    expect_hidden(&format!("{value:?}"));
    expect_hidden(&format!("{value:#?}"));
    expect_hidden(&format!("{value:x?}"));
}

#[track_caller]
fn expect_silent_error(error: &impl Error) {
    expect_silent(error);
    expect_hidden(&error.to_string());
}

fn endpoint() -> (Service, Endpoint) {
    let service = Service::new(settings()).unwrap();
    let quota = Quota::whole(&service.settings().limits);
    (service.clone(), Endpoint::new(service, 0, quota, Seed::new(1)))
}

#[test]
fn the_test_would_see_it() {
    for shown in [format!("{:?}", ID.as_bytes()), format!("{:#?}", ID.as_bytes())] {
        assert!(std::panic::catch_unwind(|| expect_hidden(&shown)).is_err(), "{shown}");
    }
}

#[test]
fn no_value_on_the_way_of_a_request_shows_it() {
    let (service, mut endpoint) = endpoint();
    let transports = ["xhr", "xhr_streaming", "eventsource", "htmlfile", "jsonp", "websocket"];
    for transport in transports {
        let request = for_path(&format!("/000/{ID}/{transport}"));
        let route = service.route(head(request), &peer(), 0, START);
        expect_silent(&route);
        let action = match route {
            Route::Receive(permit) => endpoint.handle_receive(permit, None, START),
            Route::Websocket(permit) => endpoint.handle_websocket(permit, None, START),
            other => panic!("{other:?}"),
        };
        expect_silent(&action);
        expect_silent(&endpoint);
        let (Action::Poll { mut receiver, .. }
        | Action::Stream { mut receiver, .. }
        | Action::Upgrade { mut receiver, .. }) = action
        else {
            panic!("{action:?}")
        };
        let mut buf = BytesMut::new();
        while let Some(transmit) = endpoint.poll_transmit(&mut receiver, &mut buf) {
            expect_silent(&transmit);
            expect_silent(&receiver);
        }
        expect_hidden(&String::from_utf8_lossy(&buf));
        while let Some(event) = endpoint.poll_event() {
            expect_silent(&event);
            if let Event::Opened(_, info) = &event {
                let parts = [info.path(), info.query().unwrap_or_default()];
                parts.into_iter().for_each(expect_hidden);
            }
        }
    }
    let route = service.route(head(post(&format!("/000/{ID}/xhr_send"))), &peer(), 0, START);
    expect_silent(&route);
    let Route::Send(permit) = route else { panic!("a send request") };
    let action = endpoint.handle_send(permit, None, START);
    expect_silent(&action);
    let Action::Collect { session, reply, .. } = action else { panic!("{action:?}") };
    expect_silent(&session);
    expect_silent_error(&reply.read(ID.as_bytes(), &mut Vec::new()).unwrap_err());
    expect_silent(&reply.unread(BodyError::Broken));
    endpoint.shutdown(sockjs_core::CloseReason::GO_AWAY);
    expect_silent(&endpoint);
    expect_silent(&endpoint.stats());
}

#[test]
fn no_refusal_shows_it() {
    let (service, mut endpoint) = endpoint();
    let paths = ["xhr_send", "jsonp_send", "nonsense", "xhr/", "websocket?x=%00", "jsonp?c=("];
    for path in paths {
        for request in [post(&format!("/000/{ID}/{path}")), for_path(&format!("/{ID}/{path}"))] {
            let response = match service.route(head(request), &peer(), 0, START) {
                Route::Respond(response) => *response,
                Route::Send(permit) => match endpoint.handle_send(permit, None, START) {
                    Action::Respond(response) => response,
                    other => panic!("{other:?}"),
                },
                other => panic!("{path}: {other:?}"),
            };
            expect_silent(&response);
        }
    }
    for error in [BodyError::TooLarge, BodyError::Busy, BodyError::TimedOut, BodyError::Broken] {
        expect_silent_error(&error);
    }
    for error in [Refused::Full, Refused::Overdue, Refused::Gone] {
        expect_silent_error(&error);
    }
    for make in [SendError::Full, SendError::Closed, SendError::NotText] {
        expect_silent_error(&make(Message::text("x")));
    }
}

#[test]
fn no_report_shows_it() {
    let mut sim = Sim::new(|_| ());
    let stream = format!("/000/{ID}/xhr_streaming");
    sim.receive("a", &stream);
    sim.receive("second", &stream);
    sim.send(1, "x").unwrap();
    sim.disconnect("a");
    sim.receive("late", &stream);
    expect_silent(sim.model.report(1).unwrap());
    expect_silent(&sim.endpoint);
    assert!(!sim.take_transcript().concat().contains(ID));
}
