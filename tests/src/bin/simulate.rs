//! Simulates sessions in virtual time, with all faults on, and checks the invariants throughout:
//!
//! ```sh
//! cargo run --release -p sockjs-tests --bin simulate -- --seeds 1000 --hours 1000
//! cargo run --release -p sockjs-tests --bin simulate -- --seed 17 --hours 1000 --trace
//! ```
//!
//! Hours are hours of sessions, for each seed. A seed that fails is run again with a transcript.

use std::process::ExitCode;
use std::time::Instant;

use sockjs_core::Cause;
use sockjs_core::testing::Simulation;
use sockjs_tests::simulation;

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
    threads: usize,
    trace: bool,
}

fn options() -> Option<Options> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut options = Options { seeds: 100, hours: 100, first: 0, threads, trace: false };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--trace" {
            options.trace = true;
            continue;
        }
        let number: u64 = args.next()?.parse().ok()?;
        match arg.as_str() {
            "--seeds" => options.seeds = number,
            "--hours" => options.hours = number,
            "--first-seed" => options.first = number,
            "--threads" => options.threads = number as usize,
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
    let began = Instant::now();
    let sum = simulation::run(options.first, options.seeds, options.hours, options.threads);
    let seconds = began.elapsed().as_secs_f64();
    let outcome = sum.outcome;
    let hours = outcome.session_time.as_secs_f64() / 3600.0;
    println!("{} seeds, {hours:.0} session-hours in {seconds:.1} s", options.seeds);
    println!("{:.0} session-hours a second", hours / seconds);
    println!(
        "{} sessions, {} frames, {} messages arrived, {} faults",
        outcome.sessions, outcome.frames, outcome.messages, outcome.faults
    );
    for (cause, count) in Cause::ALL.iter().zip(outcome.causes) {
        println!("  {count} ended by {cause:?}");
    }
    println!("{} violations", sum.failed.len());
    if sum.failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        println!("failed seeds: {:?}", sum.failed);
        ExitCode::FAILURE
    }
}
