//! What a service can be told to do: cookies, base URL, transports, tombstones.

use std::time::Duration;

use http::{HeaderValue, request};
use sockjs_tests::client::{Request, Transport as Way, WebSocket};

use super::support::{App, builder, handing_over, report, wait};
use crate::adapter::{
    BindingSetting, Builder, Cause, Limits, OriginPolicy, PeerAddr, Server, Services, SockJs,
    Transport,
};

/// A member of `info`.
#[track_caller]
fn info(app: &App, request: &Request, member: &str) -> Option<serde_json::Value> {
    let answer = app.exchange(request);
    let info: serde_json::Value = serde_json::from_slice(answer.body()).expect("info is JSON");
    info.get(member).cloned()
}

#[test]
fn no_cookie_is_set_by_itself() {
    let app = App::start();
    let client = app.client();
    let request = Request::post(client.target("xhr")).header("Cookie", "JSESSIONID=a");
    app.exchange(&request).expect_no_header("Set-Cookie");
    assert_eq!(info(&app, &Request::get("/app/info"), "cookie_needed"), Some(false.into()));
}

#[test]
fn jsessionid_is_reflected() {
    let app = App::with(|builder| builder.jsessionid());
    let request = Request::post(app.client().target("xhr"));
    app.exchange(&request).expect_header("Set-Cookie", "JSESSIONID=dummy; path=/");
    let request = Request::post(app.client().target("xhr")).header("Cookie", "JSESSIONID=a.b");
    app.exchange(&request).expect_header("Set-Cookie", "JSESSIONID=a.b; path=/");
    assert_eq!(info(&app, &Request::get("/app/info"), "cookie_needed"), Some(true.into()));
}

#[test]
fn a_cookie_of_the_applications_own() {
    let app = App::with(|builder| {
        builder.cookie(|head| {
            let node = head.uri.query()?.strip_prefix("node=")?;
            HeaderValue::try_from(format!("node={node}; Path=/app; Secure")).ok()
        })
    });
    let path = app.client();
    let with_cookie = app.exchange(&Request::post(format!("{}?node=5", path.target("xhr"))));
    with_cookie.expect_status(200).expect_header("Set-Cookie", "node=5; Path=/app; Secure");
    app.exchange(&Request::post(app.client().target("xhr"))).expect_no_header("Set-Cookie");
    let target = format!("{}?node=6", app.client().target("websocket"));
    let socket = WebSocket::open(app.server.address(), target);
    socket.head().expect_header("Set-Cookie", "node=6; Path=/app; Secure");
    assert_eq!(info(&app, &Request::get("/app/info"), "cookie_needed"), Some(true.into()));
}

#[test]
fn a_fixed_base_url() {
    let app = App::with(|builder| builder.base_url("http://node1.example.com/app"));
    let url = info(&app, &Request::get("/app/info"), "base_url");
    assert_eq!(url, Some("http://node1.example.com/app".into()));
}

#[test]
fn a_base_url_for_each_client() {
    let app = App::with(|builder| {
        builder.base_url_with(|head| {
            let host = head.headers.get("host").and_then(|host| host.to_str().ok());
            format!("http://node.{}/app", host.unwrap_or_default())
        })
    });
    let request = Request::get("/app/info").header("Host", "example.com");
    assert_eq!(info(&app, &request, "base_url"), Some("http://node.example.com/app".into()));
}

#[test]
fn whoever_sees_heads_sees_the_peers_address_in_every_request() {
    // What panics is answered by 500.
    let look = |head: &request::Parts| {
        let peer = head.extensions.get::<PeerAddr>().map(|peer| peer.0.ip().is_loopback());
        assert_eq!(peer, Some(true));
    };
    for app in [
        App::with(|builder| {
            builder.authorize(move |head| {
                look(head);
                Ok(None)
            })
        }),
        App::with(|builder| {
            builder.cookie(move |head| {
                look(head);
                None
            })
        }),
        App::with(|builder| {
            builder.base_url_with(move |head| {
                look(head);
                String::new()
            })
        }),
    ] {
        let mut connection = app.connect();
        for _ in 0..3 {
            connection.exchange(&Request::get("/app/info")).expect_status(200);
            let opening = Request::post(app.client().target("xhr"));
            connection.exchange(&opening).expect_status(200).expect_body("o\n");
        }
    }
}

#[test]
fn no_base_url() {
    assert_eq!(info(&App::start(), &Request::get("/app/info"), "base_url"), None);
}

