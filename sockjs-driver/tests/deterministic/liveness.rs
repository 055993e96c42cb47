//! How long it takes until somebody who is not there any more, or is too slow, is found.

use std::time::Duration;

use sockjs_driver::{Builder, ConnectionConfig, OriginPolicy, Session, SlowConsumers};

use super::{DISCONNECT, HEARTBEAT, Scene, yield_now};
use crate::client::Client;

/// The defaults of what is waited for: a write, a pong, a body, a head.
const STALL: Duration = Duration::from_secs(10);
const BODY: Duration = Duration::from_secs(15);
const HEAD: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(10);

/// What a message may hold without taking any of the budget, and what it then has to bring at a time.
const FREE: usize = 16 * 1024;
const STEP: usize = 64 * 1024;

const MILLISECOND: Duration = Duration::from_millis(1);
const STREAM: &str = "/echo/000/stream/xhr_streaming";

#[test]
fn a_stream_that_takes_nothing_is_found_by_its_heartbeat() {
    let mut scene = Scene::new();
    scene.receive("stream", STREAM);
    scene.run_for(MILLISECOND);
    scene.clients[0].stall(true);
    scene.run_until(HEARTBEAT + STALL - MILLISECOND);
    assert_eq!(scene.service.stats().open(), 1);
    scene.run_for(MILLISECOND);
    assert_eq!(scene.times_of("application: xhr_streaming: SlowConsumer"), [HEARTBEAT + STALL]);
    assert_eq!(scene.times_of("stream: end"), [HEARTBEAT + STALL]);
}

#[test]
fn a_websocket_that_takes_nothing_is_found_by_its_heartbeat() {
    let mut scene = Scene::new();
    scene.open_websocket("socket");
    scene.run_for(MILLISECOND);
    scene.clients[0].stall(true);
    scene.run_until(HEARTBEAT + STALL - MILLISECOND);
    assert_eq!(scene.service.stats().open(), 1);
    scene.run_for(2 * STALL);
    let found = scene.lines().into_iter().find(|line| line.contains("application: websocket: "));
    let found = found.expect("it is found");
    assert!(found.starts_with("+35.000s "), "{found}");
    assert_eq!(scene.service.stats().open(), 0);
    assert!(!scene.times_of("socket: end").is_empty(), "the connection does not stay");
}

#[test]
fn one_that_goes_on_in_time_is_left_alone() {
    let mut scene = Scene::new();
    scene.receive("stream", STREAM);
    scene.run_for(MILLISECOND);
    for _ in 0..100 {
        scene.clients[0].stall(true);
        scene.run_for(STALL - 2 * MILLISECOND);
        scene.clients[0].stall(false);
        scene.run_for(MILLISECOND);
    }
    assert_eq!(scene.service.stats().open(), 1);
    assert_eq!(scene.times_of("stream: h").len(), 40 - 1, "in a thousand seconds");
}

/// The network takes what is written, and nobody is there: the next poll does not come.
#[test]
fn a_poll_that_vanishes_is_found_after_its_heartbeat() {
    let mut scene = Scene::new();
    scene.receive("open", "/echo/000/poll/xhr");
    scene.receive("poll", "/echo/000/poll/xhr");
    scene.run_until(10 * HEARTBEAT);
    assert_eq!(scene.times_of("application: xhr: Expired"), [HEARTBEAT + DISCONNECT]);
}

/// A WebSocket that answers pings and takes nothing else is alive.
#[test]
fn a_websocket_that_is_silent_but_for_pongs_stays() {
    let mut scene = Scene::new();
    scene.open_websocket("socket");
    scene.run_until(100 * HEARTBEAT);
    assert_eq!(scene.service.stats().open(), 1);
}

/// A send request whose body comes in two parts, the second after that time.
fn send_in_parts(late: Duration) -> String {
    let mut scene = Scene::new();
    scene.receive("stream", STREAM);
    let head = "POST /echo/000/stream/xhr_send HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    let sender = Client::sending("sender", scene.connect(), &format!("{head}[\"x"));
    scene.clients.push(sender);
    scene.run_for(late);
    scene.clients[1].send(b"\"]");
    scene.run_for(MILLISECOND);
    answer_of(&scene, "sender")
}

/// The status of the first answer that it got.
fn answer_of(scene: &Scene, name: &str) -> String {
    let mark = format!("{name}: HTTP/1.1 ");
    let lines = scene.lines();
    let answer = lines.iter().find_map(|line| line.split_once(&mark));
    answer.map_or_else(String::new, |(_, rest)| rest.chars().take(3).collect())
}

#[test]
fn a_body_has_its_time() {
    assert_eq!(send_in_parts(BODY - MILLISECOND), "204");
    assert_eq!(send_in_parts(BODY), "408");
}

