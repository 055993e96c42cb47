//! async-std's executor and listener.

use std::io;

use ::async_std::net::TcpListener;
use ::async_std::task;
use async_io::Async;
use sockjs_driver::Task;

use crate::{AsyncIo, Executor, Listener, Serve};

/// async-std as a runtime.
pub type AsyncStd = AsyncIo<Tasks>;
/// A SockJS service on async-std.
pub type SockJs = sockjs_driver::SockJs<AsyncStd>;
/// Describes a service; see [`SockJs::builder`](sockjs_driver::SockJs::builder).
pub type Builder = sockjs_driver::Builder<AsyncStd>;
/// Several services in one server.
pub type Services = sockjs_driver::Services<AsyncStd>;

/// async-std's tasks.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Tasks;

impl Executor for Tasks {
    fn spawn(&self, task: Task) {
        task::spawn(task);
    }
}

/// Serves HTTP/1 on a listener, with any tower service: a [`SockJs`], [`Services`], or a router
/// that holds some.
///
/// Await the value to run the server; dropping it cuts off all connections. It can be told to end
/// in order:
///
/// ```no_run
/// # use sockjs_async_std::{CloseReason, SockJs};
/// # use std::time::Duration;
/// # use async_std::net::TcpListener;
/// # use futures_util::StreamExt;
/// use async_signal::{Signal, Signals};
///
/// # async fn run(listener: TcpListener, chat: SockJs) -> std::io::Result<()> {
/// // Each gets every signal.
/// let [mut first, mut both] = [Signals::new([Signal::Int])?, Signals::new([Signal::Int])?];
/// let drained = chat.clone();
/// sockjs_async_std::serve(listener, chat)
///     .with_graceful_shutdown(async move {
///         first.next().await;
///         let reason = CloseReason::SERVER_GOING_AWAY;
///         drained.shutdown(reason, Duration::from_secs(10)).await;
///     })
///     // Whoever asks twice will not wait.
///     .with_abort(async move {
///         both.next().await;
///         both.next().await;
///     })
///     .await
/// # }
/// ```
pub fn serve<S>(listener: TcpListener, service: S) -> Serve<S> {
    Serve::new(listener.try_into(), service, AsyncStd::default())
}

impl TryFrom<TcpListener> for Listener {
    type Error = io::Error;

    fn try_from(listener: TcpListener) -> io::Result<Self> {
        let listener: std::net::TcpListener = listener.try_into()?;
        Ok(Async::new(listener)?.into())
    }
}
