//! HTTP/2: responses end their stream, never the connection; WebSockets over it (RFC 8441).

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper::ext::Protocol;
use hyper::upgrade::Upgraded;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use sockjs_async_std::AsyncStd;
use sockjs_tokio::{
    Builder, Cause, CloseReason, Grade, OriginPolicy, Serve, Session, SockJs, Tokio, serve,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::support::{
    NEVER, Sessions, builder, every_way_works, handing_over, http1, http2, listen, next_text,
    opened, piece, request, session_path, soon, talk, text,
};

pub(super) type Client = SendRequest<Full<Bytes>>;

/// A server with one service.
pub(super) struct Server<R = Tokio> {
    address: SocketAddr,
    service: sockjs_driver::SockJs<R>,
    pub(super) sessions: Sessions,
}

impl Server {
    pub(super) async fn start() -> Self {
        Self::with(|builder| builder, |serve| serve).await
    }

    pub(super) async fn with(
        service: impl FnOnce(Builder) -> Builder,
        server: impl FnOnce(Serve<SockJs>) -> Serve<SockJs>,
    ) -> Self {
        let (service, sessions) = handing_over(service(builder("/app")));
        let (listener, address) = listen().await;
        tokio::spawn(server(serve(listener, service.clone()).with_http2()).into_future());
        Self { address, service, sessions }
    }

    /// Whose connections wait no longer than that for what is to be taken, and whose sessions wait for ever.
    pub(super) async fn stalling(stall: Duration) -> Self {
        let stays = |builder: Builder| {
            builder.response_limit(usize::MAX).limits(|limits| limits.write_stall = NEVER)
        };
        let limits = |serve: Serve<SockJs>| serve.with_limits(|limits| limits.write_stall = stall);
        Self::with(stays, limits).await
    }
}

impl Server<AsyncStd> {
    async fn on_async_std() -> Self {
        let builder = sockjs_async_std::SockJs::builder("/app").origins(OriginPolicy::Any);
        let (service, sessions) = handing_over(builder);
        let listener = async_std::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let server = sockjs_async_std::serve(listener, service.clone()).with_http2();
        async_std::task::spawn(server.into_future());
        Self { address, service, sessions }
    }
}

impl<R> Server<R> {
    pub(super) async fn socket(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }

    pub(super) async fn client(&self) -> Client {
        http2(self.socket().await).await
    }

    /// A session whose stream is open, and its path.
    pub(super) async fn stream(&mut self, client: &mut Client) -> (Session, Incoming, String) {
        let path = session_path("/app");
        let body = opened(post(client, &format!("{path}/xhr_streaming"), "").await).await;
        (self.sessions.next().await, body, path)
    }
}

pub(super) async fn post(client: &mut Client, path: &str, body: &str) -> Response<Incoming> {
    let sending = client.send_request(request("POST", &format!("http://h{path}"), body));
    let answer = soon("an answer", sending).await.expect("an answer");
    assert_eq!(answer.version(), http::Version::HTTP_2);
    answer
}

pub(super) fn connect(path: &str, protocol: &'static str) -> Request<Full<Bytes>> {
    let mut request = request("CONNECT", &format!("http://h{path}"), "");
    request.extensions_mut().insert(Protocol::from_static(protocol));
    request.headers_mut().insert("sec-websocket-version", "13".parse().expect("a value"));
    request
}

/// The settings that allow an extended CONNECT have arrived with an answer.
pub(super) async fn client_that_may_connect<R>(server: &Server<R>) -> Client {
    let mut client = server.client().await;
    let greeting = client.send_request(request("GET", "http://h/app", "")).await;
    assert_eq!(text(greeting.expect("an answer")).await, "Welcome to SockJS!\n");
    client
}

pub(super) async fn websocket(client: &mut Client) -> WebSocketStream<TokioIo<Upgraded>> {
    let path = format!("{}/websocket", session_path("/app"));
    let answer = client.send_request(connect(&path, "websocket"));
    let answer = soon("an answer", answer).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let upgraded = soon("a stream", hyper::upgrade::on(answer)).await.expect("a stream");
    let io = TokioIo::new(upgraded);
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Client, None).await;
    assert_eq!(next_text(&mut socket).await, "o");
    socket
}

