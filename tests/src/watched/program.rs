//! The watched server's process.

use std::future::Future;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_signal::{Signal, Signals};
use futures_util::StreamExt;
use socket2::{Domain, Socket, Type};
use sockjs_async_std::AsyncStd;
use sockjs_driver::{CloseReason, ConnectionConfig, Connections, Runtime, Services, Stats};
use sockjs_tokio::Tokio;

use super::account::{Account, Command, Heap};
use super::runtime::{Counting, task_count};
use super::services::{Stage, services};
use super::settings::Settings;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;

/// Runs a watched server whose settings are the argument, as [`Watched`](super::Watched) writes
/// them. `heap` tells what the process has allocated.
pub fn main(settings: &str, heap: fn() -> Heap) -> ExitCode {
    // Without a backtrace, for which the process would keep its own symbols on the heap.
    std::panic::set_hook(Box::new(|info| eprintln!("{info}")));
    let ran =
        serde_json::from_str::<Settings>(settings).map_err(io::Error::from).and_then(|settings| {
            match settings.runtime.as_str() {
                "tokio" => run_on_tokio(&settings, heap),
                "async-std" => async_std::task::block_on(run_on_async_std(&settings, heap)),
                other => Err(io::Error::other(format!("no such runtime: {other}"))),
            }
        });
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run_on_tokio(settings: &Settings, heap: fn() -> Heap) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listen(settings)?)?;
    let address = listener.local_addr()?;
    let stage = Arc::new(Stage::default());
    let services = services::<Counting<Tokio>>(settings, &stage);
    let server = sockjs_tokio::serve(listener, services.clone())
        .with_limits(limits(settings))
        .with_graceful_shutdown(drain(services.clone()));
    let runtime = tokio::runtime::Handle::current();
    let metrics = runtime.metrics();
    let tasks = move || metrics.num_alive_tasks();
    let desk = Desk { services, stage, connections: server.connections(), heap, tasks };
    desk.open(settings, address, move |attend| {
        let _entered = runtime.enter();
        attend();
    })?;
    server.await
}

async fn run_on_async_std(settings: &Settings, heap: fn() -> Heap) -> io::Result<()> {
    let listener = async_std::net::TcpListener::from(listen(settings)?);
    let address = listener.local_addr()?;
    let stage = Arc::new(Stage::default());
    let services = services::<Counting<AsyncStd>>(settings, &stage);
    let server = sockjs_async_std::serve(listener, services.clone())
        .with_limits(limits(settings))
        .with_graceful_shutdown(drain(services.clone()));
    let connections = server.connections();
    let desk = Desk { services, stage, connections, heap, tasks: task_count };
    desk.open(settings, address, |attend| attend())?;
    server.await
}

fn listen(settings: &Settings) -> io::Result<TcpListener> {
    let soft = settings.descriptors;
    if let Some(soft) = soft {
        rlimit::setrlimit(rlimit::Resource::NOFILE, soft, soft)?;
    } else {
        rlimit::increase_nofile_limit(u64::MAX)?;
    }
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    if let Some(bytes) = settings.send_buffer_bytes {
        // Those that are accepted inherit it.
        socket.set_send_buffer_size(bytes)?;
    }
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn limits(settings: &Settings) -> impl FnOnce(&mut ConnectionConfig) + use<> {
    let (head, stall) = (settings.head_timeout, settings.write_stall);
    move |limits| {
        limits.read_timeout = head;
        limits.write_stall = stall;
    }
}

/// Waits for SIGTERM, then ends all sessions.
fn drain<R: Runtime>(services: Services<R>) -> impl Future<Output = ()> + Send {
    let signals = Signals::new([Signal::Term]);
    async move {
        if let Ok(mut signals) = signals {
            signals.next().await;
        }
        services.shutdown(CloseReason::SERVER_GOING_AWAY, Duration::from_secs(1)).await;
    }
}

/// Answers the watcher, on a thread of its own.
struct Desk<R, T> {
    services: Services<R>,
    stage: Arc<Stage>,
    connections: Connections,
    heap: fn() -> Heap,
    tasks: T,
}

impl<R, T> Desk<R, T>
where
    R: Runtime,
    T: Fn() -> usize + Send + 'static,
{
    /// Connects to the watcher, then announces the server. `within` calls within the runtime, for
    /// what an answer may start there.
    fn open(
        self,
        settings: &Settings,
        address: SocketAddr,
        within: impl FnOnce(&dyn Fn()) + Send + 'static,
    ) -> io::Result<()> {
        let control = settings.control.ok_or_else(|| io::Error::other("no watcher"))?;
        let control = TcpStream::connect(control)?;
        std::thread::spawn(move || {
            // A watcher that leaves sends SIGTERM, or has crashed.
            within(&|| drop(self.attend(&control)));
        });
        println!("listening on http://{address}");
        Ok(())
    }

    fn attend(&self, control: &TcpStream) -> io::Result<()> {
        let mut answers = control;
        for line in BufReader::new(control).lines() {
            let answer = match serde_json::from_str(&line?)? {
                Command::Account => serde_json::to_string(&self.account())?,
                Command::Record(name) => serde_json::to_string(&self.stage.ledger.record(&name))?,
                Command::Release => {
                    self.stage.gate.open();
                    serde_json::to_string(&())?
                }
            };
            answers.write_all(format!("{answer}\n").as_bytes())?;
        }
        Ok(())
    }

    fn account(&self) -> Account {
        let mut stats = Stats::default();
        for service in self.services.iter() {
            stats.add(&service.stats());
        }
        Account {
            stats,
            connections: self.connections.open(),
            tasks: (self.tasks)(),
            heap: (self.heap)(),
            ..self.stage.ledger.account()
        }
    }
}
