//! How long a message to a group takes, and joining one: `broadcast-time [MEMBERS…]`.
//!
//! The members are sessions of this process whose responses are streams that nobody reads but the
//! program itself, so that the group is what is measured and no network.
#![forbid(unsafe_code)]

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use http::Request;
use hyper::body::Body as _;
use sockjs_driver::{Body, Broadcast, OriginPolicy, SessionHandle};
use sockjs_tokio::SockJs;

const ROUNDS: u32 = 50;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let given: Vec<usize> =
        std::env::args().skip(1).filter_map(|count| count.parse().ok()).collect();
    let counts = if given.is_empty() { vec![1_000, 10_000] } else { given };
    for count in counts {
        measure(count).await;
    }
}

async fn measure(count: usize) {
    let (sender, mut sessions) = tokio::sync::mpsc::unbounded_channel();
    let service = SockJs::builder("/x")
        .origins(OriginPolicy::Any)
        .heartbeat_delay(None)
        .response_limit(usize::MAX)
        .shards(2)
        .limits(|limits| {
            limits.sessions = 4 * count;
            limits.unconfirmed_sessions = 4 * count;
        })
        .build(move |session| {
            let sender = sender.clone();
            async move {
                let handle: SessionHandle = session.handle();
                if sender.send(handle).is_ok() {
                    session.closed().await;
                }
            }
        });
    let mut streams = Vec::new();
    let mut members = Vec::new();
    for number in 0..count {
        let path = format!("/x/000/{number}/xhr_streaming");
        let request = Request::post(path).body(http_body_util::Empty::<bytes::Bytes>::new());
        let Ok(request) = request else { return };
        let mut stream = service.respond(request).await.into_body();
        drain(&mut stream);
        streams.push(stream);
        members.extend(sessions.recv().await);
    }
    let group = Broadcast::new();
    let joining = time(|| members.iter().for_each(|member| group.join(member)));
    let mut best = Duration::MAX;
    let mut sum = Duration::ZERO;
    for _ in 0..ROUNDS {
        let sending = time(|| assert_eq!(group.send("a message to all of them\n").count, count));
        best = best.min(sending);
        sum += sending;
        streams.iter_mut().for_each(drain);
    }
    let mean = sum / ROUNDS;
    println!(
        "{count} members: joined in {joining:?}; a message takes {best:?} at best, {mean:?} in the mean"
    );
}

fn time(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

/// Reads what there is.
fn drain(stream: &mut Body) {
    let mut cx = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(_)) = Pin::new(&mut *stream).poll_frame(&mut cx) {}
}
