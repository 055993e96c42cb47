//! The program of examples/blocking.rs with the services of PROTOCOL §9, for the conformance tests.
#![forbid(unsafe_code)]

#[path = "../../../examples/blocking.rs"]
#[allow(dead_code, reason = "it has a main function of its own")]
mod blocking;

use std::thread;
use std::time::Duration;

use blocking::{Room, broadcast, echo, start};
use sockjs_core::{
    BaseUrl, CloseReason, CookieSetting, Endpoint, Message, OriginPolicy, SessionKey, Settings,
    Transport, TransportSet,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ticker = start("/ticker", slow, |_| {})?;
    let ticking = ticker.clone();
    thread::spawn(move || {
        loop {
            ticking.turn(|state| {
                for key in state.room.keys() {
                    let _ = state.endpoint.send(*key, Message::text("tick!"));
                }
            });
            thread::sleep(Duration::from_secs(1));
        }
    });
    let hubs = [
        ticker,
        start("/echo", echo, |_| {})?,
        start("/a/b/echo", echo, |_| {})?,
        start("/broadcast", broadcast, |_| {})?,
        start("/disabled_websocket_echo", echo, |it| {
            it.transports = TransportSet::all().without(Transport::Websocket);
            it.response_limit = Settings::new("").response_limit;
        })?,
        start("/cookie_needed_echo", echo, |it| it.cookie = CookieSetting::Jsessionid)?,
        start("/xhr_only_echo", echo, |it| {
            it.transports = TransportSet::none().with(Transport::Xhr);
        })?,
        start("/same_origin_echo", echo, |it| it.origins = OriginPolicy::SameOrigin)?,
        start("/tombstone_echo", echo, |it| it.tombstones = Some(Duration::from_secs(60)))?,
        start("/base_url_echo", echo, |it| {
            it.base_url = BaseUrl::Fixed("http://node1.example.com/base_url_echo".into());
        })?,
        start("/close", close, |_| {})?,
        start("/evil_close", evil_close, |_| {})?,
        start("/send_then_close", send_then_close, |_| {})?,
        start("/amplify", amplify, |it| it.response_limit = Settings::new("").response_limit)?,
        start("/slow", slow, |it| it.limits.inbox_bytes = 4096)?,
        start("/panic", panics, |_| {})?,
    ];
    blocking::serve(hubs.into())
}

fn close(endpoint: &mut Endpoint, _: &mut Room, key: SessionKey) {
    endpoint.close(key, CloseReason::GO_AWAY);
}

/// Closes with a reason that is script where it is not escaped.
fn evil_close(endpoint: &mut Endpoint, _: &mut Room, key: SessionKey) {
    if endpoint.recv(key).is_some() {
        endpoint.close(key, CloseReason::new(4000, "</script>\u{2028}\"]"));
    }
}

fn send_then_close(endpoint: &mut Endpoint, _: &mut Room, key: SessionKey) {
    if endpoint.recv(key).is_some() {
        for message in ["a", "b", "c"] {
            let _ = endpoint.send(key, Message::text(message));
        }
        endpoint.close(key, CloseReason::new(4001, "done"));
    }
}

/// Message `n` is answered by 2^n times `x`; anything but 1 to 18 counts as 1.
fn amplify(endpoint: &mut Endpoint, _: &mut Room, key: SessionKey) {
    while let Some(message) = endpoint.recv(key) {
        let asked = message.as_text().and_then(|text| text.trim().parse().ok());
        let power = asked.filter(|n| (1..=18).contains(n)).unwrap_or(1);
        let _ = endpoint.send(key, Message::text("x".repeat(1 << power)));
    }
}

/// Never takes a message.
fn slow(_: &mut Endpoint, _: &mut Room, _: SessionKey) {}

fn panics(endpoint: &mut Endpoint, _: &mut Room, key: SessionKey) {
    assert!(endpoint.recv(key).is_none(), "the /panic service panics on its first message");
}
