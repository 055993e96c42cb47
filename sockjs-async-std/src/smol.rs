use std::sync::Arc;

use ::smol::Async;
use ::smol::net::TcpListener;
use sockjs_driver::Task;

use crate::{AsyncIo, Executor, Listener, Serve, serve_on};

/// smol as a runtime.
pub type Smol = AsyncIo<Tasks>;
/// A SockJS service on smol.
pub type SockJs = sockjs_driver::SockJs<Smol>;
/// Describes a service; see [`SockJs::builder`](sockjs_driver::SockJs::builder).
pub type Builder = sockjs_driver::Builder<Smol>;
/// Several services in one server.
pub type Services = sockjs_driver::Services<Smol>;

/// The tasks of smol's global executor.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Tasks;

impl Executor for Tasks {
    fn spawn(&self, task: Task) {
        ::smol::spawn(task).detach();
    }
}

/// Serves HTTP/1 on a listener, with any tower service: a [`SockJs`], [`Services`], or a router
/// that holds some. The example `smol` of this crate does so.
///
/// Await the value to run the server; dropping it cuts off all connections.
pub fn serve<S>(listener: TcpListener, service: S) -> Serve<S> {
    serve_on(Smol::default(), listener, service)
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Arc::<Async<std::net::TcpListener>>::from(listener).into()
    }
}