#[tokio::test]
async fn so_many_streams_and_one_more_waits_for_its_turn() {
    let limited = |serve: Serve<SockJs>| serve.with_limits(|limits| limits.max_stream_count = 2);
    let mut server = Server::with(|builder| builder, limited).await;
    // The limit has arrived with an answer.
    let mut client = client_that_may_connect(&server).await;
    let (first, mut first_body, _) = server.stream(&mut client).await;
    let (second, mut second_body, _) = server.stream(&mut client).await;
    let mut third = pin!(client.send_request(request("GET", "http://h/app", "")));
    for said in ["one", "two"] {
        second.send(said).await.expect("it is open");
        assert_eq!(piece(&mut second_body).await, Some(format!("a[\"{said}\"]\n")));
        assert!(third.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    first.close(CloseReason::GO_AWAY);
    while piece(&mut first_body).await.is_some() {}
    let greeting = soon("an answer", third).await.expect("an answer");
    assert_eq!(text(greeting).await, "Welcome to SockJS!\n");
}

#[tokio::test]
async fn a_finished_poll_ends_its_stream_and_not_the_connection() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    let path = session_path("/app");
    let (xhr, xhr_send) = (format!("{path}/xhr"), format!("{path}/xhr_send"));
    let opening = post(&mut client, &xhr, "").await;
    assert_eq!(opening.headers()["content-length"], "2");
    assert!(!opening.headers().contains_key("connection"));
    assert_eq!(text(opening).await, "o\n");
    let mut session = server.sessions.next().await;
    for _ in 0..3 {
        let sent = post(&mut client, &xhr_send, r#"["in"]"#).await;
        assert_eq!((sent.status().as_u16(), text(sent).await), (204, String::new()));
        assert_eq!(session.recv().await.as_ref().and_then(|it| it.as_text()), Some("in"));
        session.send("out").await.expect("it is open");
        assert_eq!(text(post(&mut client, &xhr, "").await).await, "a[\"out\"]\n");
    }
    session.close(CloseReason::GO_AWAY);
    assert_eq!(text(post(&mut client, &xhr, "").await).await, "c[3000,\"Go away!\"]\n");
    // A refusal that leaves a body unread ends its stream alone.
    let refused = post(&mut client, "/app/0/unknown/xhr_send", &"x".repeat(200_000)).await;
    assert_eq!(refused.status(), 404);
    assert_eq!(text(refused).await.lines().count(), 1);
    assert_eq!(post(&mut client, "/app/0/unknown/xhr_send", "[]").await.status(), 404);

    let report = session.closed().await;
    assert_eq!((report.cause, report.grade), (Cause::Application, Grade::Taken));
    assert_eq!([report.accepted, report.written, report.confirmed], [3, 3, 3]);
}

#[tokio::test]
async fn streams_flow_beside_each_other_and_end_at_the_response_limit() {
    let mut server = Server::with(|builder| builder.response_limit(100), |serve| serve).await;
    let mut client = server.client().await;
    let (one, mut first, path) = server.stream(&mut client).await;
    let (other, mut second, _) = server.stream(&mut client).await;
    one.send("1").await.expect("it is open");
    assert_eq!(piece(&mut first).await.as_deref(), Some("a[\"1\"]\n"));
    let long = "x".repeat(100);
    one.send(&*long).await.expect("it is open");
    assert_eq!(piece(&mut first).await, Some(format!("a[\"{long}\"]\n")));
    assert_eq!(piece(&mut first).await, None, "the limit is reached");
    one.send("2").await.expect("it is open");
    let mut next = post(&mut client, &format!("{path}/xhr_streaming"), "").await.into_body();
    let prelude = piece(&mut next).await.expect("the prelude");
    assert_eq!(prelude.trim_end_matches('\n').len(), 2048);
    assert_eq!(piece(&mut next).await.as_deref(), Some("a[\"2\"]\n"));
    other.send("3").await.expect("it is open");
    assert_eq!(piece(&mut second).await.as_deref(), Some("a[\"3\"]\n"));
}

#[tokio::test]
async fn a_second_receiver_is_told_so() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    let (session, mut first, path) = server.stream(&mut client).await;
    let second = post(&mut client, &format!("{path}/xhr"), "").await;
    assert_eq!(text(second).await, "c[2010,\"Another connection still open\"]\n");
    session.send("x").await.expect("it is open");
    assert_eq!(piece(&mut first).await.as_deref(), Some("a[\"x\"]\n"));
}

#[tokio::test]
async fn a_stream_that_is_reset_ends_its_session_and_no_other() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    let (mut leaving, stream, _) = server.stream(&mut client).await;
    let (staying, mut other, _) = server.stream(&mut client).await;
    drop(stream);
    assert!(soon("the session ends", leaving.recv()).await.is_none());
    assert_eq!(leaving.closed().await.cause, Cause::ClientGone);
    staying.send("x").await.expect("it is open");
    assert_eq!(piece(&mut other).await.as_deref(), Some("a[\"x\"]\n"));
}

