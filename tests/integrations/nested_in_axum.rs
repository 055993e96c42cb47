//! A service nested in an axum router, which cuts its prefix off.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, MatchedPath, Path, Request};
use axum::middleware::{Next, from_fn, map_request};
use axum::response::Response;
use sockjs_tokio::{Grade, PeerAddr, serve};
use tokio::net::TcpStream;
use tower::Layer as _;

use super::support::{
    Sessions, builder, every_way_works, handing_over, http1, listen, request, session_path, text,
};

/// What a path's parameter says.
#[derive(Clone, Debug, PartialEq)]
struct Room(String);

/// An extractor of axum's, put where sessions find it.
async fn find_room(Path(room): Path<String>, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(Room(room));
    next.run(request).await
}

/// Tells the service the peer's address, which axum knows.
async fn tell_peer(ConnectInfo(peer): ConnectInfo<SocketAddr>, mut request: Request) -> Request {
    request.extensions_mut().insert(PeerAddr(peer));
    request
}

/// `/plain`, and a service below each `/rooms/{room}/chat`.
fn router() -> (Router, Sessions, Sessions) {
    let plain = builder("/plain").nested().jsessionid().base_url("http://h/elsewhere");
    let (plain, of_plain) = handing_over(plain);
    let (chat, of_chat) = handing_over(builder("/rooms/{room}/chat").nested());
    let router = Router::new()
        .nest_service("/plain", plain)
        .nest_service("/rooms/{room}/chat", from_fn(find_room).layer(chat));
    (router, of_plain, of_chat)
}

#[tokio::test]
async fn it_works_under_our_server() {
    let (router, mut of_plain, mut of_chat) = router();
    let (listener, address) = listen().await;
    tokio::spawn(serve(listener, router).into_future());
    works(address, &mut of_plain, &mut of_chat, Grade::Socket).await;
}

#[tokio::test]
async fn it_works_under_axums() {
    let (router, mut of_plain, mut of_chat) = router();
    let (listener, address) = listen().await;
    let router = router.layer(map_request(tell_peer));
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(axum::serve(listener, service).into_future());
    works(address, &mut of_plain, &mut of_chat, Grade::Taken).await;
}

async fn works(address: SocketAddr, of_plain: &mut Sessions, of_chat: &mut Sessions, grade: Grade) {
    let connect = || async { TcpStream::connect(address).await.expect("a connection") };
    every_way_works("/plain", of_plain, connect).await;
    every_way_works("/rooms/7/chat", of_chat, connect).await;

    let mut client = http1(connect().await).await;
    for (path, status) in [
        ("/plain", 200),
        ("/plain/", 200),
        ("/plain/iframe.html", 200),
        ("/rooms/7/chat/info", 200),
        ("/plainer", 404),
        ("/plain/nothing", 404),
        ("/rooms/7", 404),
    ] {
        let answer = client.send_request(request("GET", path, "")).await.expect("an answer");
        assert_eq!(answer.status(), status, "{path}");
        text(answer).await;
    }
    let info = client.send_request(request("GET", "/plain/info", "")).await.expect("an answer");
    assert!(text(info).await.contains(r#""base_url":"http://h/elsewhere""#));

    let path = session_path("/plain");
    let opening = request("POST", &format!("{path}/xhr?a=b"), "");
    let answer = client.send_request(opening).await.expect("an answer");
    assert_eq!(answer.headers()["set-cookie"], "JSESSIONID=dummy; path=/");
    assert_eq!(text(answer).await, "o\n");
    let session = of_plain.next().await;
    assert_eq!((session.info().path(), session.info().query()), ("/plain", Some("a=b")));
    assert_eq!(session.info().remote_addr(), Some(address.ip()));
    session.close(sockjs_tokio::CloseReason::GO_AWAY);
    let closing = client.send_request(request("POST", &format!("{path}/xhr"), "")).await;
    assert_eq!(text(closing.expect("an answer")).await, "c[3000,\"Go away!\"]\n");
    assert_eq!(session.closed().await.grade, grade);

    let path = format!("{}/xhr", session_path("/rooms/two%20words/chat"));
    let opening = client.send_request(request("POST", &path, "")).await.expect("an answer");
    assert_eq!(text(opening).await, "o\n");
    let session = of_chat.next().await;
    let extensions = session.info().extensions();
    assert_eq!(extensions.get::<Room>(), Some(&Room("two words".into())));
    assert!(
        extensions
            .get::<MatchedPath>()
            .is_none_or(|path| path.as_str().starts_with("/rooms/{room}/chat"))
    );
    assert_eq!(session.info().path(), "/rooms/{room}/chat");
}
