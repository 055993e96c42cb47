//! WebSockets whose clients read slowly, or not at all (DESIGN §4 and §5, PROTOCOL §7).

use std::time::Duration;

use sockjs_driver::testing::Plug;
use sockjs_driver::{Builder, CloseReason, OriginPolicy, Session, SockJs};

use super::{HEARTBEAT, Scene, note};
use crate::client::WEBSOCKET;

/// What the client's end holds unread.
const ROOM: usize = 16 * 1024;
/// The default of what is waited for.
const STALL: Duration = Duration::from_secs(10);
const MESSAGE: &str = "a message of some length, so that not too many of them are needed";

/// A scene whose service sends without an end, and a client of it.
fn flood() -> (Scene, Plug) {
    flood_until(usize::MAX)
}

/// As [`flood`], but after so many messages the application closes.
fn flood_until(count: usize) -> (Scene, Plug) {
    let mut scene = Scene::new();
    let (world, transcript) = (scene.world.clone(), scene.transcript.clone());
    scene.service = Builder::new("/echo", world.clone())
        .origins(OriginPolicy::Any)
        .heartbeat_delay(HEARTBEAT)
        .build(move |session: Session| {
            let (world, transcript) = (world.clone(), transcript.clone());
            async move {
                for _ in 0..count {
                    if session.send(MESSAGE).await.is_err() {
                        break;
                    }
                }
                session.close(CloseReason::new(4001, "done"));
                let report = session.closed().await;
                let what = format!("{:?}, {} unsent", report.cause, report.unsent.len());
                note(&transcript, &world, "application", &what);
            }
        });
    let plug = connect(&scene);
    (scene, plug)
}

fn connect(scene: &Scene) -> Plug {
    let plug = scene.connect();
    plug.send(WEBSOCKET);
    plug.hold(ROOM);
    plug
}

/// The opcodes of the frames in what a server wrote after its 101, and the bytes of text frames.
#[derive(Default)]
struct Reader {
    buffer: Vec<u8>,
    is_upgraded: bool,
    opcodes: Vec<u8>,
    text_bytes: usize,
}

impl Reader {
    fn read(&mut self, plug: &Plug, most: usize) {
        self.buffer.extend(plug.receive_most(most));
        if !self.is_upgraded
            && let Some(end) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n")
        {
            self.buffer.drain(..end + 4);
            self.is_upgraded = true;
        }
        while self.is_upgraded {
            let (header, length) = match *self.buffer.as_slice() {
                [_, length @ ..126, ..] => (2, usize::from(length)),
                [_, 126, high, low, ..] => (4, usize::from(u16::from_be_bytes([high, low]))),
                _ => break,
            };
            if self.buffer.len() < header + length {
                break;
            }
            let frame: Vec<u8> = self.buffer.drain(..header + length).collect();
            self.opcodes.push(frame[0] & 0x0f);
            match frame[0] & 0x0f {
                1 => self.text_bytes += length,
                // A mask of zeroes leaves the payload as it is.
                9 => plug.send(&[0x8a, 0x80, 0, 0, 0, 0]),
                _ => {}
            }
        }
    }

    fn count(&self, opcode: u8) -> usize {
        self.opcodes.iter().filter(|known| **known == opcode).count()
    }
}

#[test]
fn one_that_reads_nothing_is_cut_with_its_socket() {
    let (mut scene, plug) = flood();
    scene.run_for(Duration::from_secs(9));
    assert!(!plug.is_ended());
    scene.run_for(Duration::from_secs(2));
    assert!(plug.is_ended(), "the socket is closed too");
    let lines = scene.lines();
    assert!(lines[0].starts_with("+10.000s application: SlowConsumer"), "{lines:?}");
}

#[test]
fn one_that_takes_a_byte_now_and_then_is_cut_as_well() {
    let (mut scene, plug) = flood();
    let mut seconds = 0;
    while !plug.is_ended() {
        scene.run_for(Duration::from_secs(1));
        plug.receive_most(1);
        seconds += 1;
        assert!(seconds < 30, "it is still served");
    }
    assert!(scene.lines()[0].contains("SlowConsumer"), "{:?}", scene.lines());
}

