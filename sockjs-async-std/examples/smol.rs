//! Sends every message back, on smol:
//! `cargo run --no-default-features --features smol --example smol`.
//!
//! The service answers at <http://127.0.0.1:8081/echo>.
#![forbid(unsafe_code)]

use std::time::Duration;

use async_signal::{Signal, Signals};
use futures_util::StreamExt;
use smol::net::TcpListener;
use sockjs_async_std::smol::{SockJs, serve};
use sockjs_async_std::{CloseReason, OriginPolicy};

fn main() -> std::io::Result<()> {
    smol::block_on(async {
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

        let mut signals = Signals::new([Signal::Int, Signal::Term])?;
        let drained = echo.clone();
        serve(listener, echo)
            .with_graceful_shutdown(async move {
                signals.next().await;
                let reason = CloseReason::SERVER_GOING_AWAY;
                drained.shutdown(reason, Duration::from_secs(5)).await;
            })
            .await
    })
}