/// A WebSocket that sends a long message in fragments, the first of them now.
fn sending_fragments(bytes: usize) -> Scene {
    let scene = connected(Scene::new());
    scene.clients[0].send(&beginning(bytes));
    scene
}

/// With a WebSocket that is open.
fn connected(mut scene: Scene) -> Scene {
    scene.open_websocket("socket");
    scene.run_for(MILLISECOND);
    scene
}

/// Of a list with nothing in it, which goes on. Pongs may follow.
fn beginning(bytes: usize) -> Vec<u8> {
    let mut list = vec![b' '; bytes];
    list[0] = b'[';
    long_frame(0x01, &list)
}

fn long_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u64).to_be_bytes();
    // A mask of zeroes, as for short ones.
    [&[first, 0xff][..], &length, &[0; 4], payload].concat()
}

#[test]
fn a_long_message_over_a_websocket_has_its_time() {
    let mut scene = sending_fragments(20_000);
    scene.run_for(BODY - MILLISECOND);
    assert_eq!(scene.service.stats().open(), 1);
    scene.run_for(MILLISECOND);
    assert_eq!(scene.times_of("application: websocket: ProtocolError"), [MILLISECOND + BODY]);
    let close = format!("socket: opcode 8: {:?}", [&[3, 240], &b"Message too slow"[..]].concat());
    assert_eq!(scene.times_of(&close), [MILLISECOND + BODY]);
    scene.run_for(STALL);
    assert!(!scene.times_of("socket: end").is_empty(), "the connection does not stay");
}

#[test]
fn a_long_message_that_comes_in_steadily_may_take_longer() {
    let mut scene = sending_fragments(STEP);
    for _ in 0..9 {
        scene.run_for(BODY - MILLISECOND);
        scene.clients[0].send(&long_frame(0, &[b' '; STEP]));
    }
    // Here and there a byte is no progress.
    for _ in 0..14 {
        scene.run_for(BODY / 15);
        scene.clients[0].send(&long_frame(0, b" "));
    }
    assert_eq!(scene.service.stats().open(), 1);
    scene.run_for(BODY);
    let ended = MILLISECOND + 9 * (BODY - MILLISECOND) + BODY;
    assert_eq!(scene.times_of("application: websocket: ProtocolError"), [ended]);
}

/// Half of one counts as a part of the message, and no longer once it is whole.
#[test]
fn pings_are_no_part_of_a_long_message() {
    let mut scene = sending_fragments(FREE + STEP - 3);
    let (half, rest) = [0x89, 0x80, 0, 0, 0, 0].split_at(5);
    let mut parts = [half, rest].into_iter().cycle();
    while scene.world.elapsed() < 2 * BODY {
        scene.run_for(BODY / 3);
        scene.clients[0].send(parts.next().expect("there is always one"));
    }
    assert_eq!(scene.service.stats().open(), 0);
}

#[test]
fn each_of_many_long_messages_has_that_time() {
    const BYTES: usize = 20_000;
    let mut scene = sending_fragments(BYTES);
    for _ in 0..10 {
        scene.run_for(BODY - MILLISECOND);
        scene.clients[0].send(&[long_frame(0x80, b"]"), beginning(BYTES)].concat());
    }
    assert_eq!(scene.service.stats().open(), 1);
}

#[test]
fn a_message_does_not_inherit_the_time_of_one_before() {
    let end = long_frame(0x80, b"]");
    // Exactly what is read in one poll, so that there is no rest before the wait.
    let bytes = 8 * 16 * 1024 - 2 * end.len() + 1;
    let mut scene = connected(Scene::new());
    scene.clients[0].send(&[beginning(bytes), end].concat());
    scene.run_for(2 * BODY);
    scene.clients[0].send(&beginning(150_000));
    scene.run_for(MILLISECOND);
    assert_eq!(scene.service.stats().open(), 1);
}

/// A frame that is not whole counts with its head.
#[test]
fn nor_that_of_its_own_first_frame() {
    let mut scene = connected(Scene::new());
    let first = beginning(FREE - 10);
    let (most, last) = first.split_at(first.len() - 1);
    scene.clients[0].send(most);
    scene.run_for(MILLISECOND);
    scene.clients[0].send(last);
    scene.run_for(2 * BODY);
    scene.clients[0].send(&long_frame(0, &[b' '; 5000]));
    scene.run_for(MILLISECOND);
    assert_eq!(scene.service.stats().open(), 1);
}

#[test]
fn one_that_may_take_nothing_is_not_waited_for_meanwhile() {
    let mut scene = Scene::new();
    scene.service = Builder::new("/echo", scene.world.clone())
        .origins(OriginPolicy::Any)
        .slow_consumers(SlowConsumers::Refuse)
        .build(|mut session: Session| async move {
            while let Some(message) = session.recv().await {
                let _ = session.send(message).await;
            }
        });
    let mut scene = connected(scene);
    scene.clients[0].stall(true);
    let echoed = format!("[\"{}\"]", "x".repeat(500_000));
    let both = [long_frame(0x81, echoed.as_bytes()), beginning(100_000)].concat();
    scene.clients[0].send(&both);
    scene.run_for(10 * BODY);
    assert_eq!(scene.service.stats().open(), 1);
}

