//! Deadlines and sizes.

use tokio::time::Instant;

use super::*;

/// Waits for the connection's end and tells when it came.
async fn ended(pair: &mut Pair<DuplexStream>) -> Duration {
    let start = Instant::now();
    while pair.events.recv().await.unwrap() != Event::Ended {}
    start.elapsed()
}

fn near(duration: Duration, seconds: u64) -> bool {
    duration >= Duration::from_secs(seconds)
        && duration < Duration::from_millis(seconds * 1000 + 50)
}

#[tokio::test(start_paused = true)]
async fn a_stalled_write_ends_the_connection() {
    let mut pair = duplex(256);
    // The idle limit comes first, and is the later deadline. The first answer fits the stream.
    pair.get("/short").await;
    pair.read_to("/short").await;
    settle().await;
    pair.get("/stream").await;
    let feed = pair.feeds.recv().await.unwrap();
    feed.send((1, vec![b'x'; 4000].into())).unwrap();
    pair.read_to("xxx").await;
    let start = Instant::now();
    assert_eq!(pair.events.recv().await, Some(Event::Asked("/short".into())));
    assert_eq!(pair.events.recv().await, Some(Event::Asked("/stream".into())));
    assert_eq!(pair.events.recv().await, Some(Event::Lost(vec![1])));
    assert_eq!(pair.events.recv().await, Some(Event::Gone));
    assert!(near(start.elapsed(), 10), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn progress_restarts_the_stall_limit() {
    let mut pair = duplex(64);
    pair.get("/stream").await;
    let feed = pair.feeds.recv().await.unwrap();
    feed.send((1, vec![b'x'; 4000].into())).unwrap();
    for _ in 0..5 {
        pair.client.read_exact(&mut [0; 64]).await.unwrap();
        tokio::time::sleep(Duration::from_secs(9)).await;
    }
    let took = ended(&mut pair).await;
    assert!(near(took, 1), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_ends_without_a_word() {
    let mut pair = duplex(4096);
    pair.get("/short").await;
    pair.read_to("/short").await;
    let took = ended(&mut pair).await;
    assert!(near(took, 75), "{took:?}");
    assert_eq!(pair.read_to_end().await, "");
}

#[tokio::test(start_paused = true)]
async fn each_request_restarts_the_idle_limit() {
    let mut pair = duplex(4096);
    for _ in 0..5 {
        pair.get("/short").await;
        pair.read_to("/short").await;
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    let took = ended(&mut pair).await;
    assert!(near(took, 15), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_head_has_its_time_from_its_first_byte() {
    let mut pair = duplex(4096);
    pair.get("/short").await;
    pair.read_to("/short").await;
    tokio::time::sleep(Duration::from_secs(70)).await;
    pair.send("G").await;
    tokio::time::sleep(Duration::from_secs(29)).await;
    pair.send("ET /late HTTP/1.1\r\nHost: a\r\n\r\n").await;
    pair.read_to("/late").await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_request_is_not_idle_but_slow() {
    let mut pair = duplex(4096);
    let took = ended(&mut pair).await;
    assert!(near(took, 30), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_trickled_head_is_answered_408() {
    for first in ["", "GET /short HTTP/1.1\r\nHost: a\r\n\r\n"] {
        let mut pair = duplex(4096);
        pair.send(first).await;
        for byte in b"GET / HTTP/1.1\r\nHost: a" {
            pair.send([*byte]).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let took = ended(&mut pair).await;
        assert!(near(took, 7), "{took:?}");
        assert!(pair.read_to_end().await.contains("HTTP/1.1 408 Request Timeout\r\n"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_trickled_body_ends_the_connection() {
    for framing in ["Content-Length: 10", "Transfer-Encoding: chunked"] {
        let mut pair = duplex(4096);
        pair.send(format!("POST /echo HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n1")).await;
        let took = ended(&mut pair).await;
        assert!(near(took, 30), "{took:?}");
        assert_eq!(pair.read_to_end().await, "");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_moves_is_left_to_the_service_and_then_the_connection_is_idle() {
    // The second one brings hyper nothing for two parts of three.
    for (framing, parts, end) in [
        ("Content-Length: 5", &["x"][..], ""),
        ("Transfer-Encoding: chunked", &["1;a", "b", "\r\nx\r\n"], "0\r\n\r\n"),
    ] {
        let mut pair = duplex(4096);
        pair.send(format!("POST /echo HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n")).await;
        for part in parts.iter().cycle().take(5 * parts.len()) {
            tokio::time::sleep(Duration::from_secs(29)).await;
            pair.send(part).await;
        }
        pair.send(end).await;
        pair.read_to("xxxxx").await;
        let took = ended(&mut pair).await;
        assert!(near(took, 75), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_behind_a_chunked_body_is_not_a_body() {
    let mut pair = duplex(4096);
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    pair.send(format!("{head}1\r\nx\r\n0\r\n\r\n")).await;
    pair.read_to("x").await;
    for byte in b"GET / HTTP/1.1\r\nHost: a" {
        pair.send([*byte]).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let took = ended(&mut pair).await;
    assert!(near(took, 7), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_parked_connection_is_never_idle() {
    let mut pair = duplex(4096);
    pair.get("/park").await;
    let feed = pair.feeds.recv().await.unwrap();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    feed.send((1, "still".into())).unwrap();
    pair.read_to("still\r\n").await;
    drop(feed);
    let took = ended(&mut pair).await;
    assert!(near(took, 75), "{took:?}");
}

async fn status(request: impl AsRef<[u8]>) -> String {
    let mut pair = tcp().await;
    pair.send(request).await;
    let read = pair.read_to_end().await;
    assert_eq!(read.matches("HTTP/1.1 ").count(), 1, "{read}");
    assert!(read.contains("connection: close\r\n"), "{read}");
    read.chars().skip(9).take(3).collect()
}

#[tokio::test]
async fn long_heads_are_answered_431() {
    let head = |lines: usize, bytes: usize| {
        let mut head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n".to_owned();
        for number in 2..lines {
            head += &format!("X-{number}: y\r\n");
        }
        let left = bytes.saturating_sub(head.len() + 7);
        head + "Z: " + &"z".repeat(left) + "\r\n\r\n"
    };
    assert_eq!(status(head(3, 16 * 1024)).await, "200");
    assert_eq!(status(head(3, 16 * 1024 + 1)).await, "431");
    assert_eq!(status(head(3, 1024 * 1024)).await, "431");
    assert_eq!(status(head(63, 0)).await, "200");
    assert_eq!(status(head(64, 0)).await, "431");
}

#[tokio::test]
async fn long_targets_are_answered_414() {
    let head = |bytes: usize| {
        let target = "/".to_owned() + &"x".repeat(bytes - 1);
        format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    };
    assert_eq!(status(head(8 * 1024)).await, "200");
    assert_eq!(status(head(8 * 1024 + 1)).await, "414");
}
