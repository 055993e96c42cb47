//! Random operations on an endpoint: the invariants of DESIGN §3 hold after each of them, as far
//! as they can be seen from outside. They are asserted by the simulation itself.

mod common;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sockjs_core::{Cause, CloseReason, Gone, Message, Timestamp};

use self::common::{Sim, millis, secs};

/// What may happen. Indices wrap around what there is.
#[derive(Clone, Debug)]
enum Op {
    Receive {
        id: u8,
        transport: usize,
    },
    Websocket {
        raw: bool,
    },
    Post {
        id: u8,
        jsonp: bool,
        texts: Vec<String>,
    },
    Broken {
        id: u8,
    },
    Message {
        client: usize,
        text: String,
    },
    Binary {
        client: usize,
    },
    Pong {
        client: usize,
    },
    Written {
        client: usize,
    },
    Lost {
        client: usize,
        all: bool,
    },
    Gone {
        client: usize,
        closed: bool,
    },
    Send {
        session: usize,
        text: String,
    },
    Recv {
        session: usize,
    },
    Close {
        session: usize,
    },
    Panic {
        session: usize,
    },
    /// Deadlines are met in their moment.
    Advance {
        millis: u64,
    },
    /// Deadlines are missed.
    Sleep {
        millis: u64,
    },
    Timeout,
    Shutdown,
}

const RECEIVE: [&str; 5] = ["xhr", "xhr_streaming", "eventsource", "htmlfile", "jsonp"];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-c%\"<]{0,3}",
        1 => "\u{2028}{0,2}",
        1 => (0usize..200).prop_map(|len| "x".repeat(len)),
        1 => (0usize..60).prop_map(|len| "\u{1}".repeat(len)),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let (client, session) = (any::<usize>(), any::<usize>());
    let texts = prop::collection::vec(text(), 0..4);
    prop_oneof![
        12 => (0u8..3, 0..RECEIVE.len()).prop_map(|(id, transport)| Op::Receive { id, transport }),
        3 => any::<bool>().prop_map(|raw| Op::Websocket { raw }),
        6 => (0u8..3, any::<bool>(), texts)
            .prop_map(|(id, jsonp, texts)| Op::Post { id, jsonp, texts }),
        1 => (0u8..3).prop_map(|id| Op::Broken { id }),
        4 => (client, text()).prop_map(|(client, text)| Op::Message { client, text }),
        1 => client.prop_map(|client| Op::Binary { client }),
        2 => client.prop_map(|client| Op::Pong { client }),
        12 => client.prop_map(|client| Op::Written { client }),
        2 => (client, any::<bool>()).prop_map(|(client, all)| Op::Lost { client, all }),
        2 => (client, any::<bool>()).prop_map(|(client, closed)| Op::Gone { client, closed }),
        14 => (session, text()).prop_map(|(session, text)| Op::Send { session, text }),
        8 => session.prop_map(|session| Op::Recv { session }),
        2 => session.prop_map(|session| Op::Close { session }),
        1 => session.prop_map(|session| Op::Panic { session }),
        6 => (0u64..12_000).prop_map(|millis| Op::Advance { millis }),
        2 => (20_000u64..40_000).prop_map(|millis| Op::Advance { millis }),
        2 => (0u64..40_000).prop_map(|millis| Op::Sleep { millis }),
        2 => Just(Op::Timeout),
        1 => prop::bool::weighted(0.3).prop_map(|really| {
            if really { Op::Shutdown } else { Op::Timeout }
        }),
    ]
}

/// What the settings of a run are.
#[derive(Clone, Copy, Debug)]
struct World {
    writes: bool,
    tombstones: bool,
    total_bytes: usize,
}

fn world() -> impl Strategy<Value = World> {
    (any::<bool>(), any::<bool>(), prop_oneof![Just(700usize), Just(100_000)])
        .prop_map(|(writes, tombstones, total_bytes)| World { writes, tombstones, total_bytes })
}

fn sim(world: World) -> Sim {
    let mut sim = Sim::new(|settings| {
        settings.response_limit = 300;
        settings.tombstones = world.tombstones.then_some(secs(20));
        settings.limits.outbox_bytes = 400;
        settings.limits.inbox_bytes = 150;
        settings.limits.message_bytes = 1000;
        settings.limits.total_bytes = world.total_bytes;
        settings.limits.window_bytes = 200;
        settings.limits.sessions = 5;
        settings.limits.unconfirmed_sessions = 2;
        settings.limits.tombstones = 3;
    });
    sim.writes = world.writes;
    sim
}

fn pick<T: Clone>(list: &[T], index: usize) -> Option<T> {
    list.get(index.checked_rem(list.len())?).cloned()
}

