//! What becomes of early bytes in an upgrade.

use hyper::upgrade::Upgraded;

use super::{super::Stream, *};

/// Sends this, then what comes back, until the end.
pub(super) async fn echo(stream: Stream, front: &[u8]) {
    let (mut read, mut write) = tokio::io::split(TokioIo::new(stream));
    write.write_all(front).await.unwrap();
    tokio::io::copy(&mut read, &mut write).await.unwrap();
    write.shutdown().await.unwrap();
}

const REQUEST: &str =
    "GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";

#[tokio::test]
async fn early_bytes_belong_to_the_upgrade() {
    let mut pair = tcp().await;
    pair.send(format!("{REQUEST}early\n\nbytes")).await;
    assert!(pair.read_to("\r\n\r\n").await.starts_with("HTTP/1.1 101 "));
    pair.read_to("early\n\nbytes").await;
    pair.send(" and later ones").await;
    pair.read_to(" and later ones").await;
    assert_eq!(pair.event().await, Event::Asked("/upgrade".into()));
    assert_eq!(pair.event().await, Event::Ended);
    assert_eq!(pair.event().await, Event::Opened(0));
    pair.client.shutdown().await.unwrap();
    assert_eq!(pair.read_to_end().await, "");
}

fn held() -> String {
    REQUEST.replace("/upgrade", "/held")
}

#[tokio::test]
async fn an_answer_held_back_is_written_by_the_streams_new_owner() {
    let mut pair = tcp().await;
    pair.send(held()).await;
    let answer = pair.read_to("\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 101 "));
    assert_eq!(pair.event().await, Event::Asked("/held".into()));
    assert_eq!(pair.event().await, Event::Ended);
    assert_eq!(pair.event().await, Event::Opened(answer.len()));
    pair.send("x").await;
    pair.read_to("x").await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_can_be_held_back_only_when_all_before_it_has_left() {
    let mut pair = duplex(1000);
    pair.get("/stream").await;
    let feed = pair.feeds.recv().await.unwrap();
    assert_eq!(pair.event().await, Event::Asked("/stream".into()));
    feed.send((1, vec![b'x'; 4000].into())).unwrap();
    drop(feed);
    assert_eq!(pair.event().await, Event::Gone);
    pair.send(held()).await;
    settle().await;
    assert!(pair.events.try_recv().is_err(), "three quarters of the chunk are not written");
    pair.read_to("\r\n0\r\n\r\n").await;
    assert_eq!(pair.event().await, Event::Written(vec![1]));
    assert_eq!(pair.event().await, Event::Asked("/held".into()));
    assert!(pair.read_to("\r\n\r\n").await.starts_with("HTTP/1.1 101 "));
}

#[tokio::test]
async fn an_answer_that_is_not_the_last_is_not_held_back() {
    let mut pair = tcp().await;
    pair.get("/unheld").await;
    pair.read_to("no").await;
    pair.get("/next").await;
    pair.read_to("/next").await;
}

#[tokio::test(start_paused = true)]
async fn bytes_read_ahead_belong_to_the_upgrade() {
    let (mut pair, feed) = parked_in_memory().await;
    let early = "x".repeat(15_000);
    pair.send(format!("{REQUEST}{early}!")).await;
    settle().await;
    feed.send((1, "x".into())).unwrap();
    assert_eq!(pair.event().await, Event::Written(vec![1]));
    drop(feed);
    pair.read_to("0\r\n\r\n").await;
    assert!(pair.read_to("\r\n\r\n").await.starts_with("HTTP/1.1 101 "));
    assert_eq!(pair.read_to("!").await, early + "!");
}

#[tokio::test]
async fn an_upgrade_read_as_it_is_has_them_too() {
    let (server, mut client) = tokio::io::duplex(4096);
    let (sent, mut upgraded) = mpsc::unbounded_channel::<Upgraded>();
    let service = service_fn(move |request: Request<Incoming>| {
        let sent = sent.clone();
        tokio::spawn(async move { sent.send(hyper::upgrade::on(request).await.unwrap()) });
        let mut response = Response::new(Full::new(Bytes::new()));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        async { Ok::<_, Infallible>(response) }
    });
    let config = ConnectionConfig::default();
    let io = TokioIo::new(server);
    tokio::spawn(serve_connection::<_, _, _, u32>(
        io,
        service,
        config,
        Arc::new(TokioTimer::new()),
    ));
    client.write_all(format!("{REQUEST}early\n\nbytes").as_bytes()).await.unwrap();
    let mut upgraded = TokioIo::new(upgraded.recv().await.unwrap());
    let mut read = [0; 12];
    upgraded.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"early\n\nbytes");
}

#[tokio::test]
async fn an_upgrade_of_a_foreign_server_works() {
    let (server, mut client) = tokio::io::duplex(4096);
    let service = service_fn(|request: Request<Incoming>| {
        tokio::spawn(async move {
            echo(Stream::from(hyper::upgrade::on(request).await.unwrap()), b"").await;
        });
        let mut response = Response::new(Full::new(Bytes::new()));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        async { Ok::<_, Infallible>(response) }
    });
    let serving = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(server), service)
        .with_upgrades();
    tokio::spawn(serving);
    client.write_all(format!("{REQUEST}early").as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();
    let mut read = String::new();
    client.read_to_string(&mut read).await.unwrap();
    assert!(read.ends_with("early"), "{read}");
}
