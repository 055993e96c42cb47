//! When to measure, and what was measured.

use std::fmt;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use nix::unistd::{Pid, getpid};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::process::{Memory, Ticks, cpu};

/// Between the last opening and the first message, so that the application has seen the opening.
const SETTLE: Duration = Duration::from_millis(500);
/// What is in flight at the end must arrive within this time.
const DRAIN: Duration = Duration::from_secs(10);

/// How often the server's processor time is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// On a busy machine the server gets its share of processor time late: so much later at most.
const PATIENCE: u32 = 20;
/// Latencies above this, in nanoseconds, count as this.
const SLOWEST: u64 = 60_000_000_000;

/// What a run does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Sessions are opened.
    Opening,
    /// All are open; nothing is sent yet.
    Settling,
    /// Messages flow and are not counted.
    Warming,
    /// They count.
    Measuring,
    /// Nothing more is sent; what is in flight arrives.
    Draining,
}

/// Counts messages and latencies while it is time to.
pub(crate) struct Meter {
    server: Option<Pid>,
    warmup: Duration,
    duration: Duration,
    phase: Phase,
    /// When the phase began.
    since: Instant,
    /// Phases last for processor time, not for time by the clock.
    by_cpu: bool,
    /// The server's processor time when it was last looked at.
    used: Duration,
    looked: Instant,
    messages: u64,
    latency: Histogram<u64>,
    before: Memory,
    start: Used,
    report: Report,
}

#[derive(Clone, Copy, Default)]
struct Used {
    server: Duration,
    ticks: Ticks,
    own: Duration,
}

/// What a run has shown.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// Messages echoed, or delivered, or sessions opened and closed.
    pub messages: u64,
    /// How long it was counted.
    pub seconds: f64,
    /// Processor time of the server meanwhile, if its process was named.
    pub server_cpu_seconds: Option<f64>,
    /// The kernel's part of it, from 0 to 1.
    pub server_kernel: Option<f64>,
    /// Processor time of the generator meanwhile.
    pub own_cpu_seconds: f64,
    /// From the moment that a message was sent, or due, to its arrival.
    pub latency_micros: Latency,
    /// The server's memory before the first session.
    pub memory_before: Option<Memory>,
    /// The server's memory at the end, all sessions being open.
    pub memory_after: Option<Memory>,
    /// Sessions that were open at the end.
    pub sessions: usize,
}

/// Latencies in microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Latency {
    /// Half were faster.
    pub p50: f64,
    /// 99 % were faster.
    pub p99: f64,
    /// 99.9 % were faster.
    pub p999: f64,
    /// The slowest.
    pub max: f64,
}

impl Meter {
    pub(crate) fn new(
        server: Option<i32>,
        warmup: Duration,
        duration: Duration,
        by_cpu: bool,
    ) -> Result<Self> {
        let server = server.map(Pid::from_raw);
        Ok(Self {
            server,
            warmup,
            duration,
            phase: Phase::Opening,
            since: Instant::now(),
            by_cpu,
            used: Duration::ZERO,
            looked: Instant::now(),
            messages: 0,
            latency: Histogram::new_with_bounds(1, SLOWEST, 3)?,
            before: server.map(Memory::of).transpose()?.unwrap_or_default(),
            start: Used::default(),
            report: Report::default(),
        })
    }

    /// All sessions are open.
    pub(crate) fn begin(&mut self, now: Instant) -> Result<()> {
        match self.phase {
            Phase::Opening => self.enter(Phase::Settling, now),
            _ => Ok(()),
        }
    }

    /// What to do now.
    pub(crate) fn phase(&mut self, now: Instant) -> Result<Phase> {
        let passed = self.passed(now)?;
        match self.phase {
            Phase::Settling if passed >= SETTLE => self.enter(Phase::Warming, now)?,
            Phase::Warming if passed >= self.warmup => self.enter(Phase::Measuring, now)?,
            Phase::Measuring if passed >= self.duration => {
                self.close(now)?;
                self.enter(Phase::Draining, now)?;
            }
            Phase::Draining if passed >= DRAIN => return Err("messages were lost".into()),
            _ => {}
        }
        Ok(self.phase)
    }

    /// Whether messages are to be sent.
    pub(crate) fn is_sending(&self) -> bool {
        matches!(self.phase, Phase::Warming | Phase::Measuring)
    }

