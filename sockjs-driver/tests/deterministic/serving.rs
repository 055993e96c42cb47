//! The accept loop: its rests, and its ends.

use std::collections::VecDeque;
use std::future::{Future, IntoFuture};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sockjs_driver::{Listener, Runtime, Serve, SockJs};

use super::{Scene, note};
use crate::client::Client;
use sockjs_driver::testing::{Plug, Socket, World, connection};

/// What the listener will say, in order.
#[derive(Clone, Default)]
struct Door(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    coming: VecDeque<io::Result<(Socket, Option<SocketAddr>)>>,
    waker: Option<Waker>,
}

impl Door {
    fn connect(&self) -> Plug {
        self.connect_from(None)
    }

    fn connect_from(&self, peer: Option<SocketAddr>) -> Plug {
        let (socket, plug) = connection();
        self.put(Ok((socket, peer)));
        plug
    }

    fn put(&self, next: io::Result<(Socket, Option<SocketAddr>)>) {
        let mut queue = self.0.lock().unwrap();
        queue.coming.push_back(next);
        let waker = queue.waker.take();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Listener for Door {
    type Io = Socket;

    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Socket, Option<SocketAddr>)>> {
        let mut queue = self.0.lock().unwrap();
        match queue.coming.pop_front() {
            Some(next) => Poll::Ready(next),
            None => {
                queue.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn limit_silence(io: &Socket, limit: Duration) {
        io.limit_silence(limit);
    }
}

type Server = Serve<Door, SockJs<World>>;

/// Runs a server, to be told to end or to be dropped after some time.
fn serve(scene: &Scene, door: &Door, order: Duration, drop_after: Duration) {
    serve_with(scene, door, order, drop_after, |server| server);
}

fn serve_with(
    scene: &Scene,
    door: &Door,
    order: Duration,
    drop_after: Duration,
    change: impl FnOnce(Server) -> Server,
) {
    let (world, transcript) = (scene.world.clone(), scene.transcript.clone());
    let server = Serve::new(Ok(door.clone()), scene.service.clone(), world.clone());
    let server = change(server);
    let connections = server.connections();
    let mut server =
        server.with_graceful_shutdown(hyper::rt::Timer::sleep(&world, order)).into_future();
    let mut end = hyper::rt::Timer::sleep(&world, drop_after);
    scene.world.spawn(Box::pin(async move {
        let ended = std::future::poll_fn(|cx| match server.as_mut().poll(cx) {
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
            Poll::Pending => Pin::new(&mut end).poll(cx).map(|()| None),
        });
        let what = match ended.await {
            Some(ended) => format!("{ended:?}, {} open", connections.open()),
            None => "dropped".into(),
        };
        note(&transcript, &world, "server", &what);
    }));
}

const NEVER: Duration = Duration::from_secs(1_000_000);
const SECOND: Duration = Duration::from_secs(1);

fn stream(name: &'static str, door: &Door) -> Client {
    Client::receiver(name, door.connect(), &format!("/echo/000/{name}/xhr_streaming"))
}

#[test]
fn a_failed_accept_rests_and_goes_on() {
    let mut scene = Scene::new();
    let door = Door::default();
    serve(&scene, &door, NEVER, NEVER);
    door.put(Err(io::ErrorKind::ConnectionAborted.into()));
    scene.clients.push(stream("first", &door));
    door.put(Err(io::ErrorKind::OutOfMemory.into()));
    scene.clients.push(stream("second", &door));
    scene.run_until(SECOND);
    assert_eq!(scene.times_of("first: o"), [Duration::ZERO]);
    assert_eq!(scene.times_of("second: o"), [Duration::from_millis(50)]);
}

#[test]
fn many_at_once_are_all_accepted() {
    let mut scene = Scene::new();
    let door = Door::default();
    serve(&scene, &door, NEVER, NEVER);
    for _ in 0..1000 {
        scene.clients.push(Client::receiver("client", door.connect(), "/echo"));
    }
    scene.run_until(SECOND);
    let answered = |line: &&String| line.starts_with("+0.000s client: HTTP/1.1 ");
    assert_eq!(scene.lines().iter().filter(answered).count(), 1000);
}

#[test]
fn told_to_end_it_ends_the_idle_at_once_and_the_rest_in_time() {
    let mut scene = Scene::new();
    let door = Door::default();
    serve(&scene, &door, 10 * SECOND, NEVER);
    scene.clients.push(Client::receiver("idle", door.connect(), "/echo"));
    scene.clients.push(stream("stream", &door));
    scene.clients.push(Client::websocket("socket", door.connect()));
    scene.run_until(9 * SECOND);
    scene.clients.push(stream("late", &door));
    scene.run_until(60 * SECOND);
    assert_eq!(scene.times_of("late: o"), [9 * SECOND]);
    assert_eq!(scene.times_of("idle: end"), [10 * SECOND]);
    for left in ["stream: end", "late: end", "socket: end"] {
        assert_eq!(scene.times_of(left), [15 * SECOND]);
    }
    assert_eq!(scene.times_of("server: Ok(()), 3 open"), [15 * SECOND]);
    let too_late = stream("too late", &door);
    scene.clients.push(too_late);
    scene.run_for(SECOND);
    assert_eq!(scene.times_of("too late: o"), []);
}

#[test]
fn with_nobody_left_it_ends_before_its_time() {
    let mut scene = Scene::new();
    let door = Door::default();
    serve(&scene, &door, 10 * SECOND, NEVER);
    scene.clients.push(stream("stream", &door));
    scene.run_until(11 * SECOND);
    scene.clients.clear();
    scene.run_until(60 * SECOND);
    assert_eq!(scene.times_of("server: Ok(()), 0 open"), [11 * SECOND]);
}

#[test]
fn dropped_it_cuts_everything_off() {
    let mut scene = Scene::new();
    let door = Door::default();
    serve(&scene, &door, NEVER, 10 * SECOND);
    scene.clients.push(Client::receiver("idle", door.connect(), "/echo"));
    scene.clients.push(stream("stream", &door));
    scene.clients.push(Client::websocket("socket", door.connect()));
    scene.run_until(60 * SECOND);
    assert_eq!(scene.times_of("server: dropped"), [10 * SECOND]);
    assert_eq!(scene.times_of("socket: end"), [10 * SECOND]);
    assert_eq!(scene.times_of("idle: end"), [10 * SECOND]);
    assert_eq!(scene.times_of("stream: end"), [10 * SECOND]);
}

/// Of what it sends, so much waits for the application that nothing more is read of it.
#[test]
fn dropped_it_cuts_off_a_websocket_that_is_not_read() {
    let mut scene = Scene::lagging();
    let door = Door::default();
    serve(&scene, &door, NEVER, 10 * SECOND);
    scene.clients.push(Client::websocket("socket", door.connect()));
    scene.run_until(SECOND);
    let message = format!("[\"{}\"]", "x".repeat(100));
    for _ in 0..1_000 {
        scene.clients[0].send_frame(1, message.as_bytes());
    }
    scene.run_until(60 * SECOND);
    assert_eq!(scene.times_of("socket: end"), [10 * SECOND]);
}

/// Connects once and asks once; says when the server hung up.
fn visit(scene: &mut Scene, name: &'static str, plug: Plug) {
    scene.clients.push(Client::receiver(name, plug, "/echo"));
}

fn is_answered(scene: &Scene, name: &str) -> bool {
    let line = format!("{name}: HTTP/1.1 ");
    scene.lines().iter().any(|known| known.contains(&line))
}

#[test]
fn so_many_connections_and_no_more() {
    let mut scene = Scene::new();
    let door = Door::default();
    serve_with(&scene, &door, NEVER, NEVER, |server| server.with_max_connections(2));
    for name in ["first", "second"] {
        scene.clients.push(stream(name, &door));
    }
    visit(&mut scene, "third", door.connect());
    scene.run_until(SECOND);
    assert_eq!(scene.times_of("first: o"), [Duration::ZERO]);
    assert_eq!(scene.times_of("second: o"), [Duration::ZERO]);
    assert_eq!(scene.times_of("third: end"), [Duration::ZERO]);
    assert!(!is_answered(&scene, "third"));
    // One that leaves makes room for one.
    scene.clients.remove(0);
    scene.run_for(SECOND);
    visit(&mut scene, "fourth", door.connect());
    visit(&mut scene, "fifth", door.connect());
    scene.run_for(SECOND);
    assert!(is_answered(&scene, "fourth"));
    assert!(!is_answered(&scene, "fifth"));
}

#[test]
fn so_many_connections_from_one_address_and_no_more() {
    let mut scene = Scene::new();
    let door = Door::default();
    let change = |server: Server| server.with_max_connections_per_address(1);
    serve_with(&scene, &door, NEVER, NEVER, change);
    let mut visit_from = |name, address: &str| {
        let plug = door.connect_from(Some(SocketAddr::new(address.parse().unwrap(), 1)));
        visit(&mut scene, name, plug);
        scene.run_for(SECOND);
        is_answered(&scene, name)
    };
    assert!(visit_from("v4", "192.0.2.1"));
    assert!(visit_from("v4, next door", "192.0.2.2"));
    assert!(!visit_from("v4, mapped", "::ffff:192.0.2.1"));
    assert!(visit_from("v6", "2001:db8::1"));
    assert!(visit_from("v6, next door", "2001:db8:0:1::1"));
    assert!(!visit_from("v6, same network", "2001:db8::ffff:1"));
    scene.clients.clear();
    scene.run_for(SECOND);
    visit(&mut scene, "again", door.connect_from(Some("192.0.2.1:7".parse().unwrap())));
    scene.run_for(SECOND);
    assert!(is_answered(&scene, "again"));
}

#[test]
fn refused_connections_are_counted() {
    let mut scene = Scene::new();
    let door = Door::default();
    let counts = Arc::new(Mutex::new(None));
    let kept = counts.clone();
    serve_with(&scene, &door, NEVER, NEVER, |server| {
        *kept.lock().unwrap() = Some(server.connections());
        server.with_max_connections(1)
    });
    for _ in 0..1000 {
        visit(&mut scene, "client", door.connect());
    }
    scene.run_until(SECOND);
    let counts = counts.lock().unwrap().take().unwrap();
    assert_eq!((counts.open(), counts.opened(), counts.refused()), (1, 1, 999));
}

#[test]
fn limits_that_serve_nobody_are_a_mistake() {
    let changes: [fn(Server) -> Server; 4] = [
        |server| server.with_max_connections(0),
        |server| server.with_max_connections_per_address(0),
        |server| server.with_limits(|limits| limits.max_header_count = 0),
        |server| server.with_limits(|limits| limits.idle_timeout = Duration::ZERO),
    ];
    for change in changes {
        let mut scene = Scene::new();
        serve_with(&scene, &Door::default(), NEVER, NEVER, change);
        scene.run_until(SECOND);
        let lines = scene.lines();
        assert!(lines[0].contains("must be more than zero"), "{lines:?}");
    }
}

#[test]
fn the_system_is_told_how_long_a_peer_may_be_silent() {
    let mut scene = Scene::new();
    let door = Door::default();
    let change = |server: Server| server.with_limits(|limits| limits.write_stall = 7 * SECOND);
    serve_with(&scene, &door, NEVER, NEVER, change);
    let plug = door.connect();
    scene.run_until(SECOND);
    // A second more than the server itself waits.
    assert_eq!(plug.silence(), Some(8 * SECOND));
}

#[test]
fn a_second_signal_cuts_everything_off() {
    for second in [12, 3] {
        let mut scene = Scene::new();
        let door = Door::default();
        let abort = hyper::rt::Timer::sleep(&scene.world, second * SECOND);
        let change = |server: Server| server.with_abort(abort);
        serve_with(&scene, &door, 10 * SECOND, NEVER, change);
        scene.clients.push(stream("stream", &door));
        scene.run_until(60 * SECOND);
        // The connections end when they are polled next, which may be after the server's own end.
        assert!(scene.lines().iter().any(|line| line.contains("server: Ok(())")));
        assert_eq!(scene.times_of("stream: end"), [second * SECOND]);
    }
}
