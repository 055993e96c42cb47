//! A service in a loop over hyper's own connections.

use hyper::server::conn::http1;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use sockjs_tokio::Grade;
use tokio::net::TcpStream;

use super::support::{
    builder, every_way_works, handing_over, http2, listen, request, session_path, text,
};

#[tokio::test]
async fn hyper_serves_it() {
    let (service, mut sessions) = handing_over(builder("/app"));
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let connection = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service.clone())
                .with_upgrades();
            tokio::spawn(connection);
        }
    });
    let connect = || async { TcpStream::connect(address).await.expect("a connection") };
    every_way_works("/app", &mut sessions, connect).await;
}

#[tokio::test]
async fn hyper_serves_it_in_either_protocol() {
    let (service, mut sessions) = handing_over(builder("/app"));
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                let io = TokioIo::new(stream);
                server.serve_connection_with_upgrades(io, service).await
            });
        }
    });
    let connect = || async { TcpStream::connect(address).await.expect("a connection") };
    every_way_works("/app", &mut sessions, connect).await;

    let mut client = http2(connect().await).await;
    let uri = format!("http://h{}/xhr", session_path("/app"));
    let opening = client.send_request(request("POST", &uri, "")).await.expect("an answer");
    assert_eq!(text(opening).await, "o\n");
    let session = sessions.next().await;
    session.close(sockjs_tokio::CloseReason::GO_AWAY);
    let closing = client.send_request(request("POST", &uri, "")).await.expect("an answer");
    assert_eq!(text(closing).await, "c[3000,\"Go away!\"]\n");
    assert_eq!(session.closed().await.grade, Grade::Taken);
}
