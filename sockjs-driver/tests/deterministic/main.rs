//! The whole driver on a runtime without a thread, a socket or a clock: what passes here reads time
//! and waits only through [`Runtime`](sockjs_driver::Runtime).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod application;
mod client;
mod groups;
mod liveness;
mod observing;
mod serving;
mod slow;

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use sockjs_driver::testing::{Plug, World, connection};
use sockjs_driver::{
    Builder, ConnectionConfig, OriginPolicy, Runtime, Session, SockJs, serve_connection,
};

use client::Client;

const HEARTBEAT: Duration = Duration::from_secs(25);
const DISCONNECT: Duration = Duration::from_secs(5);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A world with an echo service, its clients, and all that they saw.
struct Scene {
    world: World,
    service: SockJs<World>,
    clients: Vec<Client>,
    transcript: Transcript,
}

/// Lines such as `+25.000s stream: h`.
type Transcript = Arc<Mutex<Vec<String>>>;

impl Scene {
    fn new() -> Self {
        Self::with(true)
    }

    /// With an application that takes nothing, of which one message may wait.
    fn lagging() -> Self {
        Self::with(false)
    }

    fn with(is_taking: bool) -> Self {
        let world = World::new();
        let transcript = Transcript::default();
        let (clock, reports) = (world.clone(), transcript.clone());
        let service = Builder::new("/echo", world.clone())
            .origins(OriginPolicy::Any)
            .heartbeat_delay(HEARTBEAT)
            .disconnect_delay(DISCONNECT)
            .shards(1)
            .limits(|limits| limits.inbox_bytes = if is_taking { limits.inbox_bytes } else { 1 })
            .build(move |mut session: Session| {
                let (clock, reports) = (clock.clone(), reports.clone());
                async move {
                    while is_taking && let Some(message) = session.recv().await {
                        let _ = session.send(message).await;
                    }
                    let report = session.closed().await;
                    let what = format!("{}: {:?}", session.transport(), report.cause);
                    note(&reports, &clock, "application", &what);
                }
            });
        Self { world, service, clients: Vec::new(), transcript }
    }

    /// Serves a new connection and returns its client's end.
    fn connect(&self) -> Plug {
        let (socket, plug) = connection();
        let runtime = Arc::new(self.world.clone());
        let config = ConnectionConfig::default();
        let connection = serve_connection(socket, None, self.service.clone(), config, runtime);
        self.world.spawn(Box::pin(connection));
        plug
    }

    fn receive(&mut self, name: &'static str, path: &str) {
        self.clients.push(Client::receiver(name, self.connect(), path));
    }

    fn open_websocket(&mut self, name: &'static str) {
        self.clients.push(Client::websocket(name, self.connect()));
    }

    /// Lets all that is to happen happen until a time.
    fn run_until(&mut self, until: Duration) {
        loop {
            self.world.settle();
            let mut is_quiet = true;
            for client in &mut self.clients {
                for line in client.turn() {
                    is_quiet = false;
                    note(&self.transcript, &self.world, client.name, &line);
                }
            }
            if is_quiet && !self.world.jump(until) {
                break;
            }
        }
    }

    fn run_for(&mut self, time: Duration) {
        self.run_until(self.world.elapsed() + time);
    }

    fn lines(&self) -> Vec<String> {
        self.transcript.lock().unwrap().clone()
    }

    /// The times of lines that end so.
    fn times_of(&self, line: &str) -> Vec<Duration> {
        let lines = self.lines();
        let matching = lines.iter().filter_map(|known| known.strip_suffix(line));
        matching.map(|time| seconds(time.trim_end())).collect()
    }
}

fn note(transcript: &Transcript, world: &World, who: &str, what: &str) {
    let now = world.elapsed().as_secs_f64();
    transcript.lock().unwrap().push(format!("+{now:.3}s {who}: {what}"));
}

fn seconds(time: &str) -> Duration {
    let seconds = time.trim_start_matches('+').trim_end_matches('s');
    Duration::from_secs_f64(seconds.parse().unwrap())
}