/// A handler that works and yields keeps its WebSocket from resting.
#[test]
fn what_is_finished_is_not_waited_for_while_its_handler_works() {
    let mut scene = Scene::new();
    let world = scene.world.clone();
    scene.service = Builder::new("/echo", world.clone()).origins(OriginPolicy::Any).build(
        move |mut session: Session| {
            let world = world.clone();
            async move {
                let _ = session.recv().await;
                for _ in 0..200 {
                    world.jump(world.elapsed() + BODY / 100);
                    yield_now().await;
                }
                session.closed().await;
            }
        },
    );
    let mut scene = connected(scene);
    let text = format!("[\"{}\"]", "x".repeat(40_000));
    scene.clients[0].send(&long_frame(0x81, text.as_bytes()));
    scene.run_for(2 * BODY);
    assert_eq!(scene.service.stats().open(), 1);
}

/// Such as it takes nothing from anybody else to hold.
#[test]
fn a_short_message_over_a_websocket_may_take_any_time() {
    let mut scene = sending_fragments(16_000);
    scene.run_for(10 * HEARTBEAT);
    assert_eq!(scene.service.stats().open(), 1);
}

#[test]
fn an_application_that_lags_is_not_a_message_that_is_slow() {
    let mut scene = connected(Scene::lagging());
    for _ in 0..2 {
        scene.clients[0].send_frame(1, b"[\"x\"]");
        scene.run_for(MILLISECOND);
    }
    // Little is read ahead of it, and so by two reads just enough to count.
    let beginning = beginning(30_000);
    scene.clients[0].send(&beginning[..1000]);
    scene.run_for(MILLISECOND);
    scene.clients[0].send(&beginning[1000..]);
    scene.run_for(2 * BODY);
    assert_eq!(scene.service.stats().open(), 1);
}

#[test]
fn a_head_has_its_time() {
    let status = |late: Duration| {
        let mut scene = Scene::new();
        let asking = Client::sending("asking", scene.connect(), "GET /echo HTTP/1.1\r\nHost:");
        scene.clients.push(asking);
        scene.run_for(late);
        scene.clients[0].send(b" a\r\n\r\n");
        scene.run_for(MILLISECOND);
        answer_of(&scene, "asking")
    };
    assert_eq!(status(HEAD - MILLISECOND), "200");
    assert_eq!(status(HEAD), "408");
}

/// Requests that wait for a lagging application, each for its own time.
#[test]
fn patience_is_each_requests_own() {
    let mut scene = Scene::lagging();
    scene.receive("stream", STREAM);
    scene.run_for(MILLISECOND);
    let send = |scene: &mut Scene, name| {
        let head =
            "POST /echo/000/stream/xhr_send HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
        let sender = Client::sending(name, scene.connect(), &format!("{head}[\"x\"]"));
        scene.clients.push(sender);
        scene.run_for(PATIENCE / 2);
    };
    send(&mut scene, "taken");
    send(&mut scene, "first");
    send(&mut scene, "second");
    assert_eq!(answer_of(&scene, "taken"), "204");
    assert_eq!(answer_of(&scene, "first"), "503");
    assert_eq!(answer_of(&scene, "second"), "503", "the session has ended");
    let ended = PATIENCE / 2 + PATIENCE + MILLISECOND;
    assert_eq!(scene.times_of("application: xhr_streaming: SlowApplication"), [ended]);
}

#[test]
fn what_a_handler_takes_its_time_for_is_not_the_clients_idleness() {
    let idle = ConnectionConfig::default().idle_timeout;
    let mut scene = Scene::new();
    let world = scene.world.clone();
    scene.service = Builder::new("/slow", world.clone()).origins(OriginPolicy::Any).build(
        move |mut session: Session| {
            let world = world.clone();
            async move {
                while session.recv().await.is_some() {
                    // As a handler does that computes, or blocks its thread.
                    let until = world.elapsed() + 2 * idle;
                    while world.jump(until) {}
                }
            }
        },
    );
    scene.receive("client", "/slow/000/s/xhr");
    scene.run_for(MILLISECOND);
    let head = "POST /slow/000/s/xhr_send HTTP/1.1\r\nHost: server\r\nContent-Length: 5";
    scene.clients[0].send(format!("{head}\r\n\r\n[\"x\"]").as_bytes());
    scene.run_for(10 * idle);
    assert_eq!(scene.times_of("client: end"), [MILLISECOND + 3 * idle]);
}
