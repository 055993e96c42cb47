//! What fuzzers have found worth keeping, again: each file below `fuzz/corpus/<target>`.
#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use sockjs_core::testing::{fuzz as core, run_twice};
use sockjs_driver::testing::fuzz as driver;

/// The targets of `fuzz/targets`.
type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 7] = [
    ("forms", core::form),
    ("frames", driver::frames),
    ("heads", core::head),
    ("operations", operations),
    ("payloads", core::payload),
    ("requests", driver::requests),
    ("scripts", driver::script),
];

/// As the fuzzer does, but with a transcript, and twice (invariant 9).
fn operations(data: &[u8]) {
    let (world, ops) = core::operations_of(data);
    run_twice(world, &ops).unwrap();
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn replay(target: &str) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let (_, body) = TARGETS.iter().find(|(name, _)| *name == target).unwrap();
    let inputs = files(&fuzz.join("corpus").join(target));
    assert!(inputs.len() > 10, "{} inputs", inputs.len());
    for input in inputs {
        // Shown only if the next one fails.
        println!("{}", input.display());
        body(&fs::read(&input).unwrap());
    }
}

#[test]
fn forms() {
    replay("forms");
}

#[test]
fn frames() {
    replay("frames");
}

#[test]
fn heads() {
    replay("heads");
}

#[test]
fn operations_are_the_same_twice() {
    replay("operations");
}

#[test]
fn payloads() {
    replay("payloads");
}

#[test]
fn requests() {
    replay("requests");
}

#[test]
fn scripts() {
    replay("scripts");
}

#[test]
fn every_target_has_its_corpus() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    for directory in ["targets", "corpus"] {
        let files = files(&fuzz.join(directory));
        let names = files.iter().map(|file| file.file_stem().unwrap().to_str().unwrap());
        assert!(names.eq(TARGETS.iter().map(|(name, _)| *name)), "{directory}: {files:?}");
    }
}