#[tokio::test]
async fn a_poll_that_is_reset_ends_its_session() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    let xhr = format!("{}/xhr", session_path("/app"));
    assert_eq!(text(post(&mut client, &xhr, "").await).await, "o\n");
    let mut session = server.sessions.next().await;
    let polling = {
        let mut client = client.clone();
        let poll = request("POST", &format!("http://h{xhr}"), "");
        tokio::spawn(async move { client.send_request(poll).await.map(drop) })
    };
    // Requests of a connection begin in their order.
    assert_eq!(
        client.send_request(request("GET", "http://h/app", "")).await.expect("an answer").status(),
        200
    );
    polling.abort();
    assert!(soon("the session ends", session.recv()).await.is_none());
    assert_eq!(session.closed().await.cause, Cause::ClientGone);
}

#[tokio::test]
async fn a_connection_that_breaks_off_ends_all_of_its_sessions() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    let (mut one, stream, _) = server.stream(&mut client).await;
    let (mut other, second, _) = server.stream(&mut client).await;
    let mut may_connect = client_that_may_connect(&server).await;
    let socket = websocket(&mut may_connect).await;
    let mut third = server.sessions.next().await;
    drop((client, stream, second, may_connect, socket));
    for session in [&mut one, &mut other, &mut third] {
        assert!(soon("the session ends", session.recv()).await.is_none());
        assert_eq!(session.closed().await.cause, Cause::ClientGone);
    }
}

#[tokio::test]
async fn http_1_is_served_beside_it() {
    let mut server = Server::start().await;
    let address = server.address;
    let connect = || async move { TcpStream::connect(address).await.expect("a connection") };
    every_way_works("/app", &mut server.sessions, connect).await;
}

#[tokio::test]
async fn the_first_bytes_may_come_one_by_one() {
    let server = Server::start().await;
    let mut client = http2(Trickle(server.socket().await)).await;
    let greeting = client.send_request(request("GET", "http://h/app", "")).await;
    assert_eq!(text(greeting.expect("an answer")).await, "Welcome to SockJS!\n");
    let mut client = http1(Trickle(server.socket().await)).await;
    // The method shares its first letter with HTTP/2's greeting.
    let answer = client.send_request(request("PUT", "/app", "")).await.expect("an answer");
    assert_eq!(answer.status(), 405);
}

