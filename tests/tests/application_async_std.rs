//! What an application sees, on the async-std adapter.
#![forbid(unsafe_code)]

mod adapter {
    use std::future::Future;
    use std::net::SocketAddr;
    use std::pin::pin;
    use std::thread::JoinHandle;

    use ::smol::channel::{Sender, bounded};
    use async_std::net::TcpListener;
    use async_std::task;
    use futures_util::future::{Either, select};
    pub(crate) use sockjs_async_std::*;

    /// A server on a thread of its own and the executor of all; dropping it cuts everything off.
    pub(crate) struct Server {
        address: SocketAddr,
        connections: Connections,
        stop: Option<Sender<()>>,
        thread: Option<JoinHandle<()>>,
    }

    impl Server {
        pub(crate) fn start(services: Services) -> Self {
            let listener = task::block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
            let address = listener.local_addr().expect("it is bound");
            let serve = serve(listener, services);
            let connections = serve.connections();
            let (stop, stopped) = bounded(1);
            let thread = std::thread::spawn(move || {
                task::block_on(async {
                    let stopped = pin!(stopped.recv());
                    if let Either::Left((ended, _)) = select(serve.into_future(), stopped).await {
                        ended.expect("the server runs");
                    }
                });
            });
            Self { address, connections, stop: Some(stop), thread: Some(thread) }
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
            task::spawn(task);
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
