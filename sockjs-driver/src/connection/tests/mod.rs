//! A small application and a client that speaks in bytes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod barrier;
mod leaving;
mod limits;
mod manners;
mod upgrades;

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream},
    net::{TcpListener, TcpStream},
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    task::JoinHandle,
    time::timeout,
};

use super::{ConnectionConfig, ConnectionHandle, Ledger, Parked, serve_connection};

/// What the application sees.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    Asked(String),
    Written(Vec<u32>),
    Lost(Vec<u32>),
    /// A fed body was dropped.
    Gone,
    /// An upgrade was opened, with so many bytes of an answer held back.
    Opened(usize),
    Ended,
}

type Feed = UnboundedSender<(u32, Bytes)>;

struct Recorder(UnboundedSender<Event>);

impl Ledger<u32> for Recorder {
    fn written(&self, chunks: &[u32], _: Option<Instant>) {
        let _ = self.0.send(Event::Written(chunks.to_vec()));
    }

    fn lost(&self, chunks: &[u32]) {
        let _ = self.0.send(Event::Lost(chunks.to_vec()));
    }
}

/// One server connection, its client side, and what both see.
struct Pair<T> {
    client: T,
    events: UnboundedReceiver<Event>,
    feeds: UnboundedReceiver<Feed>,
    handles: UnboundedReceiver<ConnectionHandle<u32>>,
    connection: JoinHandle<()>,
    /// Ends the connection after the response under way.
    drain: Arc<tokio::sync::Notify>,
}

#[derive(Clone)]
struct App {
    events: UnboundedSender<Event>,
    feeds: UnboundedSender<Feed>,
    handles: UnboundedSender<ConnectionHandle<u32>>,
    ledger: Arc<dyn Ledger<u32>>,
}

impl App {
    async fn answer(
        self,
        mut request: Request<Incoming>,
    ) -> Result<Response<UnsyncBoxBody<Bytes, Infallible>>, hyper::Error> {
        let path = request.uri().path().to_owned();
        let handle = ConnectionHandle::<u32>::take(request.extensions_mut()).unwrap();
        let _ = self.events.send(Event::Asked(path.clone()));
        let _ = self.handles.send(handle.clone());
        let full = |body: Bytes| Full::new(body).boxed_unsync();
        Ok(match path.as_str() {
            "/park" | "/stream" => {
                let (feed, fed) = mpsc::unbounded_channel();
                let parked = (path == "/park").then(|| handle.park());
                let _ = self.feeds.send(feed);
                let body = FedBody { fed, parked, handle, app: self };
                Response::new(body.boxed_unsync())
            }
            "/echo" => Response::new(full(request.into_body().collect().await?.to_bytes())),
            "/hold" => {
                let _parked = handle.park();
                let body = request.into_body().collect().await;
                Response::new(full(body.map_or_else(|_| "broken".into(), |body| body.to_bytes())))
            }
            "/upgrade" | "/held" => {
                let mut answer = Response::builder()
                    .status(StatusCode::SWITCHING_PROTOCOLS)
                    .header("connection", "upgrade")
                    .header("upgrade", "echo")
                    .body(full(Bytes::new()))
                    .unwrap();
                if path == "/held" {
                    handle.hold_back(&mut answer);
                }
                tokio::spawn(async move {
                    let upgraded = hyper::upgrade::on(request).await.unwrap();
                    let (stream, front) = handle.open(upgraded);
                    let _ = self.events.send(Event::Opened(front.len()));
                    upgrades::echo(stream, &front).await;
                });
                answer
            }
            "/unheld" => {
                let mut answer = Response::new(full("no".into()));
                handle.hold_back(&mut answer);
                answer
            }
            _ => Response::new(full(Bytes::from(path))),
        })
    }
}

/// A response body fed by the test, parked or not.
struct FedBody {
    fed: UnboundedReceiver<(u32, Bytes)>,
    parked: Option<Parked<u32>>,
    handle: ConnectionHandle<u32>,
    app: App,
}

