//! A long run at mixed load, whose process must be as large at its end as it was early on.

mod load;
mod samples;

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::watched::{Settings, Watched};

pub use load::Tally;
pub use samples::{Sample, Verdict, verdict};

/// Time between two samples.
const INTERVAL: Duration = Duration::from_secs(10);

/// How long the server may take to become quiet after the load.
const RECOVERY: Duration = Duration::from_secs(60);

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The adapter.
    pub runtime: String,
    /// How long the load lasts.
    pub duration: Duration,
    /// Clients at a time, each in a thread of its own.
    pub clients: u64,
}

/// Runs the load against the program, and writes each sample as a line of CSV.
///
/// # Errors
/// If a sample cannot be written.
///
/// # Panics
/// If the server dies, or its account at the end is not right.
pub fn run(
    plan: &Plan,
    program: &str,
    arguments: &[&str],
    csv: &mut dyn Write,
) -> io::Result<(Vec<Sample>, Tally)> {
    let mut settings = Settings::on(&plan.runtime);
    settings.heartbeat = Duration::from_secs(5);
    settings.disconnect = Duration::from_secs(2);
    settings.write_stall = Duration::from_secs(3);
    settings.send_buffer_bytes = Some(64 << 10);
    let watched = Watched::start(program, arguments, settings);
    let is_over = AtomicBool::new(false);
    let tally = Tally::default();
    let samples = std::thread::scope(|scope| {
        let (is_over, tally) = (&is_over, &tally);
        for seed in 0..plan.clients {
            let address = watched.address();
            scope.spawn(move || load::run(address, seed, is_over, tally));
        }
        let samples = sample(&watched, plan.duration, csv);
        is_over.store(true, Ordering::Relaxed);
        samples
    })?;
    let deadline = Instant::now() + RECOVERY;
    while !watched.account().is_quiet() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    let account = watched.account();
    assert!(account.is_quiet(), "the server is not quiet: {account:?}");
    account.expect_right();
    Ok((samples, tally))
}

/// Takes samples until the time is over.
fn sample(watched: &Watched, duration: Duration, csv: &mut dyn Write) -> io::Result<Vec<Sample>> {
    let start = Instant::now();
    let mut samples = Vec::new();
    writeln!(csv, "{}", Sample::HEADER)?;
    let mut next = INTERVAL;
    while next <= duration {
        std::thread::sleep(next.saturating_sub(start.elapsed()));
        let sample = Sample::take(watched, start.elapsed());
        writeln!(csv, "{sample}")?;
        csv.flush()?;
        samples.push(sample);
        next += INTERVAL;
    }
    Ok(samples)
}
