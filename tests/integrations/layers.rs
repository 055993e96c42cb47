//! Layers of tower-http around a service: nothing is doubled, held back or lost.

use std::io::{Read as _, Write as _};

use http_body_util::BodyExt as _;
use hyper::{HeaderMap, Request, Response, StatusCode};
use sockjs_tokio::{Body, PeerAddr, SockJs, serve};
use tokio::net::TcpStream;
use tower::Layer as _;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate as _};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};
use tower_http::request_id::{
    MakeRequestUuid, PropagateRequestIdLayer, RequestId, SetRequestIdLayer,
};
use tower_http::validate_request::ValidateRequestHeaderLayer;

use super::support::{
    Sessions, builder, every_way_works, handing_over, http1, listen, opened, piece, request,
    session_path, soon, talk, text,
};

/// Serves what the layers make of a service.
macro_rules! served {
    (|$service:ident| $layered:expr) => {{
        let ($service, sessions) = handing_over(builder("/app"));
        let (listener, address) = listen().await;
        tokio::spawn(serve(listener, $layered).into_future());
        let connect =
            move || async move { TcpStream::connect(address).await.expect("a connection") };
        (sessions, connect)
    }};
}

fn all_of(headers: &HeaderMap, name: &str) -> Vec<String> {
    let values = headers.get_all(name).iter();
    values.map(|value| value.to_str().expect("text").to_owned()).collect()
}

fn with_header(
    mut request: Request<http_body_util::Full<bytes::Bytes>>,
    name: &'static str,
    value: &str,
) -> Request<http_body_util::Full<bytes::Bytes>> {
    request.headers_mut().insert(name, value.parse().expect("a value"));
    request
}

#[tokio::test]
async fn cors() {
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::mirror_request())
        .allow_methods(AllowMethods::mirror_request())
        .allow_headers(AllowHeaders::mirror_request())
        .allow_credentials(true);
    let (mut sessions, connect) = served!(|service| layer.layer(service));
    every_way_works("/app", &mut sessions, connect).await;

    let mut client = http1(connect().await).await;
    let xhr = format!("{}/xhr", session_path("/app"));
    let preflight = request("OPTIONS", &xhr, "");
    let preflight = with_header(preflight, "access-control-request-method", "POST");
    for asked in [request("GET", "/app/info", ""), request("POST", &xhr, ""), preflight] {
        let asked = with_header(asked, "origin", "http://page");
        let answer = client.send_request(asked).await.expect("an answer");
        assert!(answer.status().is_success());
        let headers = answer.headers();
        assert_eq!(all_of(headers, "access-control-allow-origin"), ["http://page"]);
        assert_eq!(all_of(headers, "access-control-allow-credentials"), ["true"]);
        text(answer).await;
    }
}

#[tokio::test]
async fn compression_by_default_leaves_streams_flowing() {
    let (mut sessions, connect) = served!(|service| CompressionLayer::new().layer(service));
    every_way_works("/app", &mut sessions, connect).await;

    let mut client = http1(connect().await).await;
    let streaming = request("POST", &format!("{}/xhr_streaming", session_path("/app")), "");
    let streaming = with_header(streaming, "accept-encoding", "gzip");
    let answer = client.send_request(streaming).await.expect("an answer");
    assert_eq!(all_of(answer.headers(), "content-encoding"), ["gzip"]);
    let mut body = answer.into_body();
    let mut decoder = flate2::write::GzDecoder::new(Vec::new());
    let session = sessions.next().await;
    for (sent, ending) in [(None, "o\n"), (Some("one"), "a[\"one\"]\n"), (Some("2"), "a[\"2\"]\n")]
    {
        if let Some(sent) = sent {
            session.send(sent).await.expect("it is open");
        }
        while !decoder.get_ref().ends_with(ending.as_bytes()) {
            let frame = soon("compressed bytes", body.frame()).await.expect("it goes on");
            let bytes = frame.expect("a piece").into_data().expect("no trailers");
            decoder.write_all(&bytes).expect("gzip");
            decoder.flush().expect("gzip");
        }
    }
}

#[tokio::test]
async fn compression_that_heeds_no_transform_leaves_sessions_alone() {
    let heeding = |_: StatusCode, _: http::Version, headers: &HeaderMap, _: &http::Extensions| {
        let control = headers.get("cache-control").map(|value| value.as_bytes());
        !control.is_some_and(|control| control.windows(12).any(|part| part == b"no-transform"))
    };
    let layer = CompressionLayer::new().compress_when(DefaultPredicate::new().and(heeding));
    let (mut sessions, connect) = served!(|service| layer.layer(service));
    let mut client = http1(connect().await).await;
    let iframe = with_header(request("GET", "/app/iframe.html", ""), "accept-encoding", "gzip");
    let page = client.send_request(iframe).await.expect("an answer");
    assert_eq!(all_of(page.headers(), "content-encoding"), ["gzip"]);
    let bytes = page.into_body().collect().await.expect("a body").to_bytes();
    let mut html = String::new();
    flate2::read::GzDecoder::new(&*bytes).read_to_string(&mut html).expect("gzip");
    assert!(html.ends_with("</html>"));

    let streaming = request("POST", &format!("{}/xhr_streaming", session_path("/app")), "");
    let streaming = with_header(streaming, "accept-encoding", "gzip");
    let answer = client.send_request(streaming).await.expect("an answer");
    assert!(!answer.headers().contains_key("content-encoding"));
    let mut stream = opened(answer).await;
    sessions.next().await.send("x").await.expect("it is open");
    assert_eq!(piece(&mut stream).await.as_deref(), Some("a[\"x\"]\n"));
}