    /// Something was sent, or due, at one time, and has arrived.
    pub(crate) fn record(&mut self, sent: Instant, now: Instant) {
        if self.phase == Phase::Measuring {
            self.messages += 1;
            let nanos = (now - sent).as_nanos();
            self.latency.saturating_record(u64::try_from(nanos).unwrap_or(u64::MAX));
        }
    }

    /// What was measured, with so many sessions open.
    pub(crate) fn report(mut self, sessions: usize) -> Result<Report> {
        if let Some(server) = self.server {
            self.report.memory_before = Some(self.before);
            self.report.memory_after = Some(Memory::of(server)?);
        }
        self.report.sessions = sessions;
        Ok(self.report)
    }

    fn enter(&mut self, phase: Phase, now: Instant) -> Result<()> {
        self.phase = phase;
        self.since = now;
        self.start = self.used()?;
        Ok(())
    }

    /// How much of the phase has passed. Warming and measuring are counted in the server's
    /// processor time where that is known and the server is loaded to its limit.
    fn passed(&mut self, now: Instant) -> Result<Duration> {
        let passed = now - self.since;
        let by_cpu = self.by_cpu && self.is_sending() && passed < self.duration * PATIENCE;
        match self.server {
            Some(server) if by_cpu && now - self.looked > LOOK => {
                self.looked = now;
                self.used = cpu(server)?;
            }
            _ => {}
        }
        match by_cpu && self.server.is_some() {
            true => Ok(passed.min(self.used.saturating_sub(self.start.server))),
            false => Ok(passed),
        }
    }

    fn used(&self) -> Result<Used> {
        let server = self.server.map(cpu).transpose()?.unwrap_or_default();
        let ticks = self.server.map(Ticks::of).transpose()?.unwrap_or_default();
        Ok(Used { server, ticks, own: cpu(getpid())? })
    }

    fn close(&mut self, now: Instant) -> Result<()> {
        let used = self.used()?;
        let micros = |quantile| self.latency.value_at_quantile(quantile) as f64 / 1e3;
        self.report = Report {
            messages: self.messages,
            seconds: (now - self.since).as_secs_f64(),
            server_cpu_seconds: self
                .server
                .map(|_| (used.server - self.start.server).as_secs_f64()),
            server_kernel: used.ticks.kernel_since(self.start.ticks),
            own_cpu_seconds: (used.own - self.start.own).as_secs_f64(),
            latency_micros: Latency {
                p50: micros(0.5),
                p99: micros(0.99),
                p999: micros(0.999),
                max: self.latency.max() as f64 / 1e3,
            },
            ..Report::default()
        };
        Ok(())
    }
}

impl Report {
    /// Messages for each second of the server's processor time.
    pub fn per_cpu_second(&self) -> Option<f64> {
        Some(self.messages as f64 / self.server_cpu_seconds?)
    }

    /// What each session added to the server's memory, in bytes.
    pub fn memory_per_session(&self) -> Option<f64> {
        let added = self.memory_after?.pss as f64 - self.memory_before?.pss as f64;
        Some(added / self.sessions as f64)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.messages > 0 {
            let rate = self.messages as f64 / self.seconds;
            writeln!(f, "{} messages in {:.2} s: {rate:.0}/s", self.messages, self.seconds)?;
            let Latency { p50, p99, p999, max } = self.latency_micros;
            writeln!(
                f,
                "latency in µs: p50 {p50:.0}, p99 {p99:.0}, p99.9 {p999:.0}, max {max:.0}"
            )?;
            let percent = self.own_cpu_seconds / self.seconds * 100.0;
            writeln!(f, "generator: {percent:.0} % of a processor")?;
        }
        if let (Some(cpu), Some(per_second)) = (self.server_cpu_seconds, self.per_cpu_second()) {
            let percent = cpu / self.seconds * 100.0;
            write!(
                f,
                "server: {percent:.0} % of a processor, {per_second:.0} messages a CPU second"
            )?;
            match self.server_kernel {
                Some(part) => writeln!(f, ", {:.0} % of it the kernel's", part * 100.0)?,
                None => writeln!(f)?,
            }
        }
        if let (Some(before), Some(after)) = (self.memory_before, self.memory_after) {
            let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
            let each = self.memory_per_session().unwrap_or_default();
            writeln!(
                f,
                "server memory: Rss {:.1} MiB, Pss {:.1} MiB, before {:.1} MiB; {each:.0} bytes for each of {} sessions",
                mib(after.rss),
                mib(after.pss),
                mib(before.pss),
                self.sessions,
            )?;
        }
        Ok(())
    }
}
