//! What is recorded is replayed to the same outputs, and what is not the same is noticed at once
//! (invariant 9).

use std::collections::BTreeSet;

use sockjs_core::testing::{Sim, Simulation, secs};
use sockjs_core::trace::{
    Entry, Input, MAGIC, Output, ReplayError, Text, entries, replay, replay_with,
};
use sockjs_core::{Gone, Seed};

/// The name of an input: its first word when shown.
fn kind(input: &Input) -> String {
    let shown = format!("{input:?}");
    shown.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
}

#[test]
fn simulated_sessions_are_replayed() {
    let mut kinds = BTreeSet::new();
    for seed in 0..24 {
        for redaction in [None, Some(Seed::new(5))] {
            let world = Simulation::new(seed, false);
            let (outcome, trace) = world.run_recorded(3, redaction);
            let replayed = replay(&trace).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            assert_eq!(replayed.sessions, outcome.causes.iter().sum::<u64>());
            for entry in entries(&trace) {
                if let Ok(Entry::Step { input, .. }) = entry {
                    kinds.insert(kind(&input));
                }
            }
        }
    }
    // The last messages of a WebSocket are a driver's affair.
    let all = "AppClose AppRecv AppSend Gone Lost Messages Panic PollEvent PollTimeout \
               PollTransmit Pong Receive Send Shutdown Timeout Websocket Written";
    assert_eq!(kinds.into_iter().collect::<Vec<_>>().join(" "), all);
}

/// A poll that waits, a message in each direction, a heartbeat, and the end.
fn recorded(redaction: Option<Seed>) -> Vec<u8> {
    let mut sim = Sim::new(|_| ());
    sim.record(redaction);
    sim.receive("stream", "/000/very-secret/xhr_streaming");
    sim.post("send", "/000/very-secret/xhr_send", r#"["a secret", "\u2028%\"<"]"#);
    let key = sim.key(1);
    assert!(sim.endpoint.peek(key).is_some_and(|message| message == "a secret"));
    assert_eq!(sim.recv_text(1).as_deref(), Some("a secret"));
    sim.send(1, "another secret").unwrap();
    sim.advance(secs(25));
    sim.receive("socket", "/000/very-secret/websocket");
    sim.gone("socket", Gone::Closed(None));
    sim.disconnect("stream");
    sim.take_trace()
}

fn difference(error: ReplayError) -> (Input, Output, Output) {
    match error {
        ReplayError::Difference(first) => (first.input, first.recorded, first.replayed),
        other => panic!("no difference: {other}"),
    }
}

#[test]
fn a_changed_setting_is_noticed_at_the_first_difference() {
    let trace = recorded(None);
    assert!(replay(&trace).is_ok());
    let later = replay_with(&trace, |settings| settings.heartbeat_delay = Some(secs(26)));
    let (input, recorded, replayed) = difference(later.unwrap_err());
    // The deadline of the first receiver, before anything of it was heard.
    assert_eq!(input, Input::PollTimeout);
    assert_ne!(recorded, replayed);
    let shorter = replay_with(&trace, |settings| settings.response_limit = 10).unwrap_err();
    let shown = shorter.to_string();
    let (input, recorded, replayed) = difference(shorter);
    assert!(matches!(input, Input::PollTransmit { receiver: 0 }));
    let (Output::Transmit(Some(recorded)), Output::Transmit(Some(replayed))) = (recorded, replayed)
    else {
        panic!("{shown}");
    };
    assert!(!recorded.fin && replayed.fin && recorded.check == replayed.check);
    assert!(shown.contains("another secret"), "the frame is shown: {shown}");
}

#[test]
fn a_changed_trace_is_noticed_at_the_first_difference() {
    let trace = recorded(None);
    let at = trace.windows(14).position(|text| text == b"another secret").expect("it is there");
    let mut changed = trace.clone();
    changed[at] = b'A';
    let (input, recorded, replayed) = difference(replay(&changed).unwrap_err());
    assert!(matches!(input, Input::PollTransmit { receiver: 0 }));
    let (Output::Transmit(Some(recorded)), Output::Transmit(Some(replayed))) = (recorded, replayed)
    else {
        panic!("both are frames");
    };
    assert!(recorded.len == replayed.len && recorded.check != replayed.check);
}

#[test]
fn a_damaged_trace_does_no_harm() {
    let trace = recorded(None);
    for at in 0..trace.len() {
        let mut changed = trace.clone();
        changed[at] ^= 1;
        // It must not panic, whatever the bytes are.
        let _ = replay(&changed);
    }
}

#[test]
fn a_trace_that_was_cut_off_ends_before_the_cut() {
    let trace = recorded(None);
    let whole = replay(&trace).unwrap();
    let mut inputs = 0;
    for end in MAGIC.len()..trace.len() {
        let part = replay(&trace[..end]).unwrap();
        assert!(part.inputs >= inputs && part.inputs < whole.inputs);
        inputs = part.inputs;
    }
    assert_eq!(replay(&trace[..4]), Err(ReplayError::NotATrace));
    assert_eq!(replay(b""), Err(ReplayError::NotATrace));
}

#[test]
fn a_redacted_trace_holds_no_text_and_no_secret() {
    let trace = recorded(Some(Seed::new(9)));
    assert!(replay(&trace).is_ok());
    assert!(!trace.windows(6).any(|part| part == b"secret"));
    let texts: Vec<Text> = entries(&trace)
        .filter_map(|entry| match entry {
            Ok(Entry::Step { input: Input::Messages { batch, .. }, .. }) => Some(batch),
            _ => None,
        })
        .flatten()
        .collect();
    assert_eq!(texts, [Text::Plain("xxxxxxxx".into()), Text::Plain("\u{2028}%\"<".into())]);
}

#[test]
fn an_endpoint_that_is_not_recorded_leaves_no_trace() {
    let mut sim = Sim::new(|_| ());
    sim.receive("c", "/000/s/xhr");
    let mut trace = Vec::new();
    sim.endpoint.take_trace(&mut trace);
    assert!(trace.is_empty());
}