/// Lets others run, and calls at once.
async fn yield_now() {
    let mut has_yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The times of heartbeats on a receiver that gets nothing else.
fn heartbeats() -> Vec<Duration> {
    (1..=DAY.as_secs() / HEARTBEAT.as_secs())
        .map(|n| HEARTBEAT * u32::try_from(n).unwrap())
        .collect()
}

#[test]
fn a_day_of_heartbeats_on_a_stream() {
    let mut scene = Scene::new();
    scene.receive("stream", "/echo/000/stream/xhr_streaming");
    scene.run_until(DAY);
    assert_eq!(scene.world.elapsed(), DAY);
    let lines = scene.lines();
    assert!(lines[0].starts_with("+0.000s stream: HTTP/1.1 200 OK"), "{}", lines[0]);
    assert_eq!(lines[1..3], ["+0.000s stream: 2048 times h", "+0.000s stream: o"]);
    assert_eq!(scene.times_of("stream: h"), heartbeats());
    assert_eq!(lines.len(), 3 + 3456);
}

#[test]
fn a_day_of_heartbeats_on_a_websocket() {
    let mut scene = Scene::new();
    scene.open_websocket("socket");
    scene.run_until(DAY);
    let lines = scene.lines();
    assert!(lines[0].starts_with("+0.000s socket: HTTP/1.1 101"), "{}", lines[0]);
    assert_eq!(lines[1], "+0.000s socket: o");
    assert_eq!(scene.times_of("socket: h"), heartbeats());
    assert_eq!(scene.times_of("socket: ping"), heartbeats());
    assert_eq!(lines.len(), 2 + 2 * 3456);
}

#[test]
fn a_ping_without_an_answer_ends_its_session() {
    let mut scene = Scene::new();
    scene.open_websocket("socket");
    scene.run_for(HEARTBEAT - Duration::from_secs(1));
    // From here on it is read by nobody.
    let silent = scene.clients.pop();
    scene.run_for(Duration::from_secs(60));
    assert_eq!(scene.lines()[2..], ["+35.000s application: websocket: Heartbeat"]);
    drop(silent);
}

#[test]
fn a_session_expires_when_its_time_has_passed() {
    let mut scene = Scene::new();
    scene.receive("poll", "/echo/000/poll/xhr");
    scene.run_for(Duration::from_secs(4));
    assert_eq!(scene.service.stats().open(), 1);
    scene.run_for(DAY);
    assert_eq!(scene.times_of("application: xhr: Expired"), [DISCONNECT]);
    // The idle connection had its own time.
    assert_eq!(scene.times_of("poll: end"), [Duration::from_secs(75)]);
    assert_eq!(scene.service.stats().open(), 0);
}

#[test]
fn a_client_that_leaves_is_noticed_at_once() {
    let mut scene = Scene::new();
    scene.receive("stream", "/echo/000/stream/xhr_streaming");
    scene.run_for(Duration::from_secs(60 * 60));
    scene.clients.clear();
    scene.run_for(Duration::from_secs(1));
    let hour = Duration::from_secs(60 * 60);
    assert_eq!(scene.times_of("application: xhr_streaming: ClientGone"), [hour]);
}

/// A day with messages, polls, and a client that leaves.
fn a_day() -> Vec<String> {
    let mut scene = Scene::new();
    scene.receive("stream", "/echo/000/stream/xhr_streaming");
    scene.open_websocket("socket");
    scene.receive("poll", "/echo/000/poll/xhr");
    for hour in 0..24 {
        scene.run_until(Duration::from_secs(hour * 60 * 60 + 17));
        scene.clients[1].send_frame(1, format!(r#"["hour {hour}"]"#).as_bytes());
        let body = format!(r#"["hour {hour}"]"#);
        let head = "POST /echo/000/stream/xhr_send HTTP/1.1\r\nHost: server\r\nContent-Length";
        let sender = Client::receiver("sender", scene.connect(), "/echo/000/late/xhr");
        sender.send(format!("{head}: {}\r\n\r\n{body}", body.len()).as_bytes());
        scene.clients.push(sender);
    }
    scene.run_until(DAY);
    scene.clients.remove(0);
    scene.run_for(DISCONNECT);
    scene.lines()
}

#[test]
fn the_same_day_twice_is_the_same() {
    let (first, second) = (a_day(), a_day());
    assert!(first.len() > 10_000, "{} lines", first.len());
    assert!(first.contains(&r#"+82817.000s socket: a["hour 23"]"#.to_owned()));
    assert!(first.contains(&r#"+82817.000s stream: a["hour 23"]"#.to_owned()));
    for (first, second) in first.iter().zip(&second) {
        assert_eq!(first, second);
    }
    assert_eq!(first.len(), second.len());
}
