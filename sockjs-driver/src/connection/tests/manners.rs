//! PROTOCOL §8.

use super::*;

/// All of what a request is answered on a connection that the client then half closes.
async fn answer(request: &str) -> String {
    let mut pair = tcp().await;
    pair.send(request).await;
    pair.client.shutdown().await.unwrap();
    pair.read_to_end().await
}

#[tokio::test]
async fn malformed_heads_are_answered_400_and_close() {
    for head in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / HTTP/9.9\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nNo colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nSpace : x\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 2\r\n\r\nab",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nCONTENT-LENGTH: 5\r\n\r\n0\r\n\r\n",
    ] {
        // A request that could follow, were the first believed.
        let read = answer(&format!("{head}GET /next HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        let version = if head.contains("1.0") { "1.0" } else { "1.1" };
        let (status, fields) = read.split_once("\r\n").unwrap();
        // An answer of hyper's own is always of version 1.1.
        assert!(status.ends_with(" 400 Bad Request"), "{head}{read}");
        assert!(!fields.contains("HTTP/1."), "{head}{read}");
        assert!(version == "1.0" || fields.contains("connection: close\r\n"), "{head}{read}");
    }
}

#[tokio::test]
async fn lines_of_other_messages_are_not_taken_for_the_heads() {
    let chunked = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let sized = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n";
    let field = "\r\nContent-Length: 1\r\n";
    assert_eq!(field.len(), 21);
    let requests = [
        format!("{sized}{}", &field[1..]),
        format!("{chunked}15\r\n{field}\r\n0\r\nTrailer: x\r\n\r\n"),
        format!("{chunked}15;extension=\"\\\"\"\r\n{field}\r\n0\r\n\r\n"),
        format!("{sized}{}", &field[..20]),
        format!("{chunked}1\r\nx\r\n0\r\n\r\n"),
        "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(),
    ]
    .concat();
    let whole = answer(&requests).await;
    assert_eq!(whole.matches("HTTP/1.1 200 OK").count(), 6, "{whole}");

    let mut pair = tcp().await;
    for byte in requests.as_bytes() {
        pair.send([*byte]).await;
        tokio::task::yield_now().await;
    }
    let read = pair.read_to_end().await;
    assert_eq!(read.matches("HTTP/1.1 200 OK").count(), 6, "{read}");
}

#[tokio::test]
async fn http_1_0_gets_no_chunks_and_no_empty_promise() {
    let fed = async |connection: &str| {
        let mut pair = tcp().await;
        pair.send(format!("GET /stream HTTP/1.0\r\nHost: a\r\n{connection}\r\n")).await;
        let feed = pair.feeds.recv().await.unwrap();
        feed.send((1, "streamed".into())).unwrap();
        drop(feed);
        pair.read_to_end().await
    };
    for connection in ["", "Connection: keep-alive\r\n"] {
        let read = fed(connection).await;
        assert!(read.starts_with("HTTP/1.0 200 OK\r\n"), "{read}");
        assert!(read.ends_with("\r\n\r\nstreamed"), "{read}");
        assert!(!read.contains("transfer-encoding") && !read.contains("keep-alive"), "{read}");
    }
}

#[tokio::test]
async fn http_1_0_keeps_alive_when_asked_and_able() {
    let mut pair = tcp().await;
    for path in ["/a", "/b"] {
        pair.send(format!("GET {path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")).await;
        let read = pair.read_to(path).await;
        assert!(read.starts_with("HTTP/1.0 200 OK\r\n"), "{read}");
        assert!(read.contains("connection: keep-alive\r\n"), "{read}");
        assert!(read.contains("content-length: 2\r\n"), "{read}");
    }
    pair.send("GET /c HTTP/1.0\r\n\r\n").await;
    let read = pair.read_to_end().await;
    assert!(read.ends_with("/c") && !read.contains("keep-alive"), "{read}");
}

#[tokio::test]
async fn continue_is_said_when_the_body_is_wanted() {
    let mut pair = tcp().await;
    let head = "HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    pair.send(format!("POST /echo {head}")).await;
    assert_eq!(pair.read_to("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    pair.send("abc").await;
    assert!(pair.read_to("abc").await.starts_with("HTTP/1.1 200 OK\r\n"));
    pair.send(format!("POST /unwanted {head}")).await;
    assert!(pair.read_to("/unwanted").await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn an_answer_outlives_an_unread_body() {
    let mut pair = duplex(4096);
    pair.send("POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n").await;
    pair.read_to("/refused").await;
    // A socket would be reset by what comes after the end, and take the answer along.
    pair.send(vec![b'x'; 2_000_000]).await;
    pair.client.shutdown().await.unwrap();
    assert_eq!(pair.read_to_end().await, "");
    while pair.event().await != Event::Ended {}
}

#[tokio::test]
async fn an_endless_body_is_not_swallowed() {
    let mut pair = duplex(4096);
    pair.send("POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000000\r\n\r\n").await;
    pair.read_to("/refused").await;
    assert!(pair.client.write_all(&vec![b'x'; 5_000_000]).await.is_err());
    while pair.event().await != Event::Ended {}
}

#[tokio::test]
async fn connection_close_closes() {
    let mut pair = tcp().await;
    pair.send("GET /short HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let read = pair.read_to_end().await;
    assert!(read.contains("connection: close\r\n") && read.ends_with("/short"), "{read}");
}
