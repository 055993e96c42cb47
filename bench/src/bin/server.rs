//! The server that is measured, with default settings: `bench-server --runtime tokio`.
//!
//! Services: `/echo`, `/broadcast`, and `/close`, which closes each session at once.
#![forbid(unsafe_code)]

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

use lexopt::prelude::*;
use sockjs_bench::Result;
use sockjs_driver::{Broadcast, Builder, CloseReason, Runtime, Services, Session, SockJs};

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// What departs from the defaults, to measure sessions that would otherwise be refused or gone.
#[derive(Default)]
struct Options {
    disconnect_delay: Option<Duration>,
    sessions: Option<usize>,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut options = Options::default();
    let mut runtime = String::from("tokio");
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("runtime") => runtime = parser.value()?.string()?,
            Long("disconnect-delay") => {
                options.disconnect_delay = Some(Duration::from_secs(parser.value()?.parse()?));
            }
            Long("sessions") => options.sessions = Some(parser.value()?.parse()?),
            Long("end-with-input") => end_with_input(),
            _ => return Err(argument.unexpected().into()),
        }
    }
    match runtime.as_str() {
        "tokio" => run_on_tokio(&options),
        "async-std" => async_std::task::block_on(run_on_async_std(&options)),
        _ => Err("--runtime: known are tokio, async-std".into()),
    }
}

/// Ends this process when its input does, and in order: a profile of its use is written at the end.
fn end_with_input() {
    thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        process::exit(0)
    });
}

#[tokio::main(flavor = "current_thread")]
async fn run_on_tokio(options: &Options) -> Result<()> {
    let listener = tokio::net::TcpListener::bind(ANY_PORT).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let services: sockjs_tokio::Services = services(options);
    Ok(sockjs_tokio::serve(listener, services).await?)
}

async fn run_on_async_std(options: &Options) -> Result<()> {
    let listener = async_std::net::TcpListener::bind(ANY_PORT).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let services: sockjs_async_std::Services = services(options);
    Ok(sockjs_async_std::serve(listener, services).await?)
}

fn services<R: Runtime + Default>(options: &Options) -> Services<R> {
    let describe = |prefix: &str| describe::<R>(prefix, options);
    Services::new([
        describe("/echo").build(echo),
        describe("/close").build(|session| async move { session.close(CloseReason::GO_AWAY) }),
        broadcast(describe("/broadcast")),
    ])
}

fn describe<R: Runtime + Default>(prefix: &str, options: &Options) -> Builder<R> {
    let mut builder = SockJs::builder(prefix);
    if let Some(delay) = options.disconnect_delay {
        builder = builder.disconnect_delay(delay);
    }
    builder.limits(|limits| {
        if let Some(sessions) = options.sessions {
            limits.sessions = sessions;
        }
    })
}

async fn echo(mut session: Session) {
    while let Some(message) = session.recv().await {
        if session.send(message).await.is_err() {
            break;
        }
    }
}

fn broadcast<R: Runtime>(builder: Builder<R>) -> SockJs<R> {
    let everyone = Arc::new(Broadcast::new());
    builder.build(move |mut session| {
        let everyone = everyone.clone();
        async move {
            everyone.join(&session);
            while let Some(message) = session.recv().await {
                let _ = everyone.send(message);
            }
            everyone.leave(&session);
        }
    })
}
