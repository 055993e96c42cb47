//! Layers of tower-http around a SockJS service: `cargo run --example layers`.
#![forbid(unsafe_code)]

use http::{Extensions, HeaderMap, Request, Response, StatusCode, Version};
use sockjs_tokio::{Body, OriginPolicy, SockJs};
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};
use tower_http::request_id::{
    MakeRequestUuid, PropagateRequestIdLayer, RequestId, SetRequestIdLayer,
};
use tower_http::validate_request::ValidateRequestHeaderLayer;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:8081").await?;
    println!("listening on http://{}/who", listener.local_addr()?);
    run(listener).await
}

/// Where the pages are that use the service, and what else is served here.
const PAGES: &str = "http://127.0.0.1:8080";

/// Who sends a request.
#[derive(Clone)]
struct User(String);

/// Serves a service that tells each session its user, and the id of the request that opened it.
pub async fn run(listener: TcpListener) -> std::io::Result<()> {
    // The layer only sets headers: whose pages are let in is the service's to say.
    let origins = OriginPolicy::AllowList(vec![PAGES.into()]);
    let who = SockJs::builder("/who").origins(origins).build(|session| async move {
        let extensions = session.info().extensions();
        let user = extensions.get::<User>().map(|user| user.0.as_str());
        let id = extensions.get::<RequestId>().and_then(|id| id.header_value().to_str().ok());
        let told = format!("{} by {}", user.unwrap_or_default(), id.unwrap_or_default());
        let _ = session.send(told).await;
    });
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::exact(http::HeaderValue::from_static(PAGES)))
        .allow_methods(AllowMethods::mirror_request())
        .allow_headers(AllowHeaders::mirror_request())
        .allow_credentials(true);
    // Answers of sessions say `no-transform`: small frames gain nothing from being compressed.
    let compression =
        CompressionLayer::new().compress_when(DefaultPredicate::new().and(may_be_transformed));
    let service = ServiceBuilder::new()
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(PropagateRequestIdLayer::x_request_id())
        // Around the last, for preflights say nothing of who sends them.
        .layer(cors)
        .layer(compression)
        .layer(ValidateRequestHeaderLayer::custom(identify))
        .service(who);
    sockjs_tokio::serve(listener, service).await
}

/// Lets in who gives a name. A service for browsers would look at a cookie.
#[expect(clippy::result_large_err)] // It is the layer that wants a response.
fn identify<B>(request: &mut Request<B>) -> Result<(), Response<Body>> {
    let user = request.headers().get("x-user").and_then(|user| user.to_str().ok());
    let Some(user) = user.map(|user| User(user.to_owned())) else {
        let mut refusal = Response::new(Body::default());
        *refusal.status_mut() = StatusCode::UNAUTHORIZED;
        return Err(refusal);
    };
    request.extensions_mut().insert(user);
    Ok(())
}

fn may_be_transformed(_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    let control = headers.get(http::header::CACHE_CONTROL).and_then(|value| value.to_str().ok());
    !control.is_some_and(|control| control.contains("no-transform"))
}
