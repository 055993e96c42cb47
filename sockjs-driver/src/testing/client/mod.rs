//! A client of a service in the same process, for tests of applications.

mod exchange;
mod page;
mod websocket;

use std::fmt::{self, Write as _};
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;
use sockjs_core::{CloseReason, Message, Transport};

use super::connection;
use crate::connection::ConnectionConfig;
use crate::runtime::Runtime;
use crate::server::serve_connection;
use crate::sockjs::SockJs;
use page::{Outgoing, Page};

/// Where requests say that they come from: a page of the same origin.
const HOST: &str = "localhost";

/// A client that does what sockjs-client does, over the transport of its choice: it polls and streams
/// on, sends one request at a time, answers pings. It has no socket, and reads no clock: it is a few
/// tasks on the service's own runtime, speaking to the service in memory.
///
/// On a [`World`](super::World) time is virtual; so it is on tokio while tokio's time is paused.
/// Dropping a client hangs up, as a browser does when its page goes; [`close`](Self::close) says
/// goodbye.
///
/// ```
/// use sockjs_driver::testing::{Client, World};
/// use sockjs_driver::{Builder, CloseReason, Transport};
///
/// let world = World::new();
/// let service = Builder::new("/echo", world.clone()).build(|mut session| async move {
///     if let Some(message) = session.recv().await {
///         let _ = session.send(message).await;
///     }
/// });
/// for transport in Transport::ALL {
///     world.block_on(async {
///         let mut client = Client::connect(&service, transport).await.unwrap();
///         client.send("hello");
///         assert_eq!(client.recv().await.unwrap(), "hello");
///         assert_eq!(client.recv().await, None);
///         assert_eq!(client.closed().await.code(), 3000);
///     });
/// }
/// ```
#[must_use = "dropping a client hangs up"]
pub struct Client {
    page: Arc<Page>,
    transport: Transport,
}

/// A [`Client`] that is about to connect; await it.
#[must_use = "await it to connect"]
pub struct Connect {
    visit: Visit,
    transport: Transport,
}

/// What all requests of a client have in common.
struct Visit {
    runtime: Arc<dyn Runtime>,
    /// Opens a connection to the service.
    dial: Box<dyn Fn() -> super::Plug + Send + Sync>,
    /// The session's path, or the service's for the raw WebSocket.
    base: String,
    query: Vec<String>,
    headers: Vec<(String, String)>,
}

impl Client {
    /// Opens a session; to be awaited. Its requests come from a page of the same origin, and from the
    /// address `127.0.0.1`.
    ///
    /// # Errors
    /// The status with which the service refuses the session.
    ///
    /// # Panics
    /// When awaited, if the service breaks off without an answer.
    pub fn connect<R: Runtime>(service: &SockJs<R>, transport: Transport) -> Connect {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let prefix = if service.is_nested() { "" } else { service.prefix() };
        let base = match transport {
            Transport::RawWebsocket => prefix.to_owned(),
            _ => format!("{prefix}/000/test{id}"),
        };
        let (runtime, called) = (service.runtime(), service.clone());
        let server = runtime.clone();
        let dial = move || {
            let (socket, plug) = connection();
            let (config, service) = (ConnectionConfig::default(), called.clone());
            let peer = Some(([127, 0, 0, 1], 49152).into());
            server.spawn(Box::pin(serve_connection(socket, peer, service, config, server.clone())));
            plug
        };
        let visit = Visit { runtime, dial: Box::new(dial), base, query: vec![], headers: vec![] };
        Connect { visit, transport }
    }

    /// The transport.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Sends a message. It is on its way when the runtime has had a turn, behind those that were sent
    /// before; once the session is closed it is dropped, as sockjs-client does.
    ///
    /// # Panics
    /// If it is bytes and the transport is not the raw WebSocket.
    pub fn send(&self, message: impl Into<Message>) {
        let message = message.into();
        let fits = !message.is_binary() || self.transport.carries_binary();
        assert!(fits, "{} carries text only", self.transport);
        self.page.put(Outgoing::Message(message));
    }

    /// Waits for the next message. `None` once the session is closed and all messages were taken.
    ///
    /// # Panics
    /// If the service sends what is no frame.
    pub async fn recv(&mut self) -> Option<Message> {
        poll_fn(|cx| self.page.poll_message(cx)).await
    }

    /// The next message, if there is one by now.
    pub fn try_recv(&mut self) -> Option<Message> {
        self.page.take_message()
    }

    /// Waits for the session's end: the code and reason that a page has of it. A connection that
    /// breaks off is 1006, as in browsers.
    ///
    /// # Panics
    /// If the service sends what is no frame.
    pub async fn closed(&mut self) -> CloseReason {
        poll_fn(|cx| self.page.poll_end(cx)).await
    }

    /// Leaves when all that was sent before is there: by a close over a WebSocket, by breaking the
    /// request off otherwise.
    pub fn close(self) {
        self.page.put(Outgoing::Goodbye);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.page.forsake();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("transport", &self.transport).finish_non_exhaustive()
    }
}

impl Connect {
    /// A header of all its requests, e.g. `Cookie`, or `Origin` to come from another site's page.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.visit.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A query of all its requests, encoded as it is to be: `room=lobby&name=a%20b`.
    pub fn query(mut self, query: &str) -> Self {
        self.visit.query.push(query.to_owned());
        self
    }
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect").field("transport", &self.transport).finish_non_exhaustive()
    }
}

impl IntoFuture for Connect {
    type Output = Result<Client, StatusCode>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { visit, transport } = self;
        let page = Arc::new(Page::default());
        let runtime = visit.runtime.clone();
        if transport.is_websocket() {
            runtime.spawn(page.clone().run(websocket::run(page.clone(), visit, transport)));
        } else {
            let visit = Arc::new(visit);
            let receiving = exchange::receive(page.clone(), visit.clone(), transport);
            runtime.spawn(page.clone().run(receiving));
            runtime.spawn(page.clone().run(exchange::send(page.clone(), visit, transport)));
        }
        Box::pin(async move {
            // From here on dropped if the future is.
            let client = Client { page, transport };
            poll_fn(|cx| client.page.poll_open(cx)).await?;
            Ok(client)
        })
    }
}

impl Visit {
    /// The head of a request, without its end.
    fn head(&self, method: &str, name: &str, callback: Option<&str>) -> String {
        let query: Vec<&str> =
            callback.into_iter().chain(self.query.iter().map(|q| &**q)).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let (base, query) = (&self.base, query.join("&"));
        let mut head = format!("{method} {base}/{name}{mark}{query} HTTP/1.1\r\nHost: {HOST}\r\n");
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("origin")) {
            let _ = write!(head, "Origin: http://{HOST}\r\n");
        }
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head
    }
}
