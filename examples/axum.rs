//! A SockJS service nested in an axum router: its state, what its middleware found out, and a
//! parameter of the path reach the sessions. `cargo run --example axum`; the rooms are at
//! <http://127.0.0.1:8081/rooms/{any}/chat>.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use sockjs_tokio::{Session, SockJs};
use tokio::net::TcpListener;
use tower::Layer;

/// What the routes and the sessions share.
#[derive(Debug, Default)]
pub struct Counts {
    messages: AtomicU64,
}

/// Who a request is from, and for which room it is.
#[derive(Clone)]
struct Visitor {
    name: String,
    room: String,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:8081").await?;
    println!("listening on http://{}/", listener.local_addr()?);
    // Our own server rather than `axum::serve`: it knows what was flushed to the socket and sees
    // at once when a client leaves.
    sockjs_tokio::serve(listener, router(Arc::default())).await
}

/// `/`, and a service below each room.
pub fn router(counts: Arc<Counts>) -> Router {
    let of_sessions = counts.clone();
    let chat = SockJs::builder("/rooms/{room}/chat")
        // The router cuts that off.
        .nested()
        .build(move |session| chat(session, of_sessions.clone()));
    Router::new()
        .route("/", get(page))
        .with_state(counts)
        .nest_service("/rooms/{room}/chat", from_fn(find_visitor).layer(chat))
}

async fn page(State(counts): State<Arc<Counts>>) -> String {
    format!("{} messages so far\n", counts.messages.load(Ordering::Relaxed))
}

/// Extractors run here; what they find goes to the session with the request's extensions.
async fn find_visitor(Path(room): Path<String>, mut request: Request, next: Next) -> Response {
    let name = request.headers().get("x-user").and_then(|name| name.to_str().ok());
    let name = name.unwrap_or("somebody").to_owned();
    request.extensions_mut().insert(Visitor { name, room });
    next.run(request).await
}

/// Sends each message back, with who said it and where.
async fn chat(mut session: Session, counts: Arc<Counts>) {
    let Some(visitor) = session.info().extensions().get::<Visitor>().cloned() else { return };
    while let Some(message) = session.recv().await {
        counts.messages.fetch_add(1, Ordering::Relaxed);
        let said = message.as_text().unwrap_or_default();
        let line = format!("{} in {}: {said}", visitor.name, visitor.room);
        if session.send(line).await.is_err() {
            break;
        }
    }
}
