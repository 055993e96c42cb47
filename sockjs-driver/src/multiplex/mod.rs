//! Many channels over one session, each with a handler of its own: the server of
//! *websocket-multiplex*. What is said on the wire, [`sockjs_core::multiplex`] decides.

mod channel;
mod pump;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use sockjs_core::multiplex::{Limits, Topic};

use crate::runtime::Task;
use crate::session::Session;

pub use channel::{Channel, ChannelHandle};

/// Runs one channel.
type Handler = Arc<dyn Fn(Channel) -> Task + Send + Sync>;

/// Channels of sessions by topic: what *websocket-multiplex*'s server is for clients that use its
/// `WebSocketMultiplex`. A clone is another one with the same handlers.
///
/// ```
/// use sockjs_driver::{Channel, Multiplex, Runtime, SockJs};
///
/// async fn echo(mut channel: Channel) {
///     while let Some(message) = channel.recv().await {
///         if channel.send(message).await.is_err() {
///             break;
///         }
///     }
/// }
///
/// fn service<R: Runtime + Default>() -> SockJs<R> {
///     let multiplex = Multiplex::new()
///         .topic("echo", echo)
///         .topic("greeting", |channel| async move {
///             // When the handler returns, the client is unsubscribed.
///             let _ = channel.send("hello").await;
///         });
///     SockJs::builder("/multiplex").build(move |session| multiplex.clone().run(session))
/// }
/// ```
///
/// # Back-pressure
/// The client's messages wait for their handlers in queues that are limited for all channels of a
/// session together. Once they are full, no more is read from the session until a handler takes
/// some: a channel that lags holds its client's other channels up, and nobody else.
#[derive(Clone)]
#[must_use = "nothing is served before `run`"]
pub struct Multiplex {
    topics: Arc<BTreeMap<String, Handler>>,
    others: Option<Handler>,
    limits: Limits,
    inbox_bytes: usize,
}

impl Multiplex {
    /// Without topics.
    pub fn new() -> Self {
        Self {
            topics: Arc::default(),
            others: None,
            limits: Limits::default(),
            inbox_bytes: 256 << 10,
        }
    }

    /// Adds a topic. `handler` runs once for each subscription, from its beginning; when it returns,
    /// the client is unsubscribed. A handler that panics ends its session with 1011.
    pub fn topic<H, F>(mut self, name: impl Into<String>, handler: H) -> Self
    where
        H: Fn(Channel) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Arc::make_mut(&mut self.topics).insert(name.into(), boxed(handler));
        self
    }

    /// Takes every topic that has no handler of its own; [`topic`](ChannelHandle::topic) says which it
    /// is. Without, such subscriptions are ignored.
    pub fn others<H, F>(mut self, handler: H) -> Self
    where
        H: Fn(Channel) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.others = Some(boxed(handler));
        self
    }

    /// Changes limits: `multiplex.limits(|limits| limits.channels = 8)`. [`Limits`] names the
    /// defaults.
    pub fn limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self
    }

    /// What the messages may cost that wait for the handlers of one session's channels; each costs
    /// its length and 64. One message always fits empty queues. 256 KiB.
    pub fn inbox_bytes(mut self, bytes: usize) -> Self {
        self.inbox_bytes = bytes;
        self
    }

    /// Serves a session until it ends.
    pub async fn run(self, session: Session) {
        pump::Pump::new(self, session).await;
    }

    fn handler(&self, topic: &Topic) -> Option<&Handler> {
        self.topics.get(topic.name()).or(self.others.as_ref())
    }
}

impl Default for Multiplex {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Multiplex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multiplex")
            .field("topics", &self.topics.keys())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

fn boxed<H, F>(handler: H) -> Handler
where
    H: Fn(Channel) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    Arc::new(move |channel| Box::pin(handler(channel)))
}
