//! Sends every message to everyone, and ends in order: `cargo run --example broadcast`.
//!
//! Shows groups, what to do with members that cannot follow, the report at a session's end, and a
//! graceful shutdown on Ctrl-C.
#![forbid(unsafe_code)]

use std::time::Duration;

use sockjs_tokio::{Broadcast, CloseReason, Local, OriginPolicy, Session, SockJs, WhenFull};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    // A member that misses a message shall not go on as if it had not: it is closed, and may come
    // back.
    let everyone = Broadcast::with(WhenFull::Close(CloseReason::SLOW_CONSUMER), Local);
    let service = SockJs::builder("/broadcast")
        .origins(OriginPolicy::Any)
        .build(move |session| serve(session, everyone.clone()));

    let listener = TcpListener::bind("127.0.0.1:8081").await?;
    println!("listening on http://{}/broadcast", listener.local_addr()?);
    let drained = service.clone();
    sockjs_tokio::serve(listener, service)
        .with_graceful_shutdown(async move {
            // Without a signal handler there is no order to keep: end as if the signal had come.
            let _ = tokio::signal::ctrl_c().await;
            let left =
                drained.shutdown(CloseReason::SERVER_GOING_AWAY, Duration::from_secs(5)).await;
            println!("draining: {left} sessions left");
        })
        .await
}

async fn serve(mut session: Session, everyone: Broadcast) {
    everyone.join(&session);
    while let Some(message) = session.recv().await {
        // The message is encoded once for all.
        let reached = everyone.send(message);
        println!("{} got it, {} were too slow", reached.count, reached.full.len());
    }
    // `recv` ends when the client has left, or when the session was closed here.
    session.close(CloseReason::GO_AWAY);
    let report = session.closed().await;
    println!(
        "{} ended ({:?}): {} accepted, {} confirmed, {} uncertain, {} unsent",
        session.transport(),
        report.cause,
        report.accepted,
        report.confirmed,
        report.uncertain(),
        report.unsent.len(),
    );
}