/// Whom the layer found behind a request.
#[derive(Clone, Debug, PartialEq)]
struct User(String);

#[tokio::test]
async fn who_is_not_known_reaches_no_session_and_who_is_reaches_it_by_name() {
    #[expect(clippy::result_large_err)] // It is the layer that wants a response.
    let check = |request: &mut Request<hyper::body::Incoming>| {
        let user = request.headers().get("x-user").and_then(|user| user.to_str().ok());
        let Some(user) = user.map(|user| User(user.to_owned())) else {
            let mut refusal = Response::new(Body::default());
            *refusal.status_mut() = StatusCode::UNAUTHORIZED;
            return Err(refusal);
        };
        request.extensions_mut().insert(user);
        Ok(())
    };
    let (service, mut sessions): (SockJs, Sessions) = handing_over(builder("/app"));
    let layered = ValidateRequestHeaderLayer::custom(check).layer(service.clone());
    let (listener, address) = listen().await;
    tokio::spawn(serve(listener, layered).into_future());
    let connect = || async { TcpStream::connect(address).await.expect("a connection") };

    let mut client = http1(connect().await).await;
    let xhr = format!("{}/xhr", session_path("/app"));
    let refused = client.send_request(request("POST", &xhr, "")).await.expect("an answer");
    assert_eq!(refused.status(), 401);
    text(refused).await;
    assert_eq!(service.stats().opened.total(), 0);
    let opening = with_header(request("POST", &xhr, ""), "x-user", "ann");
    assert_eq!(text(client.send_request(opening).await.expect("an answer")).await, "o\n");
    let session = sessions.next().await;
    assert_eq!(session.info().extensions().get::<User>(), Some(&User("ann".into())));

    let url = format!("ws://h{}/websocket", session_path("/app"));
    let refused = tokio_tungstenite::client_async(&url, connect().await).await;
    assert!(matches!(
        refused,
        Err(tokio_tungstenite::tungstenite::Error::Http(answer)) if answer.status() == 401
    ));
    let mut opening = websocket_request(&url);
    opening.headers_mut().insert("x-user", "bob".parse().expect("a value"));
    let opened = tokio_tungstenite::client_async(opening, connect().await);
    let (mut socket, _) = soon("the handshake", opened).await.expect("a WebSocket");
    assert_eq!(super::support::next_text(&mut socket).await, "o");
    let mut session = sessions.next().await;
    assert_eq!(session.info().extensions().get::<User>(), Some(&User("bob".into())));
    talk(&mut socket, &mut session).await;
}

#[tokio::test]
async fn what_a_layer_says_of_one_request_is_not_said_of_the_next() {
    #[expect(clippy::result_large_err)] // It is the layer that wants a response.
    let tell = |request: &mut Request<hyper::body::Incoming>| {
        let header = |name| request.headers().get(name)?.to_str().ok().map(str::to_owned);
        let (user, peer) = (header("x-user"), header("x-peer"));
        user.map(|user| request.extensions_mut().insert(User(user)));
        peer.map(|peer| request.extensions_mut().insert(PeerAddr(peer.parse().expect("a peer"))));
        Ok(())
    };
    let (mut sessions, connect) =
        served!(|service| ValidateRequestHeaderLayer::custom(tell).layer(service));
    let connection = connect().await;
    let own = connection.local_addr().expect("an address").to_string();
    let mut client = http1(connection).await;
    let none = ("x-none", "");
    let (user, peer) = (("x-user", "ann"), ("x-peer", "192.0.2.1:7"));
    for (name, value) in [none, none, user, none, peer, none, peer, user, peer, none] {
        let opening = request("POST", &format!("{}/xhr", session_path("/app")), "");
        let opening = with_header(opening, name, value);
        assert_eq!(text(client.send_request(opening).await.expect("an answer")).await, "o\n");
        let session = sessions.next().await;
        let told = session.info().peer_addr().expect("a peer").to_string();
        assert_eq!(told, if name == peer.0 { value } else { &own }, "{name}");
        let known = session.info().extensions().get::<User>().map(|user| &*user.0);
        assert_eq!(known, (name == user.0).then_some(value));
        assert_eq!(session.info().extensions().len(), known.into_iter().count());
    }
}

fn websocket_request(url: &str) -> Request<()> {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
    url.into_client_request().expect("a URL")
}

#[tokio::test]
async fn a_request_id_reaches_session_and_response() {
    let (mut sessions, connect) = served!(|service| {
        let service = PropagateRequestIdLayer::x_request_id().layer(service);
        SetRequestIdLayer::x_request_id(MakeRequestUuid).layer(service)
    });
    every_way_works("/app", &mut sessions, connect).await;

    let mut client = http1(connect().await).await;
    let opening = request("POST", &format!("{}/xhr", session_path("/app")), "");
    let answer = client.send_request(opening).await.expect("an answer");
    let [id] = &*all_of(answer.headers(), "x-request-id") else { panic!("one id") };
    let session = sessions.next().await;
    let known = session.info().extensions().get::<RequestId>().expect("an id");
    assert_eq!(known.header_value(), id.as_str());
    assert_eq!(session.info().header("x-request-id"), Some(id.as_str()));

    let url = format!("ws://h{}/websocket", session_path("/app"));
    let opening = tokio_tungstenite::client_async(&url, connect().await);
    let (_socket, answer) = soon("the handshake", opening).await.expect("a WebSocket");
    let [id] = &*all_of(answer.headers(), "x-request-id") else { panic!("one id") };
    assert_eq!(sessions.next().await.info().header("x-request-id"), Some(id.as_str()));
}
