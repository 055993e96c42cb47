//! A service whose sessions are handed to the test, and clients over any stream.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use sockjs_driver::Runtime;
use sockjs_tests::client::fresh_id;
use sockjs_tokio::{Builder, OriginPolicy, Session, SockJs};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// Far beyond [`PATIENCE`].
pub(crate) const NEVER: Duration = Duration::from_secs(600);

/// What ends soon, or the test fails.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("not within {PATIENCE:?}: {what}"),
    }
}

/// Any origin, and nothing ends by itself.
pub(crate) fn builder(prefix: &str) -> Builder {
    SockJs::builder(prefix).origins(OriginPolicy::Any).disconnect_delay(NEVER).heartbeat_delay(None)
}

/// The sessions of a service, as they open.
pub(crate) struct Sessions(UnboundedReceiver<Session>);

impl Sessions {
    pub(crate) async fn next(&mut self) -> Session {
        soon("a session opens", self.0.recv()).await.expect("the service is there")
    }
}

/// Makes a service whose handler hands each session over and waits for its end.
pub(crate) fn handing_over<R: Runtime>(
    builder: sockjs_driver::Builder<R>,
) -> (sockjs_driver::SockJs<R>, Sessions) {
    let (sender, sessions) = unbounded_channel();
    let service = builder.build(move |session: Session| {
        let (handle, sender) = (session.handle(), sender.clone());
        async move {
            // A test that has ended takes no more.
            if sender.send(session).is_ok() {
                handle.closed().await;
            }
        }
    });
    (service, Sessions(sessions))
}

pub(crate) async fn listen() -> (TcpListener, std::net::SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

/// A client's stream.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// A client of HTTP/1 over a stream.
pub(crate) async fn http1(stream: impl Stream) -> http1::SendRequest<Full<Bytes>> {
    let (client, connection) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1");
    tokio::spawn(connection);
    client
}

/// A client of HTTP/2 over a stream.
pub(crate) async fn http2(stream: impl Stream) -> http2::SendRequest<Full<Bytes>> {
    let handshake = http2::Builder::new(TokioExecutor::new());
    let (client, connection) = handshake.handshake(TokioIo::new(stream)).await.expect("HTTP/2");
    tokio::spawn(connection);
    client
}

/// A request; of HTTP/1 give the target's path, of HTTP/2 the whole URL.
pub(crate) fn request(method: &str, uri: &str, body: &str) -> Request<Full<Bytes>> {
    let host = uri.split("://").nth(1).is_none().then_some("h");
    let mut request = Request::builder().method(method).uri(uri);
    if let Some(host) = host {
        request = request.header("Host", host);
    }
    request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).expect("a request")
}

/// All of a response's body.
pub(crate) async fn text(response: Response<Incoming>) -> String {
    let body = soon("the body ends", response.into_body().collect()).await.expect("a body");
    String::from_utf8(body.to_bytes().to_vec()).expect("UTF-8")
}

/// The next piece of a body, or its end.
pub(crate) async fn piece(body: &mut Incoming) -> Option<String> {
    let frame = soon("a piece of the body", body.frame()).await?.expect("the body goes on");
    let bytes = frame.into_data().expect("no trailers");
    Some(String::from_utf8(bytes.to_vec()).expect("UTF-8"))
}

/// A stream's head and open frame have arrived.
pub(crate) async fn opened(response: Response<Incoming>) -> Incoming {
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    let mut seen = String::new();
    while !seen.ends_with("h\no\n") {
        seen += &piece(&mut body).await.expect("the open frame");
    }
    body
}

/// A session's path below a prefix.
pub(crate) fn session_path(base: &str) -> String {
    format!("{base}/000/{}", fresh_id())
}

/// Opens a WebSocket over a stream; `base` is the path of the service.
pub(crate) async fn websocket<S: Stream>(stream: S, base: &str) -> WebSocketStream<S> {
    let url = format!("ws://h{}/websocket", session_path(base));
    let opening = tokio_tungstenite::client_async(url, stream);
    let (mut socket, response) = soon("the handshake", opening).await.expect("a WebSocket");
    assert_eq!(response.status(), 101);
    assert_eq!(next_text(&mut socket).await, "o");
    socket
}

pub(crate) async fn next_text<S: Stream>(socket: &mut WebSocketStream<S>) -> String {
    let message = soon("a WebSocket message", socket.next()).await.expect("it is open");
    message.expect("a message").into_text().expect("text").to_string()
}

/// Both directions of a session over a WebSocket work.
pub(crate) async fn talk<S: Stream>(socket: &mut WebSocketStream<S>, session: &mut Session) {
    socket.send(Message::text(r#"["in"]"#)).await.expect("it is open");
    let message = soon("a message", session.recv()).await;
    assert_eq!(message.as_ref().and_then(|message| message.as_text()), Some("in"));
    (*session).send("out").await.expect("it is open");
    assert_eq!(next_text(socket).await, r#"a["out"]"#);
}

/// A poll, a send, a stream and a WebSocket, each over a connection of its own.
pub(crate) async fn every_way_works<S: Stream, F: Future<Output = S>>(
    base: &str,
    sessions: &mut Sessions,
    connect: impl Fn() -> F,
) {
    let path = session_path(base);
    let mut client = http1(connect().await).await;
    let opening = client.send_request(request("POST", &format!("{path}/xhr"), "")).await;
    assert_eq!(text(opening.expect("an answer")).await, "o\n");
    let mut session = sessions.next().await;
    let sending = request("POST", &format!("{path}/xhr_send"), r#"["in"]"#);
    assert_eq!(client.send_request(sending).await.expect("an answer").status(), 204);
    assert_eq!(session.recv().await.as_ref().and_then(|it| it.as_text()), Some("in"));
    session.send("out").await.expect("it is open");
    let poll = client.send_request(request("POST", &format!("{path}/xhr"), "")).await;
    assert_eq!(text(poll.expect("an answer")).await, "a[\"out\"]\n");

    let path = session_path(base);
    let mut client = http1(connect().await).await;
    let stream = client.send_request(request("POST", &format!("{path}/xhr_streaming"), ""));
    let mut stream = opened(soon("a stream", stream).await.expect("an answer")).await;
    let mut session = sessions.next().await;
    session.send("one").await.expect("it is open");
    assert_eq!(piece(&mut stream).await.as_deref(), Some("a[\"one\"]\n"));
    // Whoever leaves is noticed.
    drop((client, stream));
    assert!(soon("the session ends", session.recv()).await.is_none());

    let mut socket = websocket(connect().await, base).await;
    talk(&mut socket, &mut sessions.next().await).await;
}
