//! The server that the conformance and browser tests run against (PROTOCOL §9).
//!
//! `conformance-server --runtime tokio --listen 127.0.0.1:8081`
#![forbid(unsafe_code)]

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use sockjs_tests::options::Options;
use sockjs_tests::services::services;
use sockjs_tokio::{CloseReason, Tokio};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let run = Options::parse(std::env::args().skip(1)).and_then(|options| {
        match options.runtime.as_str() {
            "tokio" => run_on_tokio(&options).map_err(|error| error.to_string()),
            other => Err(format!("--runtime: {other:?} is none of: tokio")),
        }
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
    let listener = TcpListener::bind(options.listen).await?;
    let mut terminated = signal(SignalKind::terminate())?;
    println!("listening on http://{}", listener.local_addr()?);
    let services = services::<Tokio>(options);
    let drained = services.clone();
    let head_timeout = options.head_timeout;
    sockjs_tokio::serve(listener, services)
        .with_limits(|limits| limits.read_timeout = head_timeout)
        .with_graceful_shutdown(async move {
            terminated.recv().await;
            drained.shutdown(CloseReason::SERVER_GOING_AWAY, Duration::from_secs(1)).await;
        })
        .await
}
