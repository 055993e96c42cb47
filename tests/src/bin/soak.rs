//! Half an hour of everything at once, after which the server must be as large as it was:
//!
//! ```sh
//! cargo run --release -p sockjs-tests --bin soak -- --minutes 30 --csv soak.csv
//! ```
//!
//! `docs/soak.md` says what the load is, and how it went. The server is this program once more, in
//! a process of its own.
#![forbid(unsafe_code)]

use std::alloc::System;
use std::fs::File;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cap::Cap;
use sockjs_tests::soak::{self, Plan, verdict};
use sockjs_tests::watched::{self, Heap};

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

const USAGE: &str =
    "usage: soak [--minutes N] [--runtime tokio|async-std] [--clients N] [--csv FILE]
  --minutes N     how long (30)
  --runtime NAME  the adapter to run on (tokio)
  --clients N     how many at a time (100)
  --csv FILE      where to write the samples (standard output)";

/// The first argument of the server's process.
const SERVE: &str = "serve";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, settings] = arguments.as_slice()
        && first == SERVE
    {
        let heap = || Heap { bytes: HEAP.allocated(), peak_bytes: HEAP.max_allocated() };
        return watched::main(settings, heap);
    }
    let Some((plan, csv)) = options(arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    match run(&plan, csv) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn options(arguments: Vec<String>) -> Option<(Plan, Option<String>)> {
    let duration = Duration::from_secs(30 * 60);
    let mut plan = Plan { runtime: "tokio".into(), duration, clients: 100 };
    let mut csv = None;
    let mut arguments = arguments.into_iter();
    while let Some(name) = arguments.next() {
        let value = arguments.next()?;
        match name.as_str() {
            "--minutes" => plan.duration = Duration::from_secs(60 * value.parse::<u64>().ok()?),
            "--runtime" => plan.runtime = value,
            "--clients" => plan.clients = value.parse().ok()?,
            "--csv" => csv = Some(value),
            _ => return None,
        }
    }
    Some((plan, csv))
}

/// Whether all stayed flat and no client was failed.
fn run(plan: &Plan, csv: Option<String>) -> io::Result<bool> {
    let mut csv: Box<dyn Write> = match csv {
        Some(path) => Box::new(File::create(path)?),
        None => Box::new(io::stdout()),
    };
    let program = std::env::current_exe()?;
    let (samples, tally) = soak::run(plan, &program.to_string_lossy(), &[SERVE], &mut csv)?;
    let failures = tally.failures.load(Ordering::Relaxed);
    println!("{} clients, {failures} failures", tally.clients.load(Ordering::Relaxed));
    let verdicts = verdict(&samples);
    for verdict in &verdicts {
        let word = if verdict.is_flat { "flat" } else { "GROWS" };
        println!("{word}: {} {:.0} → {:.0}", verdict.what, verdict.second, verdict.last);
    }
    Ok(failures == 0 && verdicts.iter().all(|verdict| verdict.is_flat))
}
