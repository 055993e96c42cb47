//! Layers of tower-http around a SockJS service: `cargo run --example layers`.
#![forbid(unsafe_code)]

use http::{Extensions, HeaderMap, StatusCode, Version};
use sockjs_tokio::SockJs;
use tokio::net::TcpListener;
use tower::Layer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate};
use tower_http::request_id::{
    MakeRequestUuid, PropagateRequestIdLayer, RequestId, SetRequestIdLayer,
};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:8081").await?;
    println!("listening on http://{}/who", listener.local_addr()?);
    run(listener).await
}

/// Serves a service that tells each session the id of the request that opened it.
pub async fn run(listener: TcpListener) -> std::io::Result<()> {
    let who = SockJs::builder("/who").build(|session| async move {
        let id = session.info().extensions().get::<RequestId>();
        let id = id.and_then(|id| id.header_value().to_str().ok()).unwrap_or_default().to_owned();
        let _ = session.send(id).await;
    });
    // Answers of sessions say `no-transform`: small frames gain nothing from being compressed.
    let compression =
        CompressionLayer::new().compress_when(DefaultPredicate::new().and(may_be_transformed));
    let service = PropagateRequestIdLayer::x_request_id().layer(compression.layer(who));
    let service = SetRequestIdLayer::x_request_id(MakeRequestUuid).layer(service);
    sockjs_tokio::serve(listener, service).await
}

fn may_be_transformed(_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    let control = headers.get(http::header::CACHE_CONTROL).and_then(|value| value.to_str().ok());
    !control.is_some_and(|control| control.contains("no-transform"))
}
