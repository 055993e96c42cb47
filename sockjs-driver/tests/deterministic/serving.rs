//! The accept loop: its rests, and its ends.

use std::collections::VecDeque;
use std::future::{Future, IntoFuture};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sockjs_driver::{Listener, Runtime, Serve};

use super::{Scene, note};
use crate::client::Client;
use sockjs_driver::testing::{Plug, Socket, connection};

/// What the listener will say, in order.
#[derive(Clone, Default)]
struct Door(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    coming: VecDeque<io::Result<Socket>>,
    waker: Option<Waker>,
}

impl Door {
    fn connect(&self) -> Plug {
        let (socket, plug) = connection();
        self.put(Ok(socket));
        plug
    }

    fn put(&self, next: io::Result<Socket>) {
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
            Some(next) => Poll::Ready(next.map(|socket| (socket, None))),
            None => {
                queue.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// Runs a server, to be told to end or to be dropped after some time.
fn serve(scene: &Scene, door: &Door, order: Duration, drop_after: Duration) {
    let (world, transcript) = (scene.world.clone(), scene.transcript.clone());
    let server = Serve::new(Ok(door.clone()), scene.service.clone(), world.clone());
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
    scene.run_until(9 * SECOND);
    scene.clients.push(stream("late", &door));
    scene.run_until(60 * SECOND);
    assert_eq!(scene.times_of("late: o"), [9 * SECOND]);
    assert_eq!(scene.times_of("idle: end"), [10 * SECOND]);
    for stream in ["stream: end", "late: end"] {
        assert_eq!(scene.times_of(stream), [15 * SECOND]);
    }
    assert_eq!(scene.times_of("server: Ok(()), 2 open"), [15 * SECOND]);
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
    scene.run_until(60 * SECOND);
    assert_eq!(scene.times_of("server: dropped"), [10 * SECOND]);
    assert_eq!(scene.times_of("idle: end"), [10 * SECOND]);
    assert_eq!(scene.times_of("stream: end"), [10 * SECOND]);
}
