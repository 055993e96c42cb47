//! A server in this process whose sessions are handed to the test.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use sockjs_tests::client::{self, Connection, PATIENCE, Request, Response, WebSocket};

use crate::adapter::{
    Builder, CloseReason, Message, OriginPolicy, Report, Server, Services, Session, SockJs,
};

/// The service of an [`App`].
pub(crate) const BASE: &str = "/app";

/// Far beyond any deadline here: what ends before it did not just expire.
pub(crate) const NEVER: Duration = Duration::from_secs(600);

/// Soon, with room for a busy machine; far from [`NEVER`].
pub(crate) const SOON: Duration = Duration::from_secs(3);

/// More than the sockets between server and client hold.
pub(crate) const LARGE_BYTES: usize = 24 << 20;

/// The client's frame when the application closes without a reason of its own.
pub(crate) const GO_AWAY: &str = r#"c[3000,"Go away!"]"#;

/// A server with one service, whose handler hands each session to the test and waits for its end.
pub(crate) struct App {
    pub(crate) service: SockJs,
    sessions: Receiver<Session>,
    pub(crate) server: Server,
}

impl App {
    pub(crate) fn start() -> Self {
        Self::with(|builder| builder)
    }

    /// With settings of its own.
    pub(crate) fn with(change: impl FnOnce(Builder) -> Builder) -> Self {
        let (service, sessions) = handing_over(change(builder(BASE)));
        Self { server: Server::start(Services::new([service.clone()])), service, sessions }
    }

    /// The next session that opens.
    #[track_caller]
    pub(crate) fn session(&self) -> Session {
        self.sessions.recv_timeout(PATIENCE).expect("a session opens")
    }

    /// Requires that no session has opened that was not taken.
    #[track_caller]
    pub(crate) fn expect_no_session(&self) {
        if let Ok(session) = self.sessions.try_recv() {
            panic!("{session:?} opened");
        }
    }

    /// A client with a fresh session id.
    pub(crate) fn client(&self) -> client::Session {
        client::Session::new(self.server.address(), BASE)
    }

    /// A session that its client opened by a poll: it has no receiver now.
    #[track_caller]
    pub(crate) fn open(&self) -> (client::Session, Session) {
        let client = self.client().open();
        (client, self.session())
    }

    /// A session over a streaming response, its `o` read.
    #[track_caller]
    pub(crate) fn stream(&self) -> (client::Session, client::Receiver, Session) {
        let client = self.client();
        let receiver = client.receive_first(client::Transport::XhrStreaming, "o");
        (client, receiver, self.session())
    }

    /// A session over a WebSocket, its `o` read.
    #[track_caller]
    pub(crate) fn websocket(&self) -> (WebSocket, Session) {
        let path = self.client().target("websocket");
        (WebSocket::open_session(self.server.address(), path), self.session())
    }

    /// A session over the raw WebSocket path.
    #[track_caller]
    pub(crate) fn raw_websocket(&self) -> (WebSocket, Session) {
        let socket = WebSocket::open(self.server.address(), format!("{BASE}/websocket"));
        (socket, self.session())
    }

    #[track_caller]
    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.server.address())
    }

    #[track_caller]
    pub(crate) fn exchange(&self, request: &Request) -> Response {
        self.connect().exchange(request)
    }

    /// Runs a future where the server runs, for those that need its timers.
    #[track_caller]
    pub(crate) fn run<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> T {
        run_in(&self.server, future)
    }
}

/// Any origin, and nothing ends by itself.
pub(crate) fn builder(prefix: &str) -> Builder {
    SockJs::builder(prefix)
        .origins(OriginPolicy::Any)
        .disconnect_delay(NEVER)
        .heartbeat_delay(None)
        .shards(1)
}

/// Makes a service whose handler hands each session over and waits for its end.
pub(crate) fn handing_over(builder: Builder) -> (SockJs, Receiver<Session>) {
    let (sender, sessions) = mpsc::channel();
    let hand_over = move |session: Session| {
        let (handle, sender): (_, Sender<_>) = (session.handle(), sender.clone());
        async move {
            // A test that has ended takes no more.
            if sender.send(session).is_ok() {
                handle.closed().await;
            }
        }
    };
    (builder.build(hand_over), sessions)
}

/// Runs a future where a server runs.
#[track_caller]
pub(crate) fn run_in<T: Send + 'static>(
    server: &Server,
    future: impl Future<Output = T> + Send + 'static,
) -> T {
    let (sender, result) = mpsc::channel();
    server.spawn(async move {
        let _ = sender.send(future.await);
    });
    result.recv_timeout(PATIENCE).expect("the task ends")
}

/// Runs a future on this thread; nothing of an application needs a runtime.
#[track_caller]
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    match wait_until(Instant::now() + PATIENCE, future) {
        Some(output) => output,
        None => panic!("not ready within {PATIENCE:?}"),
    }
}

/// Polls a future once.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    wait_until(Instant::now(), future)
}

fn wait_until<T>(deadline: Instant, future: impl Future<Output = T>) -> Option<T> {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
        let left =
            deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        std::thread::park_timeout(left);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The next message, which must be this.
#[track_caller]
pub(crate) fn expect_message(session: &mut Session, text: &str) {
    let message = wait(session.recv());
    assert_eq!(message.as_ref().and_then(Message::as_text), Some(text), "next message");
}

/// Closes a session without a receiver, and returns all messages that its client then gets.
#[track_caller]
pub(crate) fn all_messages(client: &client::Session, session: &Session) -> Vec<String> {
    session.close(CloseReason::GO_AWAY);
    let mut messages = Vec::new();
    let mut receiver = client.receive(client::Transport::XhrStreaming);
    loop {
        match receiver.frame() {
            frame if frame == GO_AWAY => return messages,
            frame => messages.extend(client::messages_in(&frame)),
        }
    }
}

/// The session's account, after the check that holds for every one.
#[track_caller]
pub(crate) fn report(session: &Session) -> Report {
    let report = wait(session.closed());
    assert_eq!(
        report.accepted,
        report.confirmed + report.uncertain() + report.unsent.len() as u64,
        "{report:?}"
    );
    assert!(report.confirmed <= report.written, "{report:?}");
    assert!(report.written + report.unsent.len() as u64 <= report.accepted, "{report:?}");
    report
}

/// Asks again and again until the answer is yes.
#[track_caller]
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
