//! Who may in: the application's `authorize`, the binding of sessions, origins.

use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use http::{StatusCode, request};
use sockjs_tests::client::{Request, Response, Session as Client, Transport, WebSocket};

use super::support::{App, expect_message};
use crate::adapter::{BindingSetting, Builder, OriginPolicy, Principal, TrustedProxies};

/// Who says so in `X-User`; nobody by the name of `mallory`.
fn identify(head: &request::Parts) -> Result<Option<Principal>, StatusCode> {
    match head.headers.get("x-user").map(|user| user.to_str()) {
        None => Ok(None),
        Some(Ok("mallory") | Err(_)) => Err(StatusCode::UNAUTHORIZED),
        Some(Ok(user)) => Ok(Some(Principal::new(user))),
    }
}

/// As [`identify`], after another turn of the runtime.
fn identify_later(
    head: &request::Parts,
) -> impl Future<Output = Result<Option<Principal>, StatusCode>> + Send + use<> {
    let answer = identify(head);
    let mut asked = false;
    async move {
        poll_fn(|cx| {
            cx.waker().wake_by_ref();
            if std::mem::replace(&mut asked, true) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        answer
    }
}

fn as_user(request: Request, user: &str) -> Request {
    request.header("X-User", user)
}

/// A poll of the session by that user.
#[track_caller]
fn poll_as(client: &Client, user: &str) -> Response {
    client.exchange(&as_user(Request::post(client.target("xhr")), user))
}

#[track_caller]
fn send_as(client: &Client, user: &str, body: &str) -> Response {
    client.exchange(&as_user(Request::post(client.target("xhr_send")), user).body(body))
}

/// Whoever is refused, is refused everywhere, and opens nothing.
#[track_caller]
fn expect_refusals(authorize: impl FnOnce(Builder) -> Builder) {
    let app = App::with(authorize);
    for transport in Transport::ALL {
        let request = as_user(transport.request(app.client().path()), "mallory");
        app.exchange(&request).expect_status(401);
    }
    let targets = [app.client().target("websocket"), "/app/websocket".to_owned()];
    for target in targets {
        app.exchange(&as_user(WebSocket::request(target), "mallory")).expect_status(401);
    }
    let (client, mut session) = app.open();
    send_as(&client, "mallory", r#"["forged"]"#).expect_status(401);
    poll_as(&client, "mallory").expect_status(401);
    client.send(&["genuine"]);
    expect_message(&mut session, "genuine");
    app.expect_no_session();
    assert_eq!(app.service.stats().opened.total(), 1);
}

#[test]
fn authorize_refuses_with_its_status() {
    expect_refusals(|builder| builder.authorize(identify));
}

#[test]
fn a_sender_is_asked_who_it_is_before_its_body_is_read() {
    let app = App::with(|builder| builder.authorize(identify));
    let client = app.client();
    poll_as(&client, "ann").expect_body("o\n");
    // No byte of the body is ever sent.
    let announced = |user| {
        let request = as_user(Request::post(client.target("xhr_send")), user);
        client.exchange(&request.header("Content-Length", "1000000")).status()
    };
    assert_eq!(announced("mallory"), 401);
    assert_eq!(announced("bob"), 404);
}

#[test]
fn authorize_may_take_its_time() {
    expect_refusals(|builder| builder.authorize_async(identify_later));
}

#[test]
fn authorize_is_asked_for_every_request_of_a_session_and_no_other() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let app = App::with(|builder| {
        builder.authorize(move |head| {
            assert!(head.uri.path().starts_with("/app/000/"), "{}", head.uri);
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(None)
        })
    });
    for target in ["/app", "/app/info", "/app/iframe.html", "/app/nonsense"] {
        app.exchange(&Request::get(target));
    }
    assert_eq!(count.load(Ordering::Relaxed), 0);
    let (client, _session) = app.open();
    client.send(&["x"]);
    client.exchange(&Request::post(client.target("xhr_send")).body("[]")).expect_status(204);
    assert_eq!(count.load(Ordering::Relaxed), 3);
}

#[test]
fn a_session_is_its_principals() {
    let app = App::with(|builder| builder.authorize(identify));
    let client = app.client();
    poll_as(&client, "ann").expect_body("o\n");
    let mut session = app.session();
    send_as(&client, "bob", r#"["forged"]"#).expect_status(404);
    poll_as(&client, "bob").expect_status(404);
    send_as(&client, "ann", r#"["genuine"]"#).expect_status(204);
    expect_message(&mut session, "genuine");
    session.try_send("for ann").expect("there is room");
    poll_as(&client, "bob").expect_status(404);
    poll_as(&client, "ann").expect_body("a[\"for ann\"]\n");
    app.expect_no_session();
}

#[test]
fn requests_without_credentials_pass_unless_the_service_demands_some() {
    let open = |setting| {
        let app = App::with(|builder| builder.authorize(identify).binding(setting));
        let client = app.client();
        poll_as(&client, "ann").expect_body("o\n");
        let session = app.session();
        (app, client, session)
    };
    let (_app, client, _session) = open(BindingSetting::default());
    client.xhr_send("[]").expect_status(204);

    let mut strict = BindingSetting::default();
    strict.principal_required = true;
    let (_app, client, _session) = open(strict);
    client.xhr_send("[]").expect_status(404);
    send_as(&client, "ann", "[]").expect_status(204);
}

#[test]
fn a_session_may_be_bound_to_its_network() {
    let mut binding = BindingSetting::default();
    binding.address_prefix = Some((24, 64));
    let local: IpAddr = [127, 0, 0, 1].into();
    let app = App::with(|builder| {
        let proxies = TrustedProxies::new([local.into()]);
        builder.binding(binding).trusted_proxies(proxies)
    });
    let from = |client: &Client, name: &str, address: &str| {
        let request = Request::post(client.target(name)).header("X-Forwarded-For", address);
        client.exchange(&request.body("[]")).status()
    };
    let client = app.client();
    assert_eq!(from(&client, "xhr", "203.0.113.7"), 200);
    assert_eq!(app.session().info().remote_addr(), Some([203, 0, 113, 7].into()));
    assert_eq!(from(&client, "xhr_send", "203.0.113.99"), 204);
    assert_eq!(from(&client, "xhr_send", "203.0.114.7"), 404);
}

/// The status of a request from a page of that origin.
#[track_caller]
fn status_from(app: &App, request: Request, headers: &[(&str, &str)]) -> u16 {
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    app.exchange(&request).status()
}

/// Admitted and refused origins, on every kind of request.
#[track_caller]
fn expect_origins(app: &App, admitted: &[&str], refused: &[&str]) {
    let requests = || {
        [
            Request::get("/app/info"),
            Request::post(app.client().target("xhr")),
            Request::get(app.client().target("websocket")),
        ]
    };
    for origin in admitted {
        let origin = [("Origin", *origin)];
        let [info, poll, upgrade] = requests();
        assert_eq!(status_from(app, info, &origin), 200, "{origin:?}");
        assert_eq!(status_from(app, poll, &origin), 200, "{origin:?}");
        // In order but for the handshake.
        assert_eq!(status_from(app, upgrade, &origin), 400, "{origin:?}");
        app.session();
    }
    for origin in refused {
        let origin = [("Origin", *origin)];
        for request in requests() {
            assert_eq!(status_from(app, request, &origin), 403, "{origin:?}");
        }
        app.expect_no_session();
    }
}

#[test]
fn same_origin_pages_only_by_default() {
    assert_eq!(OriginPolicy::default(), OriginPolicy::SameOrigin);
    let app = App::with(|builder| builder.origins(OriginPolicy::SameOrigin));
    let others = ["http://other.example.com", "https://localhost:444", "null"];
    expect_origins(&app, &["http://localhost", "https://localhost"], &others);
}

#[test]
fn listed_origins_and_the_own() {
    let list = vec!["https://a.example.com".to_owned(), "http://b.example.com:81".to_owned()];
    let app = App::with(|builder| builder.origins(OriginPolicy::AllowList(list)));
    expect_origins(
        &app,
        &["https://a.example.com", "http://b.example.com:81", "http://localhost"],
        &["http://a.example.com", "https://b.example.com", "http://c.a.example.com", "null"],
    );
}

#[test]
fn any_origin() {
    let app = App::start();
    expect_origins(&app, &["http://localhost", "https://other.example.com", "null"], &[]);
}

#[test]
fn callers_without_an_origin_pass_unless_the_service_forbids_it() {
    let info = || Request::get("/app/info");
    let app = App::with(|builder| builder.origins(OriginPolicy::SameOrigin));
    assert_eq!(status_from(&app, info(), &[]), 200);
    let foreign = [("Sec-Fetch-Site", "cross-site")];
    assert_eq!(status_from(&app, info(), &foreign), 403);
    assert_eq!(status_from(&app, info(), &[("Referer", "http://other.example.com/x")]), 403);

    let app = App::with(|builder| builder.origins(OriginPolicy::SameOrigin).admit_anonymous(false));
    assert_eq!(status_from(&app, info(), &[]), 403);
    assert_eq!(status_from(&app, info(), &[("Sec-Fetch-Site", "same-origin")]), 200);
    assert_eq!(status_from(&app, info(), &[("Referer", "http://localhost/page")]), 200);
}
