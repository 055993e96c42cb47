//! Quoting and reading.

use std::hint::black_box;

use bytes::BytesMut;
use sockjs_core::wire::payload;
use sockjs_core::wire::quote::quote;

use super::Scene;

pub(super) fn all() -> Vec<Scene> {
    let clean = "It is what it is. ".repeat(57);
    let other = "Früh übt sich, wer 世界 sieht. ".repeat(30);
    let dirty = "\u{1}\u{2028}\u{7f}\"".repeat(256);
    vec![
        quoting("quote/64 clean", &clean[..64]),
        quoting("quote/1024 clean", &clean[..1024]),
        quoting("quote/1024 non-ASCII", &other),
        quoting("quote/1024 all escaped", &dirty),
        reading("read/one of 64", &array(&[&clean[..64]]), 1),
        reading("read/16 of 64", &array(&[&clean[..64]; 16]), 16),
        reading("read/one of 1024, non-ASCII", &array(&[&other]), 1),
        reading("read/one of 1024, all escaped", &array(&[&dirty]), 1),
    ]
}

fn quoting(name: &'static str, text: &str) -> Scene {
    let text = text.to_owned();
    Scene::new(name, move || {
        let (text, mut out) = (text.clone(), BytesMut::new());
        move || {
            out.clear();
            quote(black_box(&text), &mut out);
        }
    })
}

fn reading(name: &'static str, payload: &str, messages: u64) -> Scene {
    let payload = payload.to_owned();
    let scene = Scene::new(name, move || {
        let (payload, mut batch) = (payload.clone(), Vec::new());
        move || {
            batch.clear();
            payload::read(black_box(payload.as_bytes()), usize::MAX, &mut batch).unwrap();
        }
    });
    scene.of(messages)
}

fn array(messages: &[&str]) -> String {
    serde_json::to_string(messages).unwrap()
}