impl Body for FedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some((chunk, bytes)) = ready!(self.fed.poll_recv(cx)) else {
            self.parked = None;
            return Poll::Ready(None);
        };
        self.handle.hand(self.app.ledger.clone(), chunk);
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}

impl Drop for FedBody {
    fn drop(&mut self) {
        let _ = self.app.events.send(Event::Gone);
    }
}

/// Serves one end of a stream.
fn serve<I, T>(io: I, client: T, config: ConnectionConfig) -> Pair<T>
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (to_events, events) = mpsc::unbounded_channel();
    let (to_feeds, feeds) = mpsc::unbounded_channel();
    let (to_handles, handles) = mpsc::unbounded_channel();
    let app = App {
        ledger: Arc::new(Recorder(to_events.clone())),
        events: to_events.clone(),
        feeds: to_feeds,
        handles: to_handles,
    };
    let service = service_fn(move |request| app.clone().answer(request));
    let connection = serve_connection::<_, _, _, u32>(
        TokioIo::new(io),
        service,
        config,
        Arc::new(TokioTimer::new()),
    );
    let drain = Arc::new(tokio::sync::Notify::new());
    let drained = Arc::clone(&drain);
    let connection = tokio::spawn(async move {
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            () = connection.as_mut() => {}
            () = drained.notified() => {
                connection.as_mut().graceful_shutdown();
                connection.await;
            }
        }
        let _ = to_events.send(Event::Ended);
        // Whether the client hears of the end must not hang on this value's drop.
        std::future::pending().await
    });
    Pair { client, events, feeds, handles, connection, drain }
}

async fn tcp() -> Pair<TcpStream> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    serve(server, client, ConnectionConfig::default())
}

fn duplex(size: usize) -> Pair<DuplexStream> {
    let (server, client) = tokio::io::duplex(size);
    serve(server, client, ConnectionConfig::default())
}

impl<T: AsyncRead + AsyncWrite + Unpin> Pair<T> {
    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.client.write_all(bytes.as_ref()).await.unwrap();
    }

    async fn get(&mut self, path: &str) {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    }

    /// The next event of the application, which must come soon.
    async fn event(&mut self) -> Event {
        timeout(Duration::from_secs(1), self.events.recv()).await.expect("an event").unwrap()
    }

    /// Reads to the given end and no further.
    async fn read_to(&mut self, end: &str) -> String {
        let mut read = Vec::new();
        while !read.ends_with(end.as_bytes()) {
            let byte = timeout(Duration::from_secs(1), self.client.read_u8()).await;
            match byte {
                Ok(Ok(byte)) => read.push(byte),
                other => panic!("{other:?} after {:?}", String::from_utf8_lossy(&read)),
            }
        }
        String::from_utf8(read).unwrap()
    }

    async fn read_to_end(&mut self) -> String {
        let mut read = Vec::new();
        let all = timeout(Duration::from_secs(5), self.client.read_to_end(&mut read));
        all.await.expect("an end").unwrap();
        String::from_utf8(read).unwrap()
    }
}

/// Lets everything happen that can: paused time only goes on when nobody has anything to do.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// A pair in memory whose receiver is attached.
async fn parked_in_memory() -> (Pair<DuplexStream>, Feed) {
    let mut pair = duplex(64 * 1024);
    pair.get("/park").await;
    let feed = pair.feeds.recv().await.unwrap();
    assert_eq!(pair.event().await, Event::Asked("/park".into()));
    (pair, feed)
}

/// A pair over TCP whose receiver is attached.
async fn parked() -> (Pair<TcpStream>, Feed) {
    let mut pair = tcp().await;
    pair.get("/park").await;
    let feed = pair.feeds.recv().await.unwrap();
    assert_eq!(pair.event().await, Event::Asked("/park".into()));
    (pair, feed)
}
