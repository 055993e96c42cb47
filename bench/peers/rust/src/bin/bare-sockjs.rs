//! An echo over xhr and xhr_streaming as a client sees it, on hyper and nothing else: what is sent comes back as it
//! stands, without a look into it, a limit, a timer, an account, or a header that hyper does not set.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// By what comes before the last part of their paths.
type Sessions = Arc<Mutex<HashMap<String, Session>>>;

struct Session {
    frames: UnboundedSender<Bytes>,
    /// For polls, one at a time.
    receiver: Option<UnboundedReceiver<Bytes>>,
}

enum Answer {
    Whole(Option<Bytes>),
    Stream(UnboundedReceiver<Bytes>),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    sockjs_bench_peers::end_with_input();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    let sessions = Sessions::default();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let sessions = sessions.clone();
        let service = service_fn(move |request| answer(sessions.clone(), request));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(
    sessions: Sessions,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Infallible> {
    let path = request.uri().path();
    let (id, name) = path.rsplit_once('/').unwrap_or_default();
    Ok(match name {
        "xhr_streaming" => Response::new(Answer::Stream(open(&sessions, id))),
        "xhr" => Response::new(Answer::Whole(poll(&sessions, id).await)),
        _ => {
            let frames = with(&sessions, id, |session| session.frames.clone());
            let body =
                request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            if let Some(frames) = frames {
                let _ = frames.send([b"a", &body[..], b"\n"].concat().into());
            }
            let mut response = Response::new(Answer::Whole(None));
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        }
    })
}

/// A session whose first frames wait for it.
fn open(sessions: &Sessions, id: &str) -> UnboundedReceiver<Bytes> {
    let (frames, receiver) = unbounded_channel();
    let _ = frames.send([&[b'h'; 2048][..], b"\n"].concat().into());
    let _ = frames.send(Bytes::from_static(b"o\n"));
    lock(sessions).insert(id.to_owned(), Session { frames, receiver: None });
    receiver
}

async fn poll(sessions: &Sessions, id: &str) -> Option<Bytes> {
    let Some(receiver) = with(sessions, id, |session| session.receiver.take()) else {
        let (frames, receiver) = unbounded_channel();
        let session = Session { frames, receiver: Some(receiver) };
        lock(sessions).insert(id.to_owned(), session);
        return Some(Bytes::from_static(b"o\n"));
    };
    let mut receiver = receiver?;
    let frame = receiver.recv().await;
    with(sessions, id, |session| session.receiver = Some(receiver));
    frame
}

fn with<R>(sessions: &Sessions, id: &str, look: impl FnOnce(&mut Session) -> R) -> Option<R> {
    lock(sessions).get_mut(id).map(look)
}

fn lock(sessions: &Sessions) -> std::sync::MutexGuard<'_, HashMap<String, Session>> {
    sessions.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = match self.get_mut() {
            Self::Whole(bytes) => bytes.take(),
            Self::Stream(frames) => ready!(frames.poll_recv(cx)),
        };
        Poll::Ready(frame.map(|frame| Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Stream(_) => SizeHint::default(),
        }
    }
}
