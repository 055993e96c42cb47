//! Makes the calls of a trace again and stops at the first one that comes out differently:
//!
//! ```sh
//! conformance-server --record FILE      # and some sessions
//! cargo run --release -p sockjs-tests --bin replay -- FILE
//! ```
#![forbid(unsafe_code)]

use std::process::ExitCode;

use sockjs_core::trace::{Entry, ReplayError, entries, replay};

const USAGE: &str = "usage: replay [--show] FILE
  --show  print what is in the trace, instead of replaying it";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let run = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--show", path] => read(path).and_then(|trace| show(&trace).map_err(|e| e.to_string())),
        [path] if !path.starts_with("--") => read(path).and_then(|trace| check(&trace)),
        _ => Err(USAGE.into()),
    };
    match run {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn read(path: &str) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{path}: {error}"))
}

fn check(trace: &[u8]) -> Result<(), String> {
    let replayed = replay(trace).map_err(|error| error.to_string())?;
    let (inputs, sessions) = (replayed.inputs, replayed.sessions);
    println!("{inputs} inputs replayed, outputs equal");
    println!("{sessions} sessions on {} endpoints", replayed.endpoints);
    Ok(())
}

fn show(trace: &[u8]) -> Result<(), ReplayError> {
    for entry in entries(trace) {
        match entry? {
            Entry::Begin { endpoint, redacted, setup } => {
                println!("{endpoint} begins, redacted: {redacted}, {setup}");
            }
            Entry::Step { endpoint, after, input, output } => {
                println!("{endpoint} +{after} µs {input:?} -> {output:?}");
            }
            other => println!("{other:?}"),
        }
    }
    Ok(())
}
