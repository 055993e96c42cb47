//! Simulates sessions in virtual time, with all faults on, and checks the invariants throughout:
//!
//! ```sh
//! cargo run --release -p sockjs-tests --bin simulate -- --seeds 1000 --hours 1000
//! cargo run --release -p sockjs-tests --bin simulate -- --seed 17 --hours 1000 --trace
//! ```
//!
//! Hours are hours of sessions, for each seed. A seed that fails is run again with a transcript.

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use sockjs_core::testing::{Outcome, Simulation};

const USAGE: &str = "usage: simulate [--seeds N] [--hours N] [--first-seed N] [--threads N]
       simulate --seed N [--hours N] [--trace]
  --seeds N       how many seeds (100)
  --hours N       hours of sessions, for each seed (100)
  --first-seed N  the first of them (0)
  --threads N     how many at a time (one for each processor)
  --seed N        this one alone
  --trace         print its transcript";

struct Options {
    seeds: u64,
    hours: u64,
    first: u64,
    threads: u64,
    trace: bool,
}

fn options() -> Option<Options> {
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let mut options = Options { seeds: 100, hours: 100, first: 0, threads, trace: false };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--trace" {
            options.trace = true;
            continue;
        }
        let number = args.next()?.parse().ok()?;
        match arg.as_str() {
            "--seeds" => options.seeds = number,
            "--hours" => options.hours = number,
            "--first-seed" => options.first = number,
            "--threads" => options.threads = number,
            "--seed" => (options.first, options.seeds) = (number, 1),
            _ => return None,
        }
    }
    Some(options)
}

fn main() -> ExitCode {
    let Some(options) = options() else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    if options.trace {
        Simulation::new(options.first, true).print_transcript().run(options.hours);
        return ExitCode::SUCCESS;
    }
    let next = AtomicU64::new(options.first);
    let end = options.first + options.seeds;
    let sum = Mutex::new((Outcome::default(), 0u64));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..options.threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        break;
                    }
                    let outcome = run(seed, options.hours);
                    let mut sum = sum.lock().expect("no panic holds it");
                    match outcome {
                        Some(outcome) => sum.0.add(&outcome),
                        None => sum.1 += 1,
                    }
                }
            });
        }
    });
    let (sum, violations) = *sum.lock().expect("no panic holds it");
    let (hours, seconds) = (sum.session_time.as_secs_f64() / 3600.0, began.elapsed().as_secs_f64());
    println!("{} seeds, {hours:.0} session-hours in {seconds:.1} s", options.seeds);
    println!("{:.0} session-hours a second", hours / seconds);
    println!(
        "{} sessions, {} frames, {} messages arrived, {} faults",
        sum.sessions, sum.frames, sum.messages, sum.faults
    );
    println!("{violations} violations");
    if violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a seed; one that fails once more, so that the failure shows the transcript.
fn run(seed: u64, hours: u64) -> Option<Outcome> {
    let outcome = catch_unwind(|| Simulation::new(seed, false).run(hours)).ok();
    if outcome.is_none() {
        eprintln!("seed {seed} failed; with its transcript:");
        let _ = catch_unwind(|| Simulation::new(seed, true).run(hours));
    }
    outcome
}