#[test]
fn one_that_pings_without_reading_the_answers_is_cut() {
    let (mut scene, plug) = flood_of_pings();
    scene.run_for(Duration::from_secs(15));
    assert!(plug.is_ended());
    assert_eq!(scene.lines(), ["+11.000s application: websocket: SlowConsumer"]);
}

fn flood_of_pings() -> (Scene, Plug) {
    let mut scene = Scene::new();
    let plug = connect(&scene);
    scene.run_for(Duration::from_secs(1));
    ping_too_much(&plug);
    (scene, plug)
}

fn ping_too_much(plug: &Plug) {
    for _ in 0..2_000 {
        // A mask of zeroes leaves the payload as it is.
        plug.send(&[&[0x89, 0x80 | 125, 0, 0, 0, 0][..], &[b'x'; 125]].concat());
    }
}

#[test]
fn one_that_catches_up_has_all_the_time_again() {
    let (mut scene, plug) = flood_of_pings();
    scene.run_for(Duration::from_secs(9));
    for _ in 0..100 {
        plug.receive_most(ROOM);
        scene.run_for(Duration::from_millis(1));
    }
    assert!(plug.receive_most(ROOM).is_empty(), "all is written");
    ping_too_much(&plug);
    scene.run_for(Duration::from_secs(9));
    assert!(!plug.is_ended());
    scene.run_for(Duration::from_secs(2));
    assert!(plug.is_ended());
    assert_eq!(scene.lines(), ["+20.100s application: websocket: SlowConsumer"]);
}

#[test]
fn one_that_reads_slowly_and_lives_is_served() {
    let (mut scene, plug) = flood();
    let mut reader = Reader::default();
    for _ in 0..200 {
        scene.run_for(Duration::from_secs(1));
        reader.read(&plug, ROOM);
        assert!(!plug.is_ended(), "{:?}", scene.lines());
    }
    assert!(reader.text_bytes > 1_000_000);
    assert!(reader.count(9) >= 4, "pings get through, and their pongs are late");
}

#[test]
fn what_was_sent_before_the_close_arrives_though_the_client_pauses() {
    let (mut scene, plug) = flood_until(1_000);
    scene.run_for(Duration::from_secs(6));
    let mut reader = Reader::default();
    for _ in 0..100 {
        reader.read(&plug, usize::MAX);
        scene.world.settle();
    }
    assert_eq!(reader.opcodes.last(), Some(&8), "the close comes last");
    assert!(reader.text_bytes > 1_000 * MESSAGE.len());
    plug.send(&[0x88, 0x82, 0, 0, 0, 0, 0x0f, 0xa1]);
    scene.run_for(Duration::from_millis(1));
    assert!(plug.is_ended());
    assert_eq!(scene.lines(), ["+6.000s application: Application, 0 unsent"]);
}

#[test]
fn a_close_that_is_not_answered_is_waited_for_two_seconds() {
    let (mut scene, plug) = flood_until(1);
    scene.run_for(Duration::from_millis(1_999));
    assert!(!plug.is_ended());
    scene.run_for(Duration::from_millis(2));
    assert!(plug.is_ended());
}

