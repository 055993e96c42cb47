//! Random operations on an endpoint: the invariants of DESIGN §3 hold after each of them, as far
//! as they can be seen from outside. They are asserted by the simulation itself.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sockjs_core::Cause;
use sockjs_core::testing::{Op, Sim, World, run, run_twice, secs};

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
        12 => (0u8..3, 0..Op::RECEIVING.len()).prop_map(|(id, transport)| Op::Receive { id, transport }),
        3 => any::<bool>().prop_map(|raw| Op::Websocket { raw }),
        6 => (0u8..3, any::<bool>(), texts)
            .prop_map(|(id, jsonp, texts)| Op::Post { id, jsonp, texts }),
        1 => (0u8..3).prop_map(|id| Op::Broken { id }),
        2 => (0u8..3, any::<bool>()).prop_map(|(id, other)| Op::Foreign { id, other }),
        4 => (client, text()).prop_map(|(client, text)| Op::Message { client, text }),
        1 => client.prop_map(|client| Op::Binary { client }),
        2 => client.prop_map(|client| Op::Pong { client }),
        12 => client.prop_map(|client| Op::Written { client }),
        2 => (client, any::<bool>()).prop_map(|(client, all)| Op::Lost { client, all }),
        2 => (client, any::<bool>()).prop_map(|(client, closed)| Op::Gone { client, closed }),
        14 => (session, text()).prop_map(|(session, text)| Op::Send { session, text }),
        4 => session.prop_map(|session| Op::Recv { session }),
        4 => (session, 0usize..4).prop_map(|(session, more)| Op::RecvMany { session, more }),
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

fn world() -> impl Strategy<Value = World> {
    (any::<bool>(), any::<bool>(), prop_oneof![Just(700usize), Just(100_000)])
        .prop_map(|(writes, tombstones, total_bytes)| World { writes, tombstones, total_bytes })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn invariants_hold_after_every_operation(
        world in world(),
        ops in prop::collection::vec(op(), 0..80),
    ) {
        if let Err(violation) = run_twice(world, &ops) {
            prop_assert!(false, "{violation}");
        }
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
        seen.extend(run(world, &ops).into_iter().map(|line| line + "\n"));
    }
    for corner in Cause::ALL.iter().map(|cause| format!("closed {cause:?} ")) {
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

/// The end of two sessions lets a batch in; the application is told of the second only afterwards.
#[test]
fn a_batch_may_take_the_place_of_a_session_whose_end_is_not_told_yet() {
    let mut sim = Sim::tight(World { writes: false, tombstones: false, total_bytes: 700 });
    for name in ["first", "quick", "second"] {
        sim.receive(name, &format!("/000/{name}/xhr_streaming"));
        sim.all_written(name);
    }
    for session in [1, 1, 3] {
        sim.send(session, "x".repeat(130)).unwrap();
    }
    let text = "x".repeat(800);
    sim.post("post", "/000/quick/xhr_send", &format!("[\"{text}\"]"));
    sim.sleep(secs(20));
    sim.timeout();
    assert_eq!(sim.recv_text(2), Some(text));
}
