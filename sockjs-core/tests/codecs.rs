//! Any text goes through, and nothing but text does: properties of what is written and read.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use sockjs_core::testing::{Op, Sim, fuzz};

/// Almost JSON, more often than not: strings, escapes, lone surrogates, and what should not be there.
fn almost_json() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec!["[", "]", "\"", ",", "[\"", "\"]", "\",\"", " "]),
        3 => prop::sample::select(vec![
            "\\ud83d", "\\ude00", "\\uD800", "\\udfff", "\\u0041", "\\u+d80", "\\", "\\\\", "\\\"",
            "\\n", "\\x",
        ]),
        1 => prop::sample::select(vec!["\u{1}", "\n", "\u{feff}", "\u{2028}", "é", "1", "null", "{}"]),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// An array of strings, most of whose parts are escapes.
fn json() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "[a-z]{0,3}",
        (0u32..0x1_0000).prop_map(|unit| format!("\\u{unit:04x}")),
        (0xd7f0u32..0xe010).prop_map(|unit| format!("\\u{unit:04X}")),
    ];
    let string =
        prop::collection::vec(part, 0..6).prop_map(|parts| format!("\"{}\"", parts.concat()));
    prop::collection::vec(string, 0..4).prop_map(|strings| format!("[{}]", strings.join(",")))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn payloads_are_what_serde_json_takes(text in prop_oneof![almost_json(), json()]) {
        fuzz::payload(text.as_bytes());
        fuzz::form(text.as_bytes());
    }

    #[test]
    fn bytes_are_payloads_only_as_text(bytes in prop::collection::vec(any::<u8>(), 0..30)) {
        fuzz::payload(&bytes);
        fuzz::payload(&[b"[\"", &bytes[..], b"\"]"].concat());
        fuzz::form(&[b"d=", &bytes[..]].concat());
    }

    /// The simulation reads each frame as a client does, and compares.
    #[test]
    fn any_text_comes_out_of_every_transport(texts in prop::collection::vec("(?s).{0,50}", 1..4)) {
        let sessions = Op::RECEIVING.map(|transport| format!("/000/{transport}/{transport}"));
        let websockets = ["/000/id/websocket".to_owned(), "/websocket".to_owned()];
        for path in sessions.iter().chain(&websockets) {
            let mut sim = Sim::new(|_| ());
            sim.receive("opening", path);
            for text in &texts {
                sim.send(1, text.as_str()).unwrap();
            }
            if !sim.waits("opening") {
                sim.receive("next", path);
            }
            let unsent = sim.endpoint.stats().queued_bytes;
            prop_assert_eq!(unsent, 0, "{}", path);
            sim.leave();
        }
    }

    #[test]
    fn any_text_goes_into_every_session(texts in prop::collection::vec("(?s).{0,50}", 0..4)) {
        let json = serde_json::to_string(&texts).unwrap();
        let mut sim = Sim::new(|_| ());
        sim.receive("stream", "/000/http/xhr_streaming");
        sim.receive("websocket", "/000/id/websocket");
        sim.post("post", "/000/http/xhr_send", &json);
        sim.message("websocket", json);
        for session in [1, 2] {
            for text in &texts {
                prop_assert_eq!(sim.recv_text(session), Some(text.clone()));
            }
            prop_assert_eq!(sim.recv(session), None);
        }
        sim.leave();
    }
}
