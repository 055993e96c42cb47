//! Clients that leave, or only half.

use super::*;

#[tokio::test]
async fn a_parked_client_that_leaves_is_noticed() {
    let (mut pair, _feed) = parked().await;
    pair.client.shutdown().await.unwrap();
    assert_eq!(pair.event().await, Event::Gone);
    assert_eq!(pair.event().await, Event::Ended);
}

#[tokio::test]
async fn a_reset_is_noticed() {
    let (mut pair, feed) = parked().await;
    // Unread bytes in a socket that closes make a reset.
    feed.send((1, "x".into())).unwrap();
    assert_eq!(pair.event().await, Event::Written(vec![1]));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    pair.client.readable().await.unwrap();
    drop(std::mem::replace(&mut pair.client, other));
    assert_eq!(pair.event().await, Event::Gone);
    assert_eq!(pair.event().await, Event::Ended);
}

#[tokio::test]
async fn pipelined_bytes_do_not_hide_leaving() {
    for pipelined in [1, 100, 16 * 1024 - 1] {
        let (mut pair, _feed) = parked().await;
        pair.send(vec![b'G'; pipelined]).await;
        pair.client.shutdown().await.unwrap();
        assert_eq!(pair.event().await, Event::Gone, "{pipelined} bytes");
        assert_eq!(pair.event().await, Event::Ended);
    }
}

#[tokio::test]
async fn bytes_in_the_same_segment_do_not_hide_leaving() {
    let mut pair = tcp().await;
    pair.send("GET /park HTTP/1.1\r\nHost: a\r\n\r\nG").await;
    let _feed = pair.feeds.recv().await.unwrap();
    assert_eq!(pair.event().await, Event::Asked("/park".into()));
    pair.client.shutdown().await.unwrap();
    assert_eq!(pair.event().await, Event::Gone);
}

#[tokio::test]
async fn an_unfinished_request_body_does_not_hide_leaving() {
    let mut pair = tcp().await;
    pair.send("POST /park HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345").await;
    let _feed = pair.feeds.recv().await.unwrap();
    assert_eq!(pair.event().await, Event::Asked("/park".into()));
    pair.client.shutdown().await.unwrap();
    assert_eq!(pair.event().await, Event::Gone);
}

#[tokio::test]
async fn bytes_that_hyper_waits_for_are_left_to_it() {
    let mut pair = tcp().await;
    for path in ["/hold", "/hold"] {
        pair.send(format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n")).await;
        assert_eq!(pair.event().await, Event::Asked(path.into()));
        for byte in ["a", "b", "c"] {
            pair.send(byte).await;
            tokio::task::yield_now().await;
        }
        pair.read_to("abc").await;
    }
}

#[tokio::test]
async fn a_failed_service_ends_the_connection() {
    let mut pair = tcp().await;
    pair.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345").await;
    pair.client.shutdown().await.unwrap();
    assert_eq!(pair.read_to_end().await, "");
}

#[tokio::test(start_paused = true)]
async fn parking_from_elsewhere_starts_the_watch() {
    let mut pair = duplex(4096);
    pair.get("/stream").await;
    let feed = pair.feeds.recv().await.unwrap();
    let handle = pair.handles.recv().await.unwrap();
    feed.send((1, "x".into())).unwrap();
    pair.read_to("x\r\n").await;
    assert_eq!(pair.event().await, Event::Asked("/stream".into()));
    assert_eq!(pair.event().await, Event::Written(vec![1]));
    pair.client.shutdown().await.unwrap();
    settle().await;
    assert!(pair.events.try_recv().is_err());
    let _parked = handle.park();
    assert_eq!(pair.event().await, Event::Gone);
    assert_eq!(pair.event().await, Event::Ended);
}

#[tokio::test]
async fn half_closed_short_requests_are_served() {
    let mut pair = tcp().await;
    pair.send("GET /short HTTP/1.1\r\nHost: a\r\n\r\n").await;
    pair.client.shutdown().await.unwrap();
    assert!(pair.read_to_end().await.ends_with("/short"));

    let mut pair = tcp().await;
    pair.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").await;
    pair.client.shutdown().await.unwrap();
    assert!(pair.read_to_end().await.ends_with("abc"));
}

#[tokio::test(start_paused = true)]
async fn a_half_closed_stream_without_receiver_goes_on() {
    let mut pair = duplex(4096);
    pair.get("/stream").await;
    let feed = pair.feeds.recv().await.unwrap();
    pair.client.shutdown().await.unwrap();
    settle().await;
    feed.send((1, "late".into())).unwrap();
    drop(feed);
    assert!(pair.read_to_end().await.ends_with("4\r\nlate\r\n0\r\n\r\n"));
}

#[tokio::test(start_paused = true)]
async fn requests_read_ahead_are_served_afterwards() {
    let (mut pair, feed) = parked_in_memory().await;
    pair.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").await;
    pair.get("/second").await;
    pair.send("GET /thi").await;
    settle().await;
    feed.send((1, "first".into())).unwrap();
    pair.read_to("first\r\n").await;
    assert_eq!(pair.event().await, Event::Written(vec![1]));
    drop(feed);
    pair.read_to("abc").await;
    pair.read_to("/second").await;
    pair.send("rd HTTP/1.1\r\nHost: a\r\n\r\n").await;
    pair.read_to("/third").await;
}

#[tokio::test(start_paused = true)]
async fn what_fills_the_side_buffer_waits() {
    let mut pair = duplex(64);
    pair.get("/park").await;
    let feed = pair.feeds.recv().await.unwrap();
    let request = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
    let requests = request.repeat(1000);
    // Nothing takes these but the side buffer and the stream's own 64 bytes.
    pair.send(&requests[..16 * 1024 + 64]).await;
    settle().await;
    assert!(matches!(pair.event().await, Event::Asked(path) if path == "/park"));
    assert!(pair.events.try_recv().is_err());
    drop(feed);
    pair.read_to("0\r\n\r\n").await;
    let (mut read, mut write) = tokio::io::split(&mut pair.client);
    let (_, answers) = tokio::join!(
        async {
            write.write_all(&requests.as_bytes()[16 * 1024 + 64..]).await.unwrap();
            write.shutdown().await.unwrap();
        },
        async {
            let mut answers = String::new();
            read.read_to_string(&mut answers).await.unwrap();
            answers
        }
    );
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 1000);
}

#[tokio::test]
async fn graceful_shutdown_lets_the_response_end() {
    let (mut pair, feed) = parked().await;
    feed.send((1, "x".into())).unwrap();
    pair.read_to("x\r\n").await;
    pair.drain.notify_one();
    feed.send((2, "y".into())).unwrap();
    drop(feed);
    assert!(pair.read_to_end().await.ends_with("y\r\n0\r\n\r\n"));
}
