//! The services of the conformance server (PROTOCOL §9), on any runtime.

use std::io;
use std::time::Duration;

use http::header::HOST;
use sockjs_driver::{
    Broadcast, Builder, Channel, CloseReason, Multiplex, OriginPolicy, Runtime, Services, Session,
    SockJs, Transport,
};

use crate::options::Options;

/// The services, configured by the options.
///
/// # Errors
/// If they are to be recorded and cannot be.
pub fn services<R: Runtime + Default>(options: &Options) -> io::Result<Services<R>> {
    let recording = options.recording()?;
    let open = |prefix: &str| match &recording {
        Some(recording) => describe::<R>(prefix, options).record(recording),
        None => describe::<R>(prefix, options),
    };
    let limited = |prefix: &str| open(prefix).response_limit(options.response_limit);
    Ok(Services::new([
        limited("/echo").build(echo),
        limited("/a/b/echo").build(echo),
        open("/disabled_websocket_echo").without(Transport::Websocket).build(echo),
        open("/cookie_needed_echo").jsessionid().build(echo),
        open("/xhr_only_echo").transports([Transport::Xhr]).build(echo),
        open("/same_origin_echo").origins(OriginPolicy::SameOrigin).build(echo),
        open("/tombstone_echo").tombstones(Duration::from_secs(60)).build(echo),
        open("/base_url_echo").base_url("http://node1.example.com/base_url_echo").build(echo),
        open("/close").build(|session| async move { session.close(CloseReason::GO_AWAY) }),
        open("/evil_close").build(evil_close),
        open("/send_then_close").build(send_then_close),
        open("/amplify").build(amplify),
        open("/ticker").build(ticker::<R>),
        open("/slow").limits(|limits| limits.inbox_bytes = 4096).build(slow),
        open("/panic").build(panics),
        broadcast(limited("/broadcast")),
        multiplex(open("/multiplex")),
    ]))
}

fn describe<R: Runtime + Default>(prefix: &str, options: &Options) -> Builder<R> {
    let builder = SockJs::builder(prefix)
        .origins(OriginPolicy::Any)
        .heartbeat_delay(options.heartbeat)
        .disconnect_delay(options.disconnect)
        .client_url(options.client_url.clone())
        .limits(|limits| limits.body_timeout = options.body_timeout);
    let Some(node) = &options.node else { return builder };
    let path = format!("/{node}{prefix}");
    builder.jsessionid().base_url_with(move |head| {
        let host = head.headers.get(HOST).and_then(|host| host.to_str().ok());
        format!("http://{}{path}", host.unwrap_or_default())
    })
}

async fn echo(mut session: Session) {
    while let Some(message) = session.recv().await {
        if session.send(message).await.is_err() {
            break;
        }
    }
}

async fn send_then_close(mut session: Session) {
    if session.recv().await.is_some() {
        for message in ["a", "b", "c"] {
            let _ = session.send(message).await;
        }
        session.close(CloseReason::new(4001, "done"));
    }
}

/// Closes with a reason that is script where it is not escaped.
async fn evil_close(mut session: Session) {
    if session.recv().await.is_some() {
        session.close(CloseReason::new(4000, "</script>\u{2028}\"]"));
    }
}

/// Message `n` is answered by 2^n times `x`; anything but 1 to 18 counts as 1.
async fn amplify(mut session: Session) {
    while let Some(message) = session.recv().await {
        let asked = message.as_text().and_then(|text| text.trim().parse().ok());
        let power = asked.filter(|n| (1..=18).contains(n)).unwrap_or(1);
        if session.send("x".repeat(1 << power)).await.is_err() {
            break;
        }
    }
}

async fn ticker<R: Runtime + Default>(session: Session) {
    while session.send("tick!").await.is_ok() {
        R::default().sleep(Duration::from_secs(1)).await;
    }
}

/// Opens and never takes a message.
async fn slow(session: Session) {
    session.closed().await;
}

async fn panics(mut session: Session) {
    if session.recv().await.is_some() {
        panic!("the /panic service panics on its first message");
    }
}

fn broadcast<R: Runtime>(builder: Builder<R>) -> SockJs<R> {
    let everyone = Broadcast::new();
    builder.build(move |mut session| {
        let everyone = everyone.clone();
        async move {
            everyone.join(&session);
            while let Some(message) = session.recv().await {
                // A member that lags misses a message here, as it would with other servers.
                let _ = everyone.send(message);
            }
        }
    })
}

/// Two topics that say `ready` and echo, and one that says two things and ends.
fn multiplex<R: Runtime>(builder: Builder<R>) -> SockJs<R> {
    let multiplex = Multiplex::new()
        .topic("echo", echo_on_channel)
        .topic("a,b%20 ä€😀\u{2028}", echo_on_channel)
        .topic("greeting", |channel: Channel| async move {
            for message in ["hello", "a,b,,c"] {
                let _ = channel.send(message).await;
            }
        });
    builder.build(move |session| multiplex.clone().run(session))
}

async fn echo_on_channel(mut channel: Channel) {
    let mut answer = Some("ready".into());
    while let Some(message) = answer {
        if channel.send(message).await.is_err() {
            break;
        }
        answer = channel.recv().await;
    }
}
