//! HTTP/2: what a client does not let flow has its end (PROTOCOL §8, DESIGN §5).

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use sockjs_tokio::{Builder, Cause, Serve, SockJs, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::http2::{Client, Server, client_that_may_connect, connect, post, websocket};
use super::support::{http2, listen, piece, request, session_path, soon, text};

#[tokio::test]
async fn a_stream_that_its_client_lets_not_flow_ends_and_no_other() {
    let mut server = Server::stalling(Duration::from_millis(300)).await;
    let mut client = server.client().await;
    let (stuck, _unread, _) = server.stream(&mut client).await;
    let (waiting, mut other, _) = server.stream(&mut client).await;
    let long = "x".repeat(256 * 1024);
    soon("the session ends", async { while stuck.send(&*long).await.is_ok() {} }).await;
    assert_eq!(stuck.closed().await.cause, Cause::ClientGone);
    waiting.send("x").await.expect("it is open");
    assert_eq!(piece(&mut other).await.as_deref(), Some("a[\"x\"]\n"));
}

/// A server with room for two streams of a connection, which waits no longer than that for what a client is to take.
async fn narrow_server(stall: Duration) -> Server {
    let limits = move |serve: Serve<SockJs>| {
        serve.with_limits(|limits| (limits.write_stall, limits.max_stream_count) = (stall, 2))
    };
    let stalls = move |builder: Builder| builder.limits(|limits| limits.write_stall = stall);
    Server::with(stalls, limits).await
}

/// It gets an answer once there is room for it.
async fn expect_room(client: &mut Client) {
    let greeting = client.send_request(request("GET", "http://h/app", ""));
    assert_eq!(
        text(soon("room", greeting).await.expect("an answer")).await,
        "Welcome to SockJS!\n"
    );
}

/// All of it is in hyper's hands, and what hyper does not send is in no queue of ours.
#[tokio::test]
async fn a_long_answer_that_its_client_lets_not_flow_ends() {
    let mut server = narrow_server(Duration::from_millis(300)).await;
    let mut handshake = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    handshake.initial_stream_window_size(16);
    let io = TokioIo::new(server.socket().await);
    let (mut client, connection) = handshake.handshake(io).await.expect("HTTP/2");
    tokio::spawn(connection);
    // The limit of streams has arrived with an answer.
    expect_room(&mut client).await;
    let (_session, _stream, _) = server.stream(&mut client).await;
    let xhr = format!("{}/xhr", session_path("/app"));
    assert_eq!(text(post(&mut client, &xhr, "").await).await, "o\n");
    let session = server.sessions.next().await;
    session.send("x".repeat(1_000_000)).await.expect("it is open");
    let stuck = post(&mut client, &xhr, "").await.into_body();
    expect_room(&mut client).await;
    soon("the end", stuck.collect()).await.expect_err("it was reset");
}

#[tokio::test]
async fn a_long_answer_comes_in_pieces_and_whole() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    let xhr = format!("{}/xhr", session_path("/app"));
    assert_eq!(text(post(&mut client, &xhr, "").await).await, "o\n");
    let session = server.sessions.next().await;
    for bytes in [1 << 14, (1 << 14) + 1, 1_000_000] {
        let long = "x".repeat(bytes - "a[\"\"]\n".len());
        session.send(&*long).await.expect("it is open");
        assert_eq!(text(post(&mut client, &xhr, "").await).await, format!("a[\"{long}\"]\n"));
    }
}

#[tokio::test]
async fn a_websocket_whose_session_has_ended_does_not_stay() {
    let mut server = narrow_server(Duration::from_millis(300)).await;
    let mut client = client_that_may_connect(&server).await;
    let (_session, _stream, _) = server.stream(&mut client).await;
    let _unread = websocket(&mut client).await;
    let session = server.sessions.next().await;
    let long = "x".repeat(256 * 1024);
    soon("the session ends", async { while session.send(&*long).await.is_ok() {} }).await;
    assert_eq!(session.closed().await.cause, Cause::SlowConsumer);
    expect_room(&mut client).await;
}

/// A service of somebody else's keeps nothing of the request while it uses its upgrade.
#[tokio::test]
async fn an_upgrade_of_another_service_lasts() {
    let stall = Duration::from_millis(100);
    let echo = tower::service_fn(async |mut request: Request<Incoming>| {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            if let Ok(upgraded) = upgrade.await {
                let (mut from, mut to) = tokio::io::split(TokioIo::new(upgraded));
                let _ = tokio::io::copy(&mut from, &mut to).await;
            }
        });
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    });
    let (listener, address) = listen().await;
    let server =
        serve(listener, echo).with_http2().with_limits(|limits| limits.write_stall = stall);
    tokio::spawn(server.into_future());
    let mut client = http2(TcpStream::connect(address).await.expect("a connection")).await;
    // That extended CONNECT is allowed has arrived with an answer.
    client.send_request(request("GET", "http://h/", "")).await.expect("an answer");
    let answer = client.send_request(connect("/", "other")).await.expect("an answer");
    let mut stream = TokioIo::new(hyper::upgrade::on(answer).await.expect("a stream"));
    let begin = std::time::Instant::now();
    // A second longer than a write may stall, such a stream of ours would have.
    while begin.elapsed() < 15 * stall {
        stream.write_all(b"x").await.expect("it is open");
        assert_eq!(soon("the echo", stream.read_u8()).await.expect("it is open"), b'x');
    }
}