#[test]
fn pings_and_the_close_are_heard_while_the_application_lags() {
    let mut scene = Scene::new();
    let world = scene.world.clone();
    let (clock, transcript) = (world.clone(), scene.transcript.clone());
    scene.service = Builder::new("/echo", world)
        .origins(OriginPolicy::Any)
        .limits(|limits| limits.inbox_bytes = 128)
        .build(move |session: Session| {
            let (clock, transcript) = (clock.clone(), transcript.clone());
            // It takes nothing at all.
            async move {
                let report = session.closed().await;
                let what = format!("{:?}, {} unread", report.cause, report.unread.len());
                note(&transcript, &clock, "application", &what);
            }
        });
    scene.open_websocket("socket");
    scene.run_for(Duration::from_secs(1));
    for message in ["[\"1\"]", "[\"2\"]", "[\"3\"]"] {
        scene.clients[0].send_frame(1, message.as_bytes());
        scene.run_for(Duration::from_secs(1));
    }
    scene.clients[0].send_frame(9, b"?");
    scene.run_for(Duration::from_secs(1));
    scene.clients[0].send_frame(8, &[0x03, 0xe8]);
    scene.run_for(Duration::from_secs(1));
    assert_eq!(
        scene.lines()[2..],
        [
            "+4.000s socket: opcode 10: [63]",
            "+5.000s application: ClientGone, 3 unread",
            "+5.000s socket: opcode 8: [3, 232]",
            "+5.000s socket: end",
        ]
    );
}

/// The handler is a task of its own from its very first line.
#[test]
fn what_a_handler_does_first_delays_no_frame() {
    let mut scene = Scene::new();
    let world = scene.world.clone();
    let (clock, transcript) = (world.clone(), scene.transcript.clone());
    let plug = std::sync::Arc::new(std::sync::Mutex::new(None::<Plug>));
    let seen = plug.clone();
    let service: SockJs<_> =
        Builder::new("/echo", world).origins(OriginPolicy::Any).build(move |session: Session| {
            let got =
                seen.lock().unwrap().as_ref().map(|plug| plug.receive().ends_with(b"\x81\x01o"));
            note(&transcript, &clock, "handler", &format!("the open frame has left: {got:?}"));
            async move { drop(session) }
        });
    scene.service = service;
    *plug.lock().unwrap() = Some(connect(&scene));
    scene.run_for(Duration::from_secs(1));
    assert_eq!(scene.lines(), ["+0.000s handler: the open frame has left: Some(true)"]);
}

/// Where few ended sessions are remembered, and one that was found stalled is forgotten before its own pump
/// hears of it.
#[test]
fn a_session_keeps_its_place_when_that_had_another_one() {
    let mut scene = Scene::new();
    let (world, transcript) = (scene.world.clone(), scene.transcript.clone());
    scene.service = Builder::new("/echo", world.clone())
        .origins(OriginPolicy::Any)
        .heartbeat_delay(HEARTBEAT)
        .shards(1)
        .limits(|limits| limits.tombstones = 1)
        .build(move |mut session: Session| {
            let (world, transcript) = (world.clone(), transcript.clone());
            async move {
                if session.transport().is_websocket() {
                    while session.send(MESSAGE).await.is_ok() {}
                }
                while let Some(message) = session.recv().await {
                    note(&transcript, &world, "application", message.as_text().unwrap());
                }
            }
        });
    let deaf = [connect(&scene), connect(&scene)];
    // A byte now and then: that moves the pump's own deadline, and not the core's.
    for _ in 0..9 {
        scene.run_for(Duration::from_secs(1));
        deaf.iter().for_each(|plug| drop(plug.receive_most(1)));
    }
    let polls = ["a", "b"].map(|id| (id, scene.connect()));
    scene.run_until(Duration::from_millis(9_900));
    while scene.world.elapsed() < STALL {
        assert!(scene.world.jump(STALL));
    }
    // In the very moment of the stall, before anybody else runs.
    let request = |path: &str, body: &str| {
        let length = body.len();
        format!("POST /echo/0/{path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    for (id, plug) in &polls {
        plug.send(request(&format!("{id}/xhr"), "").as_bytes());
    }
    scene.run_for(Duration::from_secs(1));
    for (id, plug) in &polls {
        plug.send(request(&format!("{id}/xhr_send"), &format!("[\"{id}\"]")).as_bytes());
    }
    scene.run_for(Duration::from_secs(1));
    assert_eq!(scene.lines(), ["+11.000s application: a", "+11.000s application: b"]);
}
