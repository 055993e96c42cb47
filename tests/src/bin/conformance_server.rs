//! The server that the conformance and browser tests run against (PROTOCOL §9).
//!
//! `conformance-server --runtime tokio --listen 127.0.0.1:8081`
//!
//! SIGTERM ends it in order, a second one at once.
#![forbid(unsafe_code)]

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use async_signal::{Signal, Signals};
use futures_util::StreamExt;
use sockjs_driver::{CloseReason, ConnectionConfig, Runtime, Services};
use sockjs_tests::options::Options;
use sockjs_tests::services::services;

fn main() -> ExitCode {
    let run = Options::parse(std::env::args().skip(1)).and_then(|options| {
        let ran = match options.runtime.as_str() {
            "tokio" => run_on_tokio(&options),
            "async-std" => async_std::task::block_on(run_on_async_std(&options)),
            "smol" => smol::block_on(run_on_smol(&options)),
            other => {
                let known = "tokio, async-std, smol";
                return Err(format!("--runtime: {other:?} is none of: {known}"));
            }
        };
        ran.map_err(|error| error.to_string())
    });
    match run {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run_on_tokio(options: &Options) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let listener = tokio::net::TcpListener::bind(options.listen).await?;
    // Each gets every signal.
    let [mut first, mut both] =
        [signal(SignalKind::terminate())?, signal(SignalKind::terminate())?];
    announce(listener.local_addr()?);
    let services: sockjs_tokio::Services = services(options)?;
    sockjs_tokio::serve(listener, services.clone())
        .with_limits(limits(options))
        .with_graceful_shutdown(drain(services, options.drain, async move { first.recv().await }))
        .with_abort(async move {
            both.recv().await;
            both.recv().await;
        })
        .await
}

async fn run_on_async_std(options: &Options) -> io::Result<()> {
    let listener = async_std::net::TcpListener::bind(options.listen).await?;
    let [mut first, both] = [Signals::new([Signal::Term])?, Signals::new([Signal::Term])?];
    announce(listener.local_addr()?);
    let services: sockjs_async_std::Services = services(options)?;
    sockjs_async_std::serve(listener, services.clone())
        .with_limits(limits(options))
        .with_graceful_shutdown(drain(services, options.drain, async move { first.next().await }))
        .with_abort(second(both))
        .await
}

async fn run_on_smol(options: &Options) -> io::Result<()> {
    let listener = smol::net::TcpListener::bind(options.listen).await?;
    let [mut first, both] = [Signals::new([Signal::Term])?, Signals::new([Signal::Term])?];
    announce(listener.local_addr()?);
    let services: sockjs_async_std::smol::Services = services(options)?;
    sockjs_async_std::smol::serve(listener, services.clone())
        .with_limits(limits(options))
        .with_graceful_shutdown(drain(services, options.drain, async move { first.next().await }))
        .with_abort(second(both))
        .await
}

fn announce(address: SocketAddr) {
    println!("listening on http://{address}");
}

fn limits(options: &Options) -> impl FnOnce(&mut ConnectionConfig) + use<> {
    let head_timeout = options.head_timeout;
    move |limits| limits.read_timeout = head_timeout
}

/// Waits for the signal, then ends all sessions.
async fn drain<R: Runtime, T>(
    services: Services<R>,
    deadline: Duration,
    signal: impl Future<Output = T>,
) {
    signal.await;
    services.shutdown(CloseReason::SERVER_GOING_AWAY, deadline).await;
}

/// Waits for the second signal.
async fn second(mut signals: Signals) {
    signals.next().await;
    signals.next().await;
}