#[test]
fn the_url_of_the_client_is_in_the_iframe_page() {
    let app = App::with(|builder| builder.client_url("https://example.com/sockjs-1.6.1.js"));
    let page = app.exchange(&Request::get("/app/iframe.html"));
    let script = r#"<script src="https://example.com/sockjs-1.6.1.js"></script>"#;
    assert!(page.text().contains(script), "{page}");
}

#[test]
fn transports_can_be_switched_off() {
    let app = App::with(|builder| {
        builder.without(Transport::Websocket).without(Transport::Jsonp).without(Transport::HtmlFile)
    });
    assert_eq!(info(&app, &Request::get("/app/info"), "websocket"), Some(false.into()));
    for (way, status) in [(Way::Xhr, 200), (Way::Jsonp, 404), (Way::Htmlfile, 404)] {
        app.exchange(&way.request(app.client().path())).expect_status(status);
    }
    for target in [app.client().target("websocket"), "/app/websocket".into()] {
        app.exchange(&WebSocket::request(target)).expect_status(404);
    }
    app.session();
    app.expect_no_session();
}

#[test]
fn only_these_transports() {
    let app = App::with(|builder| builder.transports([Transport::Websocket]));
    app.websocket();
    for way in Way::ALL {
        app.exchange(&way.request(app.client().path())).expect_status(404);
    }
    let request = Request::post(app.client().target("xhr_send")).body("[]");
    app.exchange(&request).expect_status(404);
}

#[test]
fn without_tombstones_an_expired_id_opens_a_new_session() {
    let app = App::with(|builder| builder.disconnect_delay(Duration::from_millis(100)));
    let (client, session) = app.open();
    assert_eq!(wait(session.closed()).cause, Cause::Expired);
    client.xhr_send("[]").expect_status(404);
    client.expect(Way::Xhr, &["o"]);
    assert_ne!(app.session().handle(), session.handle());
}

#[test]
fn with_tombstones_an_expired_id_answers_its_close_frame() {
    let app = App::with(|builder| {
        builder.disconnect_delay(Duration::from_millis(100)).tombstones(super::support::NEVER)
    });
    let (client, session) = app.open();
    assert_eq!(report(&session).cause, Cause::Expired);
    client.xhr_send("[]").expect_status(404);
    for way in Way::ALL {
        client.expect(way, &[r#"c[1002,"Connection interrupted"]"#]);
    }
    app.expect_no_session();
}

#[test]
fn settings_that_cannot_be_are_told_at_once() {
    for prefix in ["echo", "/echo/", "/ec?ho"] {
        let error = SockJs::builder(prefix).try_build(|_| async {}).expect_err(prefix);
        assert!(error.to_string().contains(prefix), "{error}");
    }
    assert!(builder("/x").client_url("sockjs.js").try_build(|_| async {}).is_err());
    assert!(builder("/x").disconnect_delay(Duration::ZERO).try_build(|_| async {}).is_err());
    assert!(builder("/x").heartbeat_delay(Duration::ZERO).try_build(|_| async {}).is_err());
}

/// What is wrong with a service so described.
#[track_caller]
fn fault(change: impl FnOnce(Builder) -> Builder) -> String {
    let built = change(builder("/x")).try_build(|_| async {});
    built.expect_err("a contradiction").to_string()
}

#[test]
fn settings_that_contradict_each_other_are_told_at_once() {
    let mut demanding = BindingSetting::default();
    demanding.principal_required = true;
    assert!(fault(|it| it.binding(demanding)).contains("authorize"));
    assert!(
        builder("/x").binding(demanding).authorize(|_| Ok(None)).try_build(|_| async {}).is_ok()
    );

    let list = OriginPolicy::AllowList(vec!["*.example.com".into()]);
    assert!(fault(|it| it.origins(list)).contains("*.example.com"));
    assert!(fault(|it| it.transports([])).contains("no transport"));
    let none = |limits: &mut Limits| limits.tombstones = 0;
    assert!(fault(|it| it.tombstones(super::support::NEVER).limits(none)).contains("tombstones"));
    assert!(fault(|it| it.shards(0)).contains("0 shards"));
    assert!(fault(|it| it.shards(4).limits(|limits| limits.sessions = 3)).contains("4 shards"));
    assert!(fault(|it| it.shards(4).limits(|it| it.unconfirmed_sessions = 3)).contains("4 shards"));
}

#[test]
fn few_sessions_are_not_divided_among_many_processors() {
    let describe = || SockJs::builder("/x").limits(|limits| limits.sessions = 3);
    let (service, _sessions) = handing_over(describe());
    let server = Server::start(Services::new([service]));
    for _ in 0..3 {
        sockjs_tests::client::Session::new(server.address(), "/x").open();
    }
}
