//! A SockJS service in an accept loop over hyper: `cargo run --example hyper`.
//!
//! `sockjs_tokio::serve` does this and more: it knows what was flushed to the socket, sees at once
//! when a client leaves, and has limits.
#![forbid(unsafe_code)]

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use sockjs_tokio::{PeerAddr, SockJs};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:8081").await?;
    println!("listening on http://{}/echo", listener.local_addr()?);
    accept(listener).await
}

/// Accepts connections for ever.
pub async fn accept(listener: TcpListener) -> std::io::Result<()> {
    let echo = SockJs::builder("/echo").build(|mut session| async move {
        while let Some(message) = session.recv().await {
            if session.send(message).await.is_err() {
                break;
            }
        }
    });
    loop {
        let (stream, peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let echo = echo.clone();
        let service = hyper::service::service_fn(move |mut request| {
            // So that sessions know where they come from.
            request.extensions_mut().insert(PeerAddr(peer));
            hyper::service::Service::call(&echo, request)
        });
        let connection = http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            // Or else no WebSockets.
            .with_upgrades();
        tokio::spawn(async move {
            // A connection's failure is nobody else's.
            let _ = connection.await;
        });
    }
}
