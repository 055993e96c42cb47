//! Each session sends messages and expects them back.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::Result;
use crate::dialect::Incoming;
use crate::load::{Load, Ramp, TICK, meter};
use crate::meter::{Meter, Phase, Report};
use crate::net::{Net, Receive};
use crate::options::Options;
use crate::session::{Session, Target};
use crate::text::Text;

/// The workload.
pub(crate) struct Echo {
    target: Target,
    text: Text,
    pace: Pace,
    clients: Vec<Client>,
    ramp: Ramp,
    meter: Meter,
    has_begun: bool,
    /// Messages under way.
    in_flight: usize,
    /// Whose turn it is, where sessions take turns.
    next: usize,
}

/// When messages are sent.
#[derive(Clone, Copy)]
enum Pace {
    /// This many for each session, and one for each that comes back.
    Each(usize),
    /// This many in all, and one for each that comes back, by the session whose turn it is.
    All(usize),
    /// At a fixed distance, by the session whose turn it is.
    Fixed { interval: Duration, due: Option<Instant> },
}

pub(crate) struct Client {
    pub(crate) session: Session,
    pub(crate) account: Account,
}

/// What one session has sent and got back.
#[derive(Debug, Default)]
pub(crate) struct Account {
    index: usize,
    sent: u32,
    received: u32,
    /// When those under way were sent.
    times: VecDeque<Instant>,
}

impl Client {
    pub(crate) fn new(index: usize) -> Self {
        Self { session: Session::new(index), account: Account { index, ..Account::default() } }
    }

    pub(crate) fn send(
        &mut self,
        net: &mut Net,
        target: &Target,
        text: &Text,
        at: Instant,
    ) -> Result<()> {
        let stamp = self.account.stamp(self.account.sent);
        self.account.sent = self.account.sent.wrapping_add(1);
        self.account.times.push_back(at);
        self.session.send(net, target, text, stamp)
    }
}

impl Account {
    fn stamp(&self, count: u32) -> u64 {
        (self.index as u64) << 32 | u64::from(count)
    }

    /// Checks what came back. Returns how many that were.
    pub(crate) fn check(
        &mut self,
        target: &Target,
        text: &Text,
        messages: &[u8],
        mut each: impl FnMut(Instant),
    ) -> Result<usize> {
        let count = target.dialect.count(text, messages, self.stamp(self.received))?;
        for _ in 0..count {
            each(self.times.pop_front().ok_or("more came back than was sent")?);
        }
        self.received = self.received.wrapping_add(count);
        Ok(count as usize)
    }
}

impl Echo {
    pub(crate) fn new(options: &Options) -> Result<Self> {
        let pace = match (options.window, options.rate) {
            (None, None) => Pace::Each(options.in_flight),
            (Some(count), None) => Pace::All(count),
            (None, Some(rate)) => {
                Pace::Fixed { interval: Duration::try_from_secs_f64(1.0 / rate)?, due: None }
            }
            _ => return Err("--window and --rate exclude each other".into()),
        };
        Ok(Self {
            target: options.target.clone(),
            text: Text::new(options.kind, options.bytes)?,
            pace,
            clients: (0..options.sessions).map(Client::new).collect(),
            ramp: Ramp::new(),
            meter: meter(options)?,
            has_begun: false,
            in_flight: 0,
            next: 0,
        })
    }

    fn send(&mut self, index: usize, net: &mut Net, at: Instant) -> Result<()> {
        self.in_flight += 1;
        self.clients[index].send(net, &self.target, &self.text, at)
    }

    fn send_in_turn(&mut self, net: &mut Net, at: Instant) -> Result<()> {
        let index = self.next;
        self.next = (index + 1) % self.clients.len();
        self.send(index, net, at)
    }

    /// The first messages.
    fn begin(&mut self, net: &mut Net, now: Instant) -> Result<()> {
        match self.pace {
            Pace::Each(count) => {
                for index in 0..self.clients.len() {
                    for _ in 0..count {
                        self.send(index, net, now)?;
                    }
                }
            }
            Pace::All(count) => {
                for _ in 0..count {
                    self.send_in_turn(net, now)?;
                }
            }
            Pace::Fixed { ref mut due, .. } => *due = Some(now),
        }
        Ok(())
    }

    /// Sends what is due. A message counts from the moment that it was due.
    fn catch_up(&mut self, net: &mut Net, now: Instant) -> Result<()> {
        while let Pace::Fixed { interval, due: Some(due) } = self.pace
            && due <= now
        {
            self.send_in_turn(net, due)?;
            self.pace = Pace::Fixed { interval, due: Some(due + interval) };
        }
        Ok(())
    }
}

impl Load for Echo {
    fn turn(&mut self, net: &mut Net, now: Instant) -> Result<Option<Duration>> {
        match self.meter.phase(now)? {
            Phase::Opening => {
                let sessions = self.clients.iter_mut().map(|client| &mut client.session);
                if self.ramp.turn(net, &self.target, sessions)? {
                    self.meter.begin(now)?;
                }
            }
            Phase::Settling => {}
            Phase::Warming | Phase::Measuring => {
                if !std::mem::replace(&mut self.has_begun, true) {
                    self.begin(net, now)?;
                }
                self.catch_up(net, now)?;
            }
            Phase::Draining if self.in_flight == 0 => return Ok(None),
            Phase::Draining => {}
        }
        // Sleeping is too coarse to send in time.
        let is_paced = matches!(self.pace, Pace::Fixed { .. }) && self.meter.is_sending();
        Ok(Some(if is_paced { Duration::ZERO } else { TICK }))
    }

    fn report(self) -> Result<Report> {
        self.meter.report(self.clients.len())
    }
}

impl Receive for Echo {
    fn received(&mut self, net: &mut Net, owner: usize, bytes: &[u8]) -> Result<usize> {
        let now = Instant::now();
        let index = Session::index_of(owner);
        let Client { session, account } = &mut self.clients[index];
        let (target, text, meter, ramp) =
            (&self.target, &self.text, &mut self.meter, &mut self.ramp);
        let mut count = 0;
        let taken = session.received(net, target, owner, bytes, |incoming| match incoming {
            Incoming::Opened => {
                ramp.opened();
                Ok(())
            }
            Incoming::Messages(messages) => {
                count += account.check(target, text, messages, |sent| meter.record(sent, now))?;
                Ok(())
            }
            Incoming::Closed => Err("the server closed a session".into()),
            Incoming::Sent | Incoming::Ping | Incoming::Idle => Ok(()),
        })?;
        self.in_flight -= count;
        if self.meter.is_sending() {
            for _ in 0..count {
                match self.pace {
                    Pace::Each(_) => self.send(index, net, now)?,
                    Pace::All(_) => self.send_in_turn(net, now)?,
                    Pace::Fixed { .. } => {}
                }
            }
        }
        Ok(taken)
    }

    fn ended(&mut self, _: &mut Net, owner: usize) -> Result<()> {
        self.clients[Session::index_of(owner)].session.ended(&self.target, owner)
    }
}
