//! What the soak looks at, and what it makes of it.

use std::fmt;
use std::time::Duration;

use crate::watched::Watched;

/// A quarter of a run may be larger than another one by this part and still count as flat: the
/// load is random.
const TOLERANCE: f64 = 0.1;

/// The server at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Since the start of the load.
    pub at: Duration,
    /// Memory that the process holds.
    pub resident_bytes: u64,
    /// Of that, what it has allocated.
    pub heap_bytes: usize,
    /// File descriptors.
    pub descriptors: usize,
    /// Threads.
    pub threads: i64,
    /// Tasks.
    pub tasks: usize,
    /// Connections open.
    pub connections: u64,
    /// Sessions open.
    pub sessions: u64,
    /// Sessions ever opened.
    pub opened: u64,
    /// Messages ever, both ways.
    pub messages: u64,
    /// Processor time ever.
    pub processor: Duration,
}

impl Sample {
    /// The columns of a sample's line.
    pub const HEADER: &str = "seconds,resident KiB,heap KiB,descriptors,threads,tasks,connections,\
                              sessions,sessions ever,messages ever,processor seconds";

    pub(super) fn take(watched: &Watched, at: Duration) -> Self {
        let (usage, account) = (watched.usage(), watched.account());
        Self {
            at,
            resident_bytes: usage.resident_bytes,
            heap_bytes: account.heap.bytes,
            descriptors: usage.descriptors,
            threads: usage.threads,
            tasks: account.tasks,
            connections: account.connections,
            sessions: account.stats.open(),
            opened: account.stats.opened.total(),
            messages: account.stats.messages_in + account.stats.messages_out,
            processor: usage.processor,
        }
    }
}

/// A line of CSV.
impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0},{},{},{},{},{},{},{},{},{},{:.1}",
            self.at.as_secs_f64(),
            self.resident_bytes / 1024,
            self.heap_bytes / 1024,
            self.descriptors,
            self.threads,
            self.tasks,
            self.connections,
            self.sessions,
            self.opened,
            self.messages,
            self.processor.as_secs_f64(),
        )
    }
}

/// Whether one measure stayed flat: its mean over the second quarter of the run, and over the last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// What was measured.
    pub what: &'static str,
    /// Over the second quarter: the first one is for warming up.
    pub second: f64,
    /// Over the last quarter.
    pub last: f64,
    /// The last is not larger than the second, within the tolerance.
    pub is_flat: bool,
}

/// Compares the quarters of a run.
pub fn verdict(samples: &[Sample]) -> [Verdict; 5] {
    [
        // The slack is what a few sessions more make, where the numbers are small.
        compare("resident KiB", samples, 2048.0, |sample| sample.resident_bytes as f64 / 1024.0),
        compare("heap KiB", samples, 2048.0, |sample| sample.heap_bytes as f64 / 1024.0),
        compare("descriptors", samples, 5.0, |sample| sample.descriptors as f64),
        compare("threads", samples, 0.0, |sample| sample.threads as f64),
        compare("tasks", samples, 5.0, |sample| sample.tasks as f64),
    ]
}

fn compare(
    what: &'static str,
    samples: &[Sample],
    slack: f64,
    measure: impl Fn(&Sample) -> f64,
) -> Verdict {
    let count = samples.len();
    let mean = |from: usize, to: usize| {
        let part = samples.get(from..to).unwrap_or_default();
        part.iter().map(&measure).sum::<f64>() / part.len().max(1) as f64
    };
    let (second, last) = (mean(count / 4, count / 2), mean(count - count / 4, count));
    Verdict { what, second, last, is_flat: last <= second * (1.0 + TOLERANCE) + slack }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(descriptors: impl Fn(usize) -> usize) -> Vec<Sample> {
        let sample = |number| Sample {
            at: Duration::from_secs(number as u64),
            resident_bytes: 0,
            heap_bytes: 0,
            descriptors: descriptors(number),
            threads: 4,
            tasks: 0,
            connections: 0,
            sessions: 0,
            opened: 0,
            messages: 0,
            processor: Duration::ZERO,
        };
        (0..100).map(sample).collect()
    }

    #[test]
    fn growth_is_seen() {
        let flat = verdict(&samples(|number| 100 + number % 7));
        assert!(flat.iter().all(|verdict| verdict.is_flat), "{flat:?}");
        let growing = verdict(&samples(|number| 100 + number));
        let leaks: Vec<_> = growing.iter().filter(|verdict| !verdict.is_flat).collect();
        assert_eq!(leaks.len(), 1);
        assert_eq!((leaks[0].what, leaks[0].second, leaks[0].last), ("descriptors", 137.0, 187.0));
    }
}
