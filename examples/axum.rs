//! A SockJS service beside the routes of an axum router, sharing its state:
//! `cargo run --example axum`, then open <http://127.0.0.1:8081/>.
//!
//! A service looks at the whole path, its own prefix included. So it is the router's fallback, and
//! not nested: `nest` would cut the prefix off. Several go together in a `Services`.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use sockjs_tokio::{Session, SockJs};
use tokio::net::TcpListener;

/// What the routes and the sessions share.
#[derive(Default)]
struct Visits(AtomicU64);

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let visits = Arc::new(Visits::default());
    let router = router(visits);
    let listener = TcpListener::bind("127.0.0.1:8081").await?;
    println!("listening on http://{}/", listener.local_addr()?);
    // Our own server rather than `axum::serve`: it knows what was flushed to the socket and sees
    // at once when a client leaves.
    sockjs_tokio::serve(listener, router).await
}

fn router(visits: Arc<Visits>) -> Router {
    let of_sessions = visits.clone();
    let count = SockJs::builder("/count").build(move |session| tell(session, of_sessions.clone()));
    Router::new().route("/", get(page)).with_state(visits).fallback_service(count)
}

async fn page(State(visits): State<Arc<Visits>>) -> String {
    let number = visits.0.fetch_add(1, Ordering::Relaxed) + 1;
    format!("Visit number {number}. The SockJS service is at /count.\n")
}

/// Answers every message with the number of visits so far.
async fn tell(mut session: Session, visits: Arc<Visits>) {
    while session.recv().await.is_some() {
        let number = visits.0.load(Ordering::Relaxed);
        if session.send(number.to_string()).await.is_err() {
            break;
        }
    }
}
