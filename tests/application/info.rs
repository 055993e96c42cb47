//! What a session knows of its client's connection.

use std::net::{IpAddr, Ipv4Addr};

use sockjs_tests::client::{Request, Transport as Way, WebSocket};

use super::support::{App, BASE, builder, handing_over};
use crate::adapter::{Server, Services, Session, Transport, TrustedProxies};

/// A session that was opened by a poll with this query and these headers.
#[track_caller]
fn opened_with(app: &App, query: &str, headers: &[(&str, &str)]) -> Session {
    let request = Request::post(format!("{}{query}", app.client().target("xhr")));
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    app.exchange(&request).expect_status(200).expect_body("o\n");
    app.session()
}

#[test]
fn the_remote_address_is_the_peers() {
    let app = App::start();
    let mut connection = app.connect();
    connection.exchange(&Request::post(app.client().target("xhr"))).expect_body("o\n");
    let session = app.session();
    assert_eq!(session.info().remote_addr(), Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    let peer = session.info().peer_addr();
    assert!(peer.is_some_and(|peer| peer.ip().is_loopback() && peer.port() > 0), "{peer:?}");
    assert!(session.info().extensions().is_empty(), "what nobody put there");
}

#[test]
fn the_remote_address_is_forwarded_by_trusted_proxies_only() {
    let forwarded = [("X-Forwarded-For", "203.0.113.7")];
    let app = App::start();
    let session = opened_with(&app, "", &forwarded);
    assert_eq!(session.info().remote_addr(), Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));

    let network = "127.0.0.0/8".parse().expect("a network");
    let app = App::with(|builder| builder.trusted_proxies(TrustedProxies::new([network])));
    let session = opened_with(&app, "", &forwarded);
    assert_eq!(session.info().remote_addr(), Some(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7))));
}

#[test]
fn an_upgrade_that_a_poll_asked_for_is_not_kept() {
    let app = App::start();
    for wanted in ["websocket", "h2c"] {
        let session = opened_with(&app, "", &[("Connection", "Upgrade"), ("Upgrade", wanted)]);
        assert!(session.info().extensions().is_empty(), "it holds the connection's socket");
    }
}

#[test]
fn the_path_is_the_services() {
    let (service, sessions) = handing_over(builder("/a/b/chat"));
    let server = Server::start(Services::new([service]));
    let client = sockjs_tests::client::Session::new(server.address(), "/a/b/chat").open();
    let session = sessions.recv().expect("a session");
    assert_eq!(session.info().path(), "/a/b/chat");
    drop(client);
}

#[test]
fn arguments_are_decoded_and_kept_in_order() {
    let app = App::start();
    let session = opened_with(&app, "?a=1&b=x%20y+z&a=2&empty", &[]);
    let info = session.info();
    assert_eq!(info.query(), Some("a=1&b=x%20y+z&a=2&empty"));
    let arguments: Vec<_> = info.arguments().collect();
    let expected = [("a", "1"), ("b", "x y z"), ("a", "2"), ("empty", "")];
    assert!(arguments.iter().map(|(k, v)| (k.as_str(), v.as_str())).eq(expected), "{arguments:?}");
}

#[test]
fn an_argument_is_the_first_of_its_name() {
    let app = App::start();
    let session = opened_with(&app, "?a=1&a=2", &[]);
    assert_eq!(session.info().argument("a").as_deref(), Some("1"));
    assert_eq!(session.info().argument("b"), None);
}

#[test]
fn headers_are_found_in_any_case() {
    let app = App::start();
    let session = opened_with(&app, "", &[("X-Name", "Some value"), ("x-name", "another")]);
    let info = session.info();
    for name in ["x-name", "X-Name", "X-NAME"] {
        assert_eq!(info.header(name), Some("Some value"));
    }
    assert_eq!(info.header("X-Missing"), None);
    let all: Vec<_> = info.headers().filter(|(name, _)| *name == "x-name").collect();
    assert_eq!(all, [("x-name", &b"Some value"[..]), ("x-name", b"another")]);
}

#[test]
fn cookies_are_read() {
    let app = App::start();
    let session = opened_with(&app, "", &[("Cookie", "a=1; b=two; a=3")]);
    let info = session.info();
    assert_eq!(info.cookie("a"), Some("1"));
    assert_eq!(info.cookie("b"), Some("two"));
    assert_eq!(info.cookie("c"), None);
    assert_eq!(info.cookies().collect::<Vec<_>>(), [("a", "1"), ("b", "two"), ("a", "3")]);
}

#[test]
fn every_transport_is_named() {
    let app = App::start();
    let ways = [
        (Way::Xhr, Transport::Xhr),
        (Way::XhrStreaming, Transport::XhrStreaming),
        (Way::Eventsource, Transport::EventSource),
        (Way::Htmlfile, Transport::HtmlFile),
        (Way::Jsonp, Transport::Jsonp),
    ];
    for (way, transport) in ways {
        let receiver = app.client().receive_first(way, "o");
        let session = app.session();
        assert_eq!((session.transport(), session.info().transport()), (transport, transport));
        drop(receiver);
    }
    let (_socket, session) = app.websocket();
    assert_eq!(session.transport(), Transport::Websocket);
    let (_socket, session) = app.raw_websocket();
    assert_eq!(session.transport(), Transport::RawWebsocket);
}

#[test]
fn a_websocket_has_the_same_information() {
    let app = App::start();
    let target = format!("{}?room=5", app.client().target("websocket"));
    let mut connection = app.connect();
    connection.send(WebSocket::request(target).header("Cookie", "a=1").to_bytes());
    let _socket = WebSocket::upgrade(connection);
    let session = app.session();
    let info = session.info();
    assert_eq!(info.remote_addr(), Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    assert_eq!((info.path(), info.argument("room").as_deref()), (BASE, Some("5")));
    assert_eq!((info.cookie("a"), info.header("UPGRADE")), (Some("1"), Some("websocket")));
}

#[test]
fn the_session_id_is_never_shown() {
    let app = App::start();
    let client = app.client().open();
    let session = app.session();
    let info = session.info();
    let shown = [
        format!("{session:?} {info:?} {:?}", session.handle()),
        format!("{:?} {:?}", info.path(), info.query()),
        format!("{:?}", info.headers().collect::<Vec<_>>()),
        format!("{:?} {:?}", app.service, app.service.stats()),
    ];
    for text in shown {
        assert!(!text.contains(client.id()), "{text}");
    }
}

#[test]
fn secrets_of_the_request_are_not_in_debug() {
    let app = App::start();
    let session = opened_with(&app, "?token=hush", &[("Authorization", "hush")]);
    let shown = format!("{session:?} {:?}", session.info());
    assert!(!shown.contains("hush"), "{shown}");
}
