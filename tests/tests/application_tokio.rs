//! What an application sees, on the tokio adapter.
#![forbid(unsafe_code)]

mod adapter {
    use std::future::Future;
    use std::net::SocketAddr;
    use std::thread::JoinHandle;

    pub(crate) use sockjs_tokio::*;
    use tokio::net::TcpListener;
    use tokio::runtime::{Handle, Runtime};
    use tokio::sync::oneshot;

    /// A server on a thread and a runtime of its own; dropping it cuts everything off.
    pub(crate) struct Server {
        address: SocketAddr,
        connections: Connections,
        runtime: Handle,
        stop: Option<oneshot::Sender<()>>,
        thread: Option<JoinHandle<()>>,
    }

    impl Server {
        pub(crate) fn start(services: Services) -> Self {
            Self::serve(|listener| {
                let serve = serve(listener, services);
                (serve.connections(), serve)
            })
        }

        /// Runs whatever serves the listener.
        pub(crate) fn serve<F>(server: impl FnOnce(TcpListener) -> (Connections, F)) -> Self
        where
            F: IntoFuture<Output = std::io::Result<()>> + Send + 'static,
            F::IntoFuture: Send,
        {
            let runtime = Runtime::new().expect("a runtime");
            let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
            let address = listener.local_addr().expect("it is bound");
            let handle = runtime.handle().clone();
            let (stop, stopped) = oneshot::channel();
            let (connections, server) = server(listener);
            let thread = std::thread::spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        ended = server.into_future() => ended.expect("the server runs"),
                        _ = stopped => {}
                    }
                });
            });
            Self { address, connections, runtime: handle, stop: Some(stop), thread: Some(thread) }
        }

        pub(crate) fn address(&self) -> SocketAddr {
            self.address
        }

        /// What the accept loop counts.
        pub(crate) fn connections(&self) -> &Connections {
            &self.connections
        }

        /// Runs a task beside the server.
        pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
            self.runtime.spawn(task);
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            drop(self.stop.take());
            let ended = self.thread.take().map(JoinHandle::join);
            let ended_well = matches!(ended, Some(Ok(())));
            assert!(ended_well || std::thread::panicking(), "the server's thread panicked");
        }
    }
}

#[path = "../application/mod.rs"]
mod application;

#[path = "../application/in_axum.rs"]
mod in_axum;

#[path = "../application/runtime_end.rs"]
mod runtime_end;
