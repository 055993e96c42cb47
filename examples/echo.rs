//! Sends every message back: `cargo run --example echo`.
//!
//! The service answers at <http://127.0.0.1:8081/echo>.
#![forbid(unsafe_code)]

use sockjs_tokio::{OriginPolicy, SockJs};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    // Open to the pages of any site; the default is those of the same origin.
    let builder = SockJs::builder("/echo").origins(OriginPolicy::Any);
    let echo = builder.build(|mut session| async move {
        while let Some(message) = session.recv().await {
            if session.send(message).await.is_err() {
                break;
            }
        }
    });
    let listener = TcpListener::bind("127.0.0.1:8081").await?;
    println!("listening on http://{}/echo", listener.local_addr()?);
    sockjs_tokio::serve(listener, echo).await
}
