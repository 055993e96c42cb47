//! The program of examples/blocking.rs with the services of PROTOCOL §9, for the conformance tests.
#![forbid(unsafe_code)]

#[path = "../../../examples/blocking.rs"]
#[allow(dead_code, reason = "it has a main function of its own")]
mod blocking;

use std::error::Error;
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use blocking::{App, Hub, chat, echo, serve};
use signal_hook::{consts::TERM_SIGNALS, iterator::Signals};
use sockjs_core::{
    BaseUrl, CloseReason, CookieSetting, Endpoint, Message, OriginPolicy, SessionKey, Settings,
    Transport, TransportSet,
};
use sockjs_tests::options::Options;

/// The services with the response limit of the command line.
const LIMITED: [&str; 3] = ["/echo", "/a/b/echo", "/broadcast"];
/// How long the clients have to hear of the end.
const GRACE: Duration = Duration::from_millis(500);

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse(std::env::args().skip(1))?;
    let hubs = &*services(&options)?.leak();
    let mut signals = Signals::new(TERM_SIGNALS)?;
    let listener = TcpListener::bind(options.listen)?;
    thread::spawn(|| serve(listener, hubs));
    thread::spawn(|| {
        loop {
            hubs[0].turn(|endpoint| {
                for key in endpoint.sessions() {
                    let _ = endpoint.send(key, Message::text("tick!"));
                }
            });
            thread::sleep(Duration::from_secs(1));
        }
    });
    signals.forever().next();
    for hub in hubs {
        hub.turn(|endpoint| endpoint.shutdown(CloseReason::SERVER_GOING_AWAY));
    }
    thread::sleep(GRACE);
    Ok(())
}

fn services(options: &Options) -> std::io::Result<Vec<Hub>> {
    let open = |prefix: &str, app: App, adjust: fn(&mut Settings)| {
        let mut settings = Settings::new(prefix);
        settings.origins = OriginPolicy::Any;
        settings.heartbeat_delay = Some(options.heartbeat);
        settings.disconnect_delay = options.disconnect;
        settings.client_url.clone_from(&options.client_url);
        // The program has one patience for heads and bodies.
        settings.limits.body_timeout = options.body_timeout.min(options.head_timeout);
        if LIMITED.contains(&prefix) {
            settings.response_limit = options.response_limit;
        }
        adjust(&mut settings);
        Hub::new(settings, app)
    };
    [
        open("/ticker", slow, |_| {}),
        open("/echo", echo, |_| {}),
        open("/a/b/echo", echo, |_| {}),
        open("/broadcast", chat, |_| {}),
        open("/disabled_websocket_echo", echo, |it| {
            it.transports = TransportSet::all().without(Transport::Websocket);
        }),
        open("/cookie_needed_echo", echo, |it| it.cookie = CookieSetting::Jsessionid),
        open("/xhr_only_echo", echo, |it| {
            it.transports = TransportSet::none().with(Transport::Xhr);
        }),
        open("/same_origin_echo", echo, |it| it.origins = OriginPolicy::SameOrigin),
        open("/tombstone_echo", echo, |it| it.tombstones = Some(Duration::from_secs(60))),
        open("/base_url_echo", echo, |it| {
            it.base_url = BaseUrl::Fixed("http://node1.example.com/base_url_echo".into());
        }),
        open("/close", close, |_| {}),
        open("/evil_close", evil_close, |_| {}),
        open("/send_then_close", send_then_close, |_| {}),
        open("/amplify", amplify, |_| {}),
        open("/slow", slow, |it| it.limits.inbox_bytes = 4096),
        open("/panic", panics, |_| {}),
    ]
    .into_iter()
    .collect()
}

fn close(endpoint: &mut Endpoint, key: SessionKey) {
    endpoint.close(key, CloseReason::GO_AWAY);
}

/// Closes with a reason that is script where it is not escaped.
fn evil_close(endpoint: &mut Endpoint, key: SessionKey) {
    if endpoint.recv(key).is_some() {
        endpoint.close(key, CloseReason::new(4000, "</script>\u{2028}\"]"));
    }
}

fn send_then_close(endpoint: &mut Endpoint, key: SessionKey) {
    if endpoint.recv(key).is_some() {
        for message in ["a", "b", "c"] {
            let _ = endpoint.send(key, Message::text(message));
        }
        endpoint.close(key, CloseReason::new(4001, "done"));
    }
}

/// Message `n` is answered by 2^n times `x`; anything but 1 to 18 counts as 1.
fn amplify(endpoint: &mut Endpoint, key: SessionKey) {
    while let Some(message) = endpoint.recv(key) {
        let asked = message.as_text().and_then(|text| text.trim().parse().ok());
        let power = asked.filter(|n| (1..=18).contains(n)).unwrap_or(1);
        let _ = endpoint.send(key, Message::text("x".repeat(1 << power)));
    }
}

/// Never takes a message.
fn slow(_: &mut Endpoint, _: SessionKey) {}

fn panics(endpoint: &mut Endpoint, key: SessionKey) {
    assert!(endpoint.recv(key).is_none(), "the /panic service panics on its first message");
}
