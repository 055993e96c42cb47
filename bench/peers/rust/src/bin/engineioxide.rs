//! engineioxide on tokio, with its defaults: `/echo` and `/broadcast`.
#![forbid(unsafe_code)]

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use engineioxide::config::EngineIoConfig;
use engineioxide::handler::EngineIoHandler;
use engineioxide::service::EngineIoService;
use engineioxide::{DisconnectReason, Socket, Str};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

#[derive(Debug)]
struct Echo;

impl EngineIoHandler for Echo {
    type Data = ();

    fn on_connect(self: Arc<Self>, _: Arc<Socket<()>>) {}

    fn on_disconnect(&self, _: Arc<Socket<()>>, _: DisconnectReason) {}

    fn on_message(self: &Arc<Self>, message: Str, socket: Arc<Socket<()>>) {
        let _ = socket.emit(message);
    }

    fn on_binary(self: &Arc<Self>, _: Bytes, _: Arc<Socket<()>>) {}
}

#[derive(Debug, Default)]
struct Broadcast {
    members: Mutex<Vec<Arc<Socket<()>>>>,
}

impl EngineIoHandler for Broadcast {
    type Data = ();

    fn on_connect(self: Arc<Self>, socket: Arc<Socket<()>>) {
        self.members.lock().unwrap().push(socket);
    }

    fn on_disconnect(&self, socket: Arc<Socket<()>>, _: DisconnectReason) {
        self.members.lock().unwrap().retain(|member| !Arc::ptr_eq(member, &socket));
    }

    fn on_message(self: &Arc<Self>, message: Str, _: Arc<Socket<()>>) {
        for member in &*self.members.lock().unwrap() {
            let _ = member.emit(message.clone());
        }
    }

    fn on_binary(self: &Arc<Self>, _: Bytes, _: Arc<Socket<()>>) {}
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    sockjs_bench_peers::end_with_input();
    let config = |path: &'static str| EngineIoConfig::builder().req_path(path).build();
    let broadcast = Arc::new(Broadcast::default());
    let broadcast = EngineIoService::with_config(broadcast, config("/broadcast"));
    let service = EngineIoService::with_config_inner(broadcast, Arc::new(Echo), config("/echo"));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let connection = http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service.clone())
            .with_upgrades();
        tokio::spawn(connection);
    }
}
