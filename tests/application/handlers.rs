//! The application's handler: when it runs, and what its end means.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use sockjs_tests::client::{Request, Session as Client, Transport as Way, WebSocket};
use tokio::sync::{mpsc as channel, oneshot};

use super::support::{GO_AWAY, builder, wait};
use crate::adapter::{
    Builder, Cause, CloseReason, Report, Server, Services, Session, SessionHandle, SockJs,
};

/// A server with this service and its handles, one a session.
struct Served {
    server: Server,
    service: SockJs,
    handles: mpsc::Receiver<SessionHandle>,
}

impl Served {
    fn new<F>(handler: impl Fn(Session) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::with(|builder| builder, handler)
    }

    fn with<F>(
        change: impl FnOnce(Builder) -> Builder,
        handler: impl Fn(Session) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, handles) = mpsc::channel();
        let service = change(builder("/app")).build(move |session: Session| {
            let _ = sender.send(session.handle());
            handler(session)
        });
        let server = Server::start(Services::new([service.clone()]));
        Self { server, service, handles }
    }

    fn client(&self) -> Client {
        Client::new(self.server.address(), "/app")
    }

    #[track_caller]
    fn report(&self) -> Report {
        wait(self.handles.recv().expect("a session").closed())
    }
}

async fn echo(mut session: Session) {
    while let Some(message) = session.recv().await {
        if session.send(message).await.is_err() {
            break;
        }
    }
}

