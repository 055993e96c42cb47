//! Many seeds of [`sockjs_core::testing::Simulation`], on all processors.

use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use sockjs_core::Seed;
use sockjs_core::testing::{Outcome, Simulation};
use sockjs_core::trace::replay;

/// One seed of so many is run twice, and replayed from a trace of the second run: the same must come
/// out (invariant 9).
const TWICE_EVERY: u64 = 16;

/// What came of many seeds.
#[derive(Debug, Default)]
pub struct Sum {
    /// The sum of all that ended well.
    pub outcome: Outcome,
    /// Seeds that broke an invariant.
    pub failed: Vec<u64>,
}

/// Runs the seeds from `first` on for so many session-hours each. A seed that fails is run again
/// with a transcript, which is shown.
///
/// # Panics
/// Not for failing seeds.
pub fn run(first: u64, seeds: u64, hours: u64, threads: usize) -> Sum {
    let next = AtomicU64::new(first);
    let sum = Mutex::new(Sum::default());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds {
                        break;
                    }
                    let outcome = run_seed(seed, hours);
                    let mut sum = sum.lock().expect("nobody panics with it");
                    match outcome {
                        Some(outcome) => sum.outcome.add(&outcome),
                        None => sum.failed.push(seed),
                    }
                }
            });
        }
    });
    sum.into_inner().expect("nobody panics with it")
}

fn run_seed(seed: u64, hours: u64) -> Option<Outcome> {
    let run = |transcript| catch_unwind(|| Simulation::new(seed, transcript).run(hours)).ok();
    let outcome = run(false);
    if outcome.is_none() {
        eprintln!("seed {seed} failed; again, with its transcript:");
        run(true);
    } else if seed.is_multiple_of(TWICE_EVERY)
        && let Err(difference) = repeat(seed, hours, outcome)
    {
        eprintln!("seed {seed}: invariant 9 is broken: {difference}");
        return None;
    }
    outcome
}

fn repeat(seed: u64, hours: u64, outcome: Option<Outcome>) -> Result<(), String> {
    // Half of the traces are redacted.
    let redaction = seed.is_multiple_of(2 * TWICE_EVERY).then_some(Seed::new(seed.into()));
    let again = catch_unwind(|| Simulation::new(seed, false).run_recorded(hours, redaction)).ok();
    match again {
        Some((again, trace)) if Some(again) == outcome => {
            replay(&trace).map(|_| ()).map_err(|error| error.to_string())
        }
        _ => Err("a second run came out differently".into()),
    }
}
