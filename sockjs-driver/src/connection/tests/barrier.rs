//! What is told of chunks, and when.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
    task::Waker,
};

use tokio::io::ReadBuf;

use super::*;

/// A stream whose flush waits for permission.
struct Sluggish {
    inner: DuplexStream,
    gate: Arc<(AtomicBool, Mutex<Option<Waker>>)>,
}

impl AsyncRead for Sluggish {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Sluggish {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        *self.gate.1.lock().unwrap() = Some(cx.waker().clone());
        if self.gate.0.load(Ordering::SeqCst) { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn written_follows_the_flush() {
    let gate = Arc::new((AtomicBool::new(false), Mutex::new(None)));
    let (server, client) = tokio::io::duplex(4096);
    let sluggish = Sluggish { inner: server, gate: Arc::clone(&gate) };
    let mut pair = serve(sluggish, client, ConnectionConfig::default());
    pair.get("/stream").await;
    let feed = pair.feeds.recv().await.unwrap();
    assert_eq!(pair.event().await, Event::Asked("/stream".into()));
    feed.send((1, "one".into())).unwrap();
    feed.send((2, "two".into())).unwrap();
    pair.read_to("two\r\n").await;
    assert!(pair.events.try_recv().is_err(), "the client has it all, but nothing was flushed");
    gate.0.store(true, Ordering::SeqCst);
    gate.1.lock().unwrap().take().unwrap().wake();
    assert_eq!(pair.event().await, Event::Written(vec![1, 2]));
}

#[tokio::test]
async fn written_waits_for_the_last_byte() {
    let mut pair = duplex(64);
    pair.get("/stream").await;
    let feed = pair.feeds.recv().await.unwrap();
    assert_eq!(pair.event().await, Event::Asked("/stream".into()));
    feed.send((1, vec![b'x'; 4000].into())).unwrap();
    let mut read = vec![0; 3000];
    pair.client.read_exact(&mut read).await.unwrap();
    assert!(pair.events.try_recv().is_err(), "a thousand bytes do not fit the stream");
    pair.read_to("\r\n").await;
    assert_eq!(pair.event().await, Event::Written(vec![1]));
}

#[tokio::test]
async fn left_over_chunks_are_lost_before_their_body_is_gone() {
    let mut pair = duplex(64);
    pair.get("/stream").await;
    let feed = pair.feeds.recv().await.unwrap();
    assert_eq!(pair.event().await, Event::Asked("/stream".into()));
    feed.send((1, "x".into())).unwrap();
    pair.read_to("1\r\nx\r\n").await;
    assert_eq!(pair.event().await, Event::Written(vec![1]));
    feed.send((2, vec![b'x'; 4000].into())).unwrap();
    pair.read_to("xxx").await;
    pair.connection.abort();
    assert_eq!(pair.event().await, Event::Lost(vec![2]));
    assert_eq!(pair.event().await, Event::Gone);
    let late = pair.handles.recv().await.unwrap();
    let (events, mut told) = mpsc::unbounded_channel();
    let ledger: Arc<dyn Ledger<u32>> = Arc::new(Recorder(events));
    late.hand(ledger, 3);
    assert_eq!(told.try_recv(), Ok(Event::Lost(vec![3])));
}

#[tokio::test]
async fn a_failed_write_loses() {
    let mut pair = duplex(64);
    pair.get("/stream").await;
    let feed = pair.feeds.recv().await.unwrap();
    assert_eq!(pair.event().await, Event::Asked("/stream".into()));
    feed.send((1, vec![b'x'; 4000].into())).unwrap();
    pair.read_to("xxx").await;
    let (other, _) = tokio::io::duplex(1);
    drop(std::mem::replace(&mut pair.client, other));
    assert_eq!(pair.event().await, Event::Lost(vec![1]));
    assert_eq!(pair.event().await, Event::Gone);
    assert_eq!(pair.event().await, Event::Ended);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let mut pair = tcp().await;
    let mut requests = String::new();
    for path in ["/a", "/stream", "/b", "/stream", "/c"] {
        requests += &format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    pair.send(requests).await;
    let mut written = Vec::new();
    for chunk in [1, 2] {
        let feed = pair.feeds.recv().await.unwrap();
        feed.send((chunk, format!("chunk{chunk}").into())).unwrap();
        drop(feed);
    }
    let read = pair.read_to("/c").await;
    let order = ["/a", "chunk1", "/b", "chunk2", "/c"].map(|part| read.find(part).unwrap());
    assert!(order.is_sorted(), "{read}");
    while written.len() < 2 {
        if let Event::Written(chunks) = pair.event().await {
            written.extend(chunks);
        }
    }
    assert_eq!(written, [1, 2]);
}

#[tokio::test]
async fn one_call_a_ledger_and_flush() {
    let (events, mut told) = mpsc::unbounded_channel();
    let ledgers: [Arc<dyn Ledger<u32>>; 2] =
        [Arc::new(Recorder(events.clone())), Arc::new(Recorder(events))];
    let mut fifo = super::super::fifo::Fifo::new();
    for _ in 0..2 {
        for (ledger, chunk) in [(0, 1), (0, 2), (1, 3), (0, 4)] {
            fifo.push(ledgers[ledger].clone(), chunk);
        }
        fifo.drain(|ledger, chunks| ledger.written(chunks, None));
        for chunks in [vec![1, 2], vec![3], vec![4]] {
            assert_eq!(told.try_recv(), Ok(Event::Written(chunks)));
        }
        assert!(told.try_recv().is_err());
    }
}