#[tokio::test]
async fn websockets() {
    let mut server = Server::with(Builder::jsessionid, |serve| serve).await;
    let mut client = client_that_may_connect(&server).await;
    let path = format!("{}/websocket", session_path("/app"));
    let answer = client.send_request(connect(&path, "websocket")).await.expect("an answer");
    let headers: Vec<_> = answer.headers().keys().map(|name| name.as_str()).collect();
    assert_eq!(headers, ["cache-control", "set-cookie", "date"]);
    drop(answer);
    server.sessions.next().await.closed().await;

    let mut socket = websocket(&mut client).await;
    let mut session = server.sessions.next().await;
    talk(&mut socket, &mut session).await;
    // Beside a poll on the same connection.
    let opening = post(&mut client, &format!("{}/xhr", session_path("/app")), "").await;
    assert_eq!(text(opening).await, "o\n");
    let long = "x".repeat(300_000);
    socket.send(Message::text(format!("[\"{long}\"]"))).await.expect("it is open");
    assert_eq!(soon("a message", session.recv()).await.map(|it| it.len()), Some(long.len()));
    session.send(&*long).await.expect("it is open");
    assert_eq!(next_text(&mut socket).await.len(), long.len() + 5);
    session.close(CloseReason::GO_AWAY);
    assert_eq!(next_text(&mut socket).await, "c[3000,\"Go away!\"]");
    let end = soon("the close", socket.next()).await.expect("a close").expect("a close");
    assert!(matches!(end, Message::Close(Some(frame)) if u16::from(frame.code) == 3000));
    let report = session.closed().await;
    assert_eq!((report.cause, report.grade), (Cause::Application, Grade::Taken));
}