fn apply(sim: &mut Sim, number: usize, op: Op) {
    let name = format!("c{number}");
    let session = |sim: &Sim, index: usize| {
        let count = sim.model.opened_count();
        index.checked_rem(count).map(|at| at + 1)
    };
    match op {
        Op::Receive { id, transport } => {
            sim.receive(&name, &format!("/000/s{id}/{}", RECEIVE[transport]));
        }
        Op::Websocket { raw: true } => drop(sim.receive(&name, "/websocket")),
        Op::Websocket { raw: false } => drop(sim.receive(&name, "/000/s0/websocket")),
        Op::Post { id, jsonp, texts } => {
            let path = if jsonp { "jsonp_send" } else { "xhr_send" };
            let body = serde_json::to_string(&texts).unwrap();
            sim.post(&name, &format!("/000/s{id}/{path}"), &body);
        }
        Op::Broken { id } => drop(sim.post(&name, &format!("/000/s{id}/xhr_send"), "[\"a\",1]")),
        Op::Timeout => {
            sim.timeout();
            let events = sim.take_transcript().len();
            sim.timeout();
            assert_eq!(sim.take_transcript(), [""; 0], "invariant 8, after {events} events");
        }
        Op::Advance { millis: time } => sim.advance(millis(time)),
        Op::Sleep { millis: time } => sim.sleep(millis(time)),
        Op::Shutdown => sim.shutdown(),
        Op::Message { client, text } => {
            if let Some(name) = pick(&sim.clients(), client) {
                let json = serde_json::to_string(&[&text]).unwrap();
                sim.message(&name, json.as_str());
            }
        }
        Op::Binary { client } => {
            if let Some(name) = pick(&sim.clients(), client) {
                sim.message(&name, Message::binary(vec![0]));
            }
        }
        Op::Pong { client } => {
            if let Some(name) = pick(&sim.clients(), client)
                && sim.has_session(&name)
            {
                sim.pong(&name);
            }
        }
        Op::Written { client } => {
            if let Some(name) = pick(&sim.clients(), client) {
                sim.written(&name);
            }
        }
        Op::Lost { client, all } => {
            if let Some(name) = pick(&sim.clients(), client) {
                sim.lost(&name, all);
                sim.disconnect(&name);
            }
        }
        Op::Gone { client, closed } => {
            let why = if closed { Gone::Closed(None) } else { Gone::Disconnected };
            if let Some(name) = pick(&sim.clients(), client) {
                sim.gone(&name, why);
            }
        }
        Op::Send { session: index, text } => {
            if let Some(number) = session(sim, index) {
                let _ = sim.send(number, Message::text(text));
            }
        }
        Op::Recv { session: index } => {
            if let Some(number) = session(sim, index) {
                sim.recv(number);
            }
        }
        Op::Close { session: index } => {
            if let Some(number) = session(sim, index) {
                sim.close(number, CloseReason::GO_AWAY);
            }
        }
        Op::Panic { session: index } => {
            if let Some(number) = session(sim, index) {
                sim.panic(number);
            }
        }
    }
}

/// Invariant 6: when all have left, nothing is left.
fn leave(sim: &mut Sim) {
    for name in sim.clients() {
        sim.lost(&name, true);
        sim.disconnect(&name);
    }
    sim.advance(secs(90));
    assert!(sim.endpoint.is_empty(), "invariant 6");
    assert_eq!(sim.endpoint.live(), 0, "invariant 6");
    assert_eq!(sim.endpoint.poll_timeout(), None::<Timestamp>, "invariant 6");
    assert_eq!(sim.endpoint.stats().queued_bytes, 0, "invariant 6");
    assert_eq!(sim.unanswered(), 0, "every send request is answered");
    for number in 1..=sim.model.opened_count() {
        assert!(sim.model.report(number).is_some(), "invariant 3: closed exactly once");
    }
}

fn run(world: World, ops: Vec<Op>) -> Vec<String> {
    let mut sim = sim(world);
    let mut transcript = Vec::new();
    for (number, op) in ops.into_iter().enumerate() {
        transcript.push(format!("{op:?}"));
        apply(&mut sim, number, op);
        transcript.extend(sim.take_transcript());
    }
    leave(&mut sim);
    transcript.extend(sim.take_transcript());
    transcript
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn invariants_hold_after_every_operation(
        world in world(),
        ops in prop::collection::vec(op(), 0..80),
    ) {
        let first = run(world, ops.clone());
        prop_assert_eq!(first, run(world, ops), "invariant 9");
    }
}

/// The operations above are no use if they seldom get anywhere.
#[test]
fn random_operations_reach_every_corner() {
    let mut runner = TestRunner::deterministic();
    let strategy = (world(), prop::collection::vec(op(), 0..80));
    let mut seen = String::new();
    for _ in 0..400 {
        let (world, ops) = strategy.new_tree(&mut runner).unwrap().current();
        seen.extend(run(world, ops).into_iter().map(|line| line + "\n"));
    }
    for corner in Cause::ALL.map(|cause| format!("closed {cause:?} ")) {
        assert!(seen.contains(&corner), "{corner}");
    }
    for corner in [
        "c[2010,\"Another connection still open\"]",
        "c[3000,\"Go away!\"]",
        "c[1011,\"Internal error\"]",
        "c[1001,\"Server going away\"]",
        "c[4500,\"Slow consumer\"]",
        ": h\\n end",
        ": ping",
        ": writable",
        ": readable",
        ": 503",
        ": 404",
        ": 500",
        ": 204",
        ", confirmed",
        ", uncertain",
        ", unsent",
        ", unread",
    ] {
        let corner = corner.replace('"', "\\\"");
        assert!(seen.contains(&corner), "{corner}");
    }
}
