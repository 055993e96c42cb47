//! The first session sends messages, and each session expects them all.

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
pub(crate) struct Broadcast {
    target: Target,
    text: Text,
    members: Vec<Member>,
    /// Broadcasts under way at a time.
    in_flight: usize,
    under_way: VecDeque<Message>,
    /// Broadcasts that have reached everyone.
    done: u64,
    ramp: Ramp,
    meter: Meter,
}

struct Member {
    session: Session,
    received: u64,
}

struct Message {
    sent: Instant,
    /// Members that have not got it.
    missing: usize,
}

impl Broadcast {
    pub(crate) fn new(options: &Options) -> Result<Self> {
        let member = |index| Member { session: Session::new(index), received: 0 };
        Ok(Self {
            target: options.target.clone(),
            text: Text::new(options.kind, options.bytes)?,
            members: (0..options.sessions).map(member).collect(),
            in_flight: options.in_flight,
            under_way: VecDeque::new(),
            done: 0,
            ramp: Ramp::new(),
            meter: meter(options)?,
        })
    }

    /// Sends until enough is under way.
    fn send(&mut self, net: &mut Net) -> Result<()> {
        while self.meter.is_sending() && self.under_way.len() < self.in_flight {
            let stamp = self.done + self.under_way.len() as u64;
            self.under_way.push_back(Message { sent: Instant::now(), missing: self.members.len() });
            self.members[0].session.send(net, &self.target, &self.text, stamp)?;
        }
        Ok(())
    }
}

impl Load for Broadcast {
    fn turn(&mut self, net: &mut Net, now: Instant) -> Result<Option<Duration>> {
        match self.meter.phase(now)? {
            Phase::Opening => {
                let sessions = self.members.iter_mut().map(|member| &mut member.session);
                if self.ramp.turn(net, &self.target, sessions)? {
                    self.meter.begin(now)?;
                }
            }
            Phase::Settling => {}
            Phase::Warming | Phase::Measuring => self.send(net)?,
            Phase::Draining if self.under_way.is_empty() => return Ok(None),
            Phase::Draining => {}
        }
        Ok(Some(TICK))
    }

    fn report(self) -> Result<Report> {
        self.meter.report(self.members.len())
    }
}

impl Receive for Broadcast {
    fn received(&mut self, net: &mut Net, owner: usize, bytes: &[u8]) -> Result<usize> {
        let now = Instant::now();
        let Member { session, received } = &mut self.members[Session::index_of(owner)];
        let (target, text, meter, ramp) =
            (&self.target, &self.text, &mut self.meter, &mut self.ramp);
        let (under_way, done) = (&mut self.under_way, self.done);
        let taken = session.received(net, target, owner, bytes, |incoming| {
            match incoming {
                Incoming::Opened => ramp.opened(),
                Incoming::Messages(messages) => {
                    let count = target.dialect.count(text, messages, *received)?;
                    for _ in 0..count {
                        let place = usize::try_from(*received - done)?;
                        let message = under_way.get_mut(place).ok_or("more came than was sent")?;
                        message.missing -= 1;
                        meter.record(message.sent, now);
                        *received += 1;
                    }
                }
                Incoming::Closed => return Err("the server closed a session".into()),
                Incoming::Sent | Incoming::Ping | Incoming::Idle => {}
            }
            Ok(())
        })?;
        while self.under_way.front().is_some_and(|message| message.missing == 0) {
            self.under_way.pop_front();
            self.done += 1;
        }
        self.send(net)?;
        Ok(taken)
    }

    fn ended(&mut self, _: &mut Net, owner: usize) -> Result<()> {
        self.members[Session::index_of(owner)].session.ended(&self.target, owner)
    }
}