#[test]
fn it_runs_when_the_first_receiver_opens_the_session() {
    let served = Served::new(|session| async move {
        let _ = session.send("welcome").await;
        session.closed().await;
    });
    let client = served.client();
    client.xhr_send(r#"["too early"]"#).expect_status(404);
    assert!(served.handles.try_recv().is_err(), "no session before its receiver");
    client.expect(Way::Xhr, &["o"]);
    assert!(served.handles.recv().is_ok());
    client.expect(Way::Xhr, &[r#"a["welcome"]"#]);
}

#[test]
fn it_runs_once_a_session() {
    let served = Served::new(echo);
    let client = served.client();
    client.expect(Way::Xhr, &["o"]);
    for _ in 0..3 {
        client.send(&["x"]);
        client.expect(Way::Xhr, &[r#"a["x"]"#]);
    }
    assert_eq!(served.handles.try_iter().count(), 1);
    assert_eq!(served.service.stats().opened.total(), 1);
}

#[test]
fn its_return_closes_the_session() {
    let served = Served::new(|session| async move {
        let _ = session.send("bye").await;
    });
    let client = served.client();
    client.expect(Way::XhrStreaming, &["o", r#"a["bye"]"#, GO_AWAY]);
    let report = served.report();
    assert_eq!((report.cause, report.reason), (Cause::Application, CloseReason::GO_AWAY));
}

#[test]
fn it_may_leave_its_reason_for_later() {
    let served = Served::new(|mut session| async move {
        session.close_later(CloseReason::new(4007, "overruled"));
        session.close_later(CloseReason::new(4008, "later"));
        let is_open = !session.is_closed() && session.close_reason().is_none();
        let _ = session.send(if is_open { "open" } else { "closed" }).await;
        // It goes on as before.
        if let Some(message) = session.recv().await {
            let _ = session.send(message).await;
        }
    });
    let client = served.client();
    client.expect(Way::Xhr, &["o"]);
    client.expect(Way::Xhr, &[r#"a["open"]"#]);
    client.send(&["x"]);
    client.expect(Way::XhrStreaming, &[r#"a["x"]"#, r#"c[4008,"later"]"#]);
    assert_eq!(served.report().reason, CloseReason::new(4008, "later"));
}

#[test]
fn a_reason_for_later_does_not_change_an_earlier_close() {
    let served = Served::new(|session| async move {
        session.close(CloseReason::new(4001, "now"));
        session.close_later(CloseReason::new(4002, "later"));
    });
    served.client().expect(Way::XhrStreaming, &["o", r#"c[4001,"now"]"#]);
}

#[test]
fn its_panic_ends_its_session_with_1011() {
    let served = Served::new(|mut session| async move {
        let message = session.recv().await;
        panic!("the test asks for it: {message:?}");
    });
    let client = served.client();
    let mut receiver = client.receive_first(Way::XhrStreaming, "o");
    client.send(&["x"]);
    receiver.expect(r#"c[1011,"Internal error"]"#);
    receiver.end();
    let report = served.report();
    assert_eq!((report.cause, report.reason), (Cause::HandlerPanic, CloseReason::INTERNAL_ERROR));
}

#[test]
fn a_panic_before_its_first_await_is_caught_as_well() {
    fn panics() -> std::future::Ready<()> {
        panic!("the test asks for it")
    }
    let served = Served::new(|_session| panics());
    let client = served.client();
    client.expect(Way::XhrStreaming, &["o", r#"c[1011,"Internal error"]"#]);
    assert_eq!(served.report().cause, Cause::HandlerPanic);
}

#[test]
fn a_panic_harms_no_other_session() {
    let served = Served::new(|mut session| async move {
        while let Some(message) = session.recv().await {
            assert!(message != "panic", "the test asks for it");
            let _ = session.send(message).await;
        }
    });
    let (panicking, other) = (served.client(), served.client());
    let mut receiver = panicking.receive_first(Way::XhrStreaming, "o");
    other.expect(Way::Xhr, &["o"]);
    let path = served.client().target("websocket");
    let mut socket = WebSocket::open_session(served.server.address(), path);
    panicking.send(&["kept", "panic"]);
    receiver.expect(r#"a["kept"]"#);
    receiver.expect(r#"c[1011,"Internal error"]"#);
    other.send(&["x"]);
    other.expect(Way::Xhr, &[r#"a["x"]"#]);
    socket.send_text(r#""y""#);
    socket.expect_text(r#"a["y"]"#);
    served.client().expect(Way::Xhr, &["o"]);
}

/// Blocks its thread on the first message until the test lets go, then echoes.
#[test]
fn one_that_blocks_delays_no_other_session_and_no_heartbeat() {
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        return; // The runtimes have a single thread then, and it is blocked.
    }
    let (release, gate) = mpsc::channel::<()>();
    let gate = Arc::new(Mutex::new(gate));
    let handler = move |mut session: Session| {
        let gate = gate.clone();
        async move {
            while let Some(message) = session.recv().await {
                if message == "block" {
                    let _ = gate.lock().expect("one blocks at a time").recv();
                }
                let _ = session.send(message).await;
            }
        }
    };
    let heartbeat = Duration::from_millis(100);
    let served = Served::with(|builder| builder.heartbeat_delay(heartbeat), handler);
    let stuck = served.client();
    let mut stream = stuck.receive_first(Way::XhrStreaming, "o");
    // Its answer comes once the handler has let go.
    let request = Request::post(stuck.target("xhr_send")).body(r#"["block"]"#);
    let mut sending = stuck.connect();
    sending.send(request.to_bytes());
    for _ in 0..3 {
        stream.expect("h");
    }
    for _ in 0..20 {
        let other = served.client().open();
        other.send(&["x"]);
        other.expect(Way::Xhr, &[r#"a["x"]"#]);
        let path = served.client().target("websocket");
        let mut socket = WebSocket::open_session(served.server.address(), path);
        socket.send_text(r#""y""#);
        while socket.text() != r#"a["y"]"# {}
    }
    drop(release);
    while stream.frame() != r#"a["block"]"# {}
    sending.read_response(&request).expect_status(204);
}

/// What it waits for comes from a thread that no runtime knows, at any time.
#[test]
fn whatever_it_waits_for_wakes_it() {
    let (sender, doors) = mpsc::channel();
    let served = Served::new(move |session: Session| {
        let (door, opens) = oneshot::channel();
        let _ = sender.send(door);
        async move {
            let _ = opens.await;
            let _ = session.send("open").await;
            session.closed().await;
        }
    });
    let door = || doors.recv().expect("a session").send(()).expect("it waits");
    let client = served.client().open();
    door();
    client.expect(Way::Xhr, &[r#"a["open"]"#]);
    let mut stream = served.client().receive_first(Way::XhrStreaming, "o");
    door();
    stream.expect(r#"a["open"]"#);
    let path = served.client().target("websocket");
    let mut socket = WebSocket::open_session(served.server.address(), path);
    door();
    socket.expect_text(r#"a["open"]"#);
}

/// Requests bring it messages, a thread wakes it, and the session's handle does, all at once.
#[test]
fn many_wake_it_at_once() {
    const COUNT: usize = 200;
    let (sender, senders) = mpsc::channel();
    let served = Served::new(move |mut session: Session| {
        let (other, mut others) = channel::unbounded_channel();
        let _ = sender.send(other);
        async move {
            let (mut messages, mut words) = (0, 0);
            while messages < COUNT || words < COUNT {
                tokio::select! {
                    message = session.recv() => messages += usize::from(message.is_some()),
                    word = others.recv() => words += usize::from(word == Some(())),
                }
            }
            let _ = session.send(format!("{messages} {words}")).await;
            session.closed().await;
        }
    });
    let client = served.client().open();
    let other = senders.recv().expect("a session");
    std::thread::scope(|scope| {
        scope.spawn(|| (0..COUNT).for_each(|_| other.send(()).expect("it listens")));
        (0..COUNT).for_each(|_| client.send(&["x"]));
    });
    client.expect(Way::Xhr, &[r#"a["200 200"]"#]);
}

#[test]
fn closing_in_the_handler_right_after_the_opening() {
    let served = Served::new(|session| async move { session.close(CloseReason::new(4403, "no")) });
    let client = served.client();
    client.expect(Way::Xhr, &["o"]);
    client.expect(Way::Xhr, &[r#"c[4403,"no"]"#]);
    let path = served.client().target("websocket");
    let mut socket = WebSocket::open_session(served.server.address(), path);
    socket.expect_text(r#"c[4403,"no"]"#);
    socket.expect_close_saying(4403, "no");
}

#[test]
fn a_handler_that_ends_while_others_hold_handles_closes_for_all() {
    let served = Served::new(|_session| async {});
    let client = served.client();
    client.expect(Way::Xhr, &["o"]);
    let handle = served.handles.recv().expect("a session");
    client.expect(Way::Xhr, &[GO_AWAY]);
    wait(handle.closed());
    assert!(handle.try_send("late").is_err());
}
