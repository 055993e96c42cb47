//! The demo: a chat page that shows its transport, its round-trip time and the frames going by, and a
//! page of live statistics.
//!
//! `cargo run --release --example demo`, then open <http://127.0.0.1:8080>. With `--listen ADDR` it
//! listens elsewhere. All files are in the program; it needs no network beyond the page's own.
#![forbid(unsafe_code)]

mod chat;
mod files;
mod stats;

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use sockjs_tokio::{CloseReason, Services, SockJs};
use tokio::net::TcpListener;

use crate::chat::Room;
use crate::stats::Feed;

const USAGE: &str = "usage: demo [--listen ADDR:PORT]";
/// How long the sessions may take to end after a signal.
const DRAIN_TIME: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => SocketAddr::from(([127, 0, 0, 1], 8080)),
        [option, address] if option == "--listen" => address.parse()?,
        _ => return Err(USAGE.into()),
    };

    // First, for services take their meters from the recorder that is there.
    let feed = Feed::install()?;
    let room = Room::default();
    let chat = SockJs::builder("/chat")
        // The iframe transports load the client in an iframe, and it must be the page's.
        .client_url("/demo/vendor/sockjs.min.js")
        // Everyone is told everyone's name, so a room has an end.
        .limits(|limits| limits.sessions = 1_000)
        .build(move |session| room.clone().serve(session));
    let watching = feed.clone();
    let watch = SockJs::builder("/stats/feed")
        .client_url("/demo/vendor/sockjs.min.js")
        .limits(|limits| limits.sessions = 100)
        .build(move |session| watching.clone().serve(session));
    let services = Services::new([chat, watch]);
    let router = files::router().fallback_service(services.clone());

    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let serve = sockjs_tokio::serve(listener, router);
    tokio::spawn(feed.run(services.clone(), serve.connections()));
    serve
        .with_graceful_shutdown(async move {
            asked_to_end().await;
            services.shutdown(CloseReason::SERVER_GOING_AWAY, DRAIN_TIME).await;
        })
        // Whoever asks twice will not wait.
        .with_abort(async {
            asked_to_end().await;
            asked_to_end().await;
        })
        .await?;
    Ok(())
}

/// Waits for Ctrl-C or SIGTERM.
async fn asked_to_end() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    // Without a handler there is no signal to wait for.
    let _ = interrupted.await;
}
