//! Several services in one server.

use sockjs_tests::client::{Connection, Request, Session as Client, Transport, WebSocket};

use super::support::{NEVER, builder, handing_over, run_in, wait};
use crate::adapter::{CloseReason, Server, Services, Session, SockJs};

async fn named(name: &'static str, mut session: Session) {
    while let Some(message) = session.recv().await {
        let text = format!("{name}: {}", message.as_text().unwrap_or_default());
        if session.send(text).await.is_err() {
            break;
        }
    }
}

fn services() -> Services {
    let service =
        |prefix: &'static str| builder(prefix).build(move |session| named(prefix, session));
    Services::new([service("/a"), service("/a/b"), service("/c"), service("")])
}

#[test]
fn the_longest_prefix_answers() {
    let server = Server::start(services());
    for base in ["/a", "/a/b", "/c", ""] {
        let client = Client::new(server.address(), base).open();
        client.send(&["x"]);
        client.expect(Transport::Xhr, &[&format!("a[\"{base}: x\"]")]);
        let target = Client::new(server.address(), base).target("websocket");
        let mut socket = WebSocket::open_session(server.address(), target);
        socket.send_text(r#""y""#);
        socket.expect_text(&format!("a[\"{base}: y\"]"));
    }
}

#[test]
fn an_id_is_another_session_under_another_prefix() {
    let server = Server::start(services());
    let one = Client::new(server.address(), "/a").open();
    let other = Client::at(server.address(), format!("/c/000/{}", one.id()));
    other.xhr_send("[]").expect_status(404);
    let other = other.open();
    one.send(&["x"]);
    other.send(&["y"]);
    one.expect(Transport::Xhr, &[r#"a["/a: x"]"#]);
    other.expect(Transport::Xhr, &[r#"a["/c: y"]"#]);
}

#[test]
fn a_path_of_no_service_is_404() {
    let service = builder("/a").build(|session| named("a", session));
    let server = Server::start(Services::new([service]));
    for target in ["/", "/b", "/ab", "/a.html", "/A"] {
        let answer = Connection::open(server.address()).exchange(&Request::get(target));
        answer.expect_status(404);
    }
    let greeting = Connection::open(server.address()).exchange(&Request::get("/a"));
    greeting.expect_body("Welcome to SockJS!\n");
}

#[test]
fn services_know_their_paths() {
    let service = builder("/a/b").build(|session| named("x", session));
    assert_eq!(service.prefix(), "/a/b");
    for (path, owned) in
        [("/a/b", true), ("/a/b/", true), ("/a/b/info", true), ("/a/bc", false), ("/a", false)]
    {
        assert_eq!(service.owns(path), owned, "{path}");
    }
    let services = services();
    let prefixes: Vec<_> = services.iter().map(SockJs::prefix).collect();
    assert_eq!(prefixes, ["/a/b", "/a", "/c", ""]);
}

#[test]
fn all_are_shut_down_together() {
    let (one, first_sessions) = handing_over(builder("/one"));
    let (two, second_sessions) = handing_over(builder("/two"));
    let services = Services::new([one, two]);
    let server = Server::start(services.clone());
    let mut receivers = ["/one", "/two"].map(|base| {
        Client::new(server.address(), base).receive_first(Transport::XhrStreaming, "o")
    });
    let sessions = [first_sessions, second_sessions].map(|s| s.recv().expect("a session"));
    let reason = CloseReason::SERVER_GOING_AWAY;
    let left = run_in(&server, async move { services.shutdown(reason, NEVER).await });
    assert_eq!(left, 0);
    for receiver in &mut receivers {
        receiver.expect(r#"c[1001,"Server going away"]"#);
    }
    for session in &sessions {
        wait(session.closed());
    }
}

#[test]
fn their_statistics_are_their_own() {
    let services = services();
    let server = Server::start(services.clone());
    let _client = Client::new(server.address(), "/a").open();
    for service in services.iter() {
        assert_eq!(service.stats().opened.total(), u64::from(service.prefix() == "/a"));
    }
}
