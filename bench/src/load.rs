//! Runs a load to its end.

use std::net::ToSocketAddrs;
use std::time::{Duration, Instant};

use crate::Result;
use crate::broadcast::Broadcast;
use crate::churn::Churn;
use crate::echo::Echo;
use crate::idle::Idle;
use crate::meter::{Meter, Report};
use crate::net::{Buffers, Net, Receive};
use crate::options::{Options, Workload};
use crate::session::{Session, Target};

/// Sessions that open at a time: no more than servers let wait for acceptance.
const OPENING: usize = 64;
/// How long the loop sleeps when nothing arrives.
pub(crate) const TICK: Duration = Duration::from_millis(20);
/// A server that says nothing for so long is taken for dead.
const SILENCE: Duration = Duration::from_secs(15);

/// A workload.
pub(crate) trait Load: Receive {
    /// Opens and sends what it is time for. Says how long the loop may sleep; `None` is the end.
    fn turn(&mut self, net: &mut Net, now: Instant) -> Result<Option<Duration>>;

    /// What was measured.
    fn report(self) -> Result<Report>;

    /// Whether silence is a fault now.
    fn is_busy(&self) -> bool {
        true
    }
}

/// Does what the options say.
///
/// # Errors
/// If the server cannot be reached, refuses, falls silent, or sends anything but what it should.
pub fn run(options: &Options) -> Result<Report> {
    match options.workload {
        Workload::Echo => drive(Echo::new(options)?, &options.target),
        Workload::Broadcast => drive(Broadcast::new(options)?, &options.target),
        Workload::Churn => drive(Churn::new(options)?, &options.target),
        Workload::Idle => drive(Idle::new(options)?, &options.target),
    }
}

pub(crate) fn meter(options: &Options) -> Result<Meter> {
    let by_cpu = options.rate.is_none();
    Meter::new(options.server, options.warmup, options.duration, by_cpu)
}

fn drive(mut load: impl Load, target: &Target) -> Result<Report> {
    let server = target.host.to_socket_addrs()?.next().ok_or("no such host")?;
    let mut net = Net::new(server)?;
    let mut buffers = Buffers::new();
    let mut heard = Instant::now();
    loop {
        let now = Instant::now();
        let Some(timeout) = load.turn(&mut net, now)? else { break };
        if net.turn(&mut buffers, Some(timeout), &mut load)? || !load.is_busy() {
            heard = now;
        } else if now - heard > SILENCE {
            return Err(format!("the server has said nothing for {SILENCE:?}").into());
        }
    }
    load.report()
}

/// Opens sessions, a few at a time.
pub(crate) struct Ramp {
    begun: usize,
    done: usize,
}

impl Ramp {
    pub(crate) fn new() -> Self {
        Self { begun: 0, done: 0 }
    }

    /// One more session is as it should be.
    pub(crate) fn opened(&mut self) {
        self.done += 1;
    }

    /// Opens more. Says whether all are open.
    pub(crate) fn turn<'a>(
        &mut self,
        net: &mut Net,
        target: &Target,
        mut sessions: impl Iterator<Item = &'a mut Session>,
    ) -> Result<bool> {
        let may_open = OPENING - (self.begun - self.done);
        let next = self.begun;
        for session in sessions.by_ref().skip(next).take(may_open) {
            session.open(net, target)?;
            self.begun += 1;
        }
        Ok(self.done == self.begun && sessions.next().is_none())
    }
}