#[tokio::test]
async fn on_async_std() {
    let mut server = Server::on_async_std().await;
    let mut client = client_that_may_connect(&server).await;
    let (session, mut stream, path) = server.stream(&mut client).await;
    session.send("out").await.expect("it is open");
    assert_eq!(piece(&mut stream).await.as_deref(), Some("a[\"out\"]\n"));
    let sent = post(&mut client, &format!("{path}/xhr_send"), r#"["in"]"#).await;
    assert_eq!(sent.status(), 204);
    let mut socket = websocket(&mut client).await;
    let mut other = server.sessions.next().await;
    talk(&mut socket, &mut other).await;
    assert_eq!(server.service.stats().open(), 2);
    drop((client, stream, socket));
    for session in [session, other] {
        assert_eq!(soon("the session ends", session.closed()).await.cause, Cause::ClientGone);
    }
}

#[tokio::test]
async fn a_websocket_that_breaks_off_is_noticed() {
    let mut server = Server::start().await;
    let mut client = client_that_may_connect(&server).await;
    let mut polite = websocket(&mut client).await;
    let session = server.sessions.next().await;
    polite.close(None).await.expect("it is open");
    assert_eq!(soon("the session ends", session.closed()).await.cause, Cause::ClientGone);
    drop(websocket(&mut client).await);
    let session = server.sessions.next().await;
    assert_eq!(soon("the session ends", session.closed()).await.cause, Cause::ClientGone);
}

#[tokio::test]
async fn a_handshake_out_of_order_is_refused() {
    let server = Server::start().await;
    let mut client = client_that_may_connect(&server).await;
    let path = format!("{}/websocket", session_path("/app"));
    let unversioned = {
        let mut request = connect(&path, "websocket");
        request.headers_mut().clear();
        request
    };
    for (request, status) in [
        (unversioned, 400),
        (connect(&path, "webtransport"), 405),
        (connect(&format!("{}/xhr", session_path("/app")), "websocket"), 405),
        (request("GET", &format!("http://h{path}"), ""), 400),
    ] {
        let answer = client.send_request(request).await.expect("an answer");
        assert_eq!(answer.status(), status);
    }
    assert_eq!(server.service.stats().open(), 0);
}

#[tokio::test]
async fn an_idle_connection_ends_and_one_with_a_stream_does_not() {
    let idle = Duration::from_millis(300);
    let limits = |serve: Serve<SockJs>| serve.with_limits(|limits| limits.idle_timeout = idle);
    let mut server = Server::with(|builder| builder, limits).await;
    let mut busy = server.client().await;
    let (session, mut stream, _) = server.stream(&mut busy).await;
    let mut websocketing = client_that_may_connect(&server).await;
    let mut socket = websocket(&mut websocketing).await;
    let mut talking = server.sessions.next().await;
    // Begun later than the others, and over.
    let unused = server.client().await;
    let mut used = client_that_may_connect(&server).await;
    for client in [&unused, &used] {
        soon("the connection ends", async {
            while !client.is_closed() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
    assert!(used.send_request(request("GET", "http://h/app", "")).await.is_err());
    session.send("x").await.expect("it is open");
    assert_eq!(piece(&mut stream).await.as_deref(), Some("a[\"x\"]\n"));
    talk(&mut socket, &mut talking).await;
}

#[tokio::test]
async fn a_peer_that_does_not_answer_the_good_bye_is_cut_off() {
    let (idle, stall) = (Duration::from_millis(200), Duration::from_millis(300));
    let limits = |serve: Serve<SockJs>| {
        serve.with_limits(|limits| (limits.idle_timeout, limits.write_stall) = (idle, stall))
    };
    let server = Server::with(|builder| builder, limits).await;
    let mut io = server.socket().await;
    let empty_settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let hello = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &empty_settings[..]].concat();
    io.write_all(&hello).await.expect("it is open");
    // It is told, and says no more.
    let mut told = Vec::new();
    let read = soon("the connection ends", io.read_to_end(&mut told)).await;
    assert!(read.is_err() || told.len() > empty_settings.len());
}

#[tokio::test]
async fn a_peer_that_takes_nothing_is_cut_off() {
    let mut server = Server::stalling(Duration::from_millis(300)).await;
    let is_deaf = Arc::new(AtomicBool::new(false));
    let io = Deaf { io: server.socket().await, is_deaf: is_deaf.clone() };
    let mut client = http2(io).await;
    let mut streams = Vec::new();
    // More of them than the sockets between have room for.
    for _ in 0..64 {
        streams.push(server.stream(&mut client).await);
    }
    is_deaf.store(true, Ordering::Relaxed);
    let long = "x".repeat(256 * 1024);
    let ends = streams.iter_mut().map(|(session, ..)| async {
        while (*session).send(&*long).await.is_ok() {}
        session.closed().await.cause
    });
    let ends = soon("the sessions end", futures_util::future::join_all(ends)).await;
    assert!(ends.iter().all(|cause| *cause == Cause::ClientGone), "{ends:?}");
}

#[tokio::test]
async fn a_shutdown_ends_connections_in_order() {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let signal = |serve: Serve<SockJs>| {
        serve.with_graceful_shutdown(async move {
            let _ = stopped.await;
        })
    };
    let mut server = Server::with(|builder| builder, signal).await;
    let mut client = server.client().await;
    let (session, mut stream, _) = server.stream(&mut client).await;
    session.send("last").await.expect("it is open");
    let left = server.service.shutdown(CloseReason::SERVER_GOING_AWAY, NEVER);
    assert_eq!(soon("the sessions end", left).await, 0);
    stop.send(()).expect("the server runs");
    assert_eq!(piece(&mut stream).await.as_deref(), Some("a[\"last\"]\n"));
    assert_eq!(piece(&mut stream).await.as_deref(), Some("c[1001,\"Server going away\"]\n"));
    assert_eq!(piece(&mut stream).await, None);
    soon("the connection ends", async {
        while !client.is_closed() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Writes a byte at a time.
struct Trickle(TcpStream);

/// Reads nothing any more once it is deaf.
struct Deaf {
    io: TcpStream,
    is_deaf: Arc<AtomicBool>,
}

impl AsyncRead for Trickle {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Trickle {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, &buf[..buf.len().min(1)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl AsyncRead for Deaf {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.is_deaf.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Deaf {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
