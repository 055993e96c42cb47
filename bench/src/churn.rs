//! Sessions are opened and closed: a WebSocket by its client; a polling session by the service,
//! whose close frame is awaited.

use std::time::{Duration, Instant};

use crate::Result;
use crate::dialect::Incoming;
use crate::load::{Load, Ramp, TICK, meter};
use crate::meter::{Meter, Phase, Report};
use crate::net::{Net, Receive};
use crate::options::Options;
use crate::session::{Session, Target, Transport};

/// The workload.
pub(crate) struct Churn {
    target: Target,
    slots: Vec<Slot>,
    ramp: Ramp,
    meter: Meter,
}

/// Where one session follows the other.
struct Slot {
    session: Session,
    since: Instant,
    is_closed: bool,
    /// Its first session has opened.
    is_in_use: bool,
}

impl Churn {
    pub(crate) fn new(options: &Options) -> Result<Self> {
        let slot = |index| Slot {
            session: Session::new(index),
            since: Instant::now(),
            is_closed: false,
            is_in_use: false,
        };
        Ok(Self {
            target: options.target.clone(),
            slots: (0..options.sessions).map(slot).collect(),
            ramp: Ramp::new(),
            meter: meter(options)?,
        })
    }

    /// A session's end: the next begins.
    fn renew(&mut self, index: usize, net: &mut Net) -> Result<()> {
        let slot = &mut self.slots[index];
        let now = Instant::now();
        self.meter.record(slot.since, now);
        slot.is_closed = false;
        slot.since = now;
        slot.session.open(net, &self.target)
    }
}

impl Load for Churn {
    fn turn(&mut self, net: &mut Net, now: Instant) -> Result<Option<Duration>> {
        match self.meter.phase(now)? {
            Phase::Opening => {
                let sessions = self.slots.iter_mut().map(|slot| &mut slot.session);
                if self.ramp.turn(net, &self.target, sessions)? {
                    self.meter.begin(now)?;
                }
            }
            Phase::Settling | Phase::Warming | Phase::Measuring => {}
            Phase::Draining => return Ok(None),
        }
        Ok(Some(TICK))
    }

    fn report(self) -> Result<Report> {
        self.meter.report(self.slots.len())
    }
}

impl Receive for Churn {
    fn received(&mut self, net: &mut Net, owner: usize, bytes: &[u8]) -> Result<usize> {
        let index = Session::index_of(owner);
        let slot = &mut self.slots[index];
        let mut has_opened = false;
        let taken = slot.session.received(net, &self.target, owner, bytes, |incoming| {
            match incoming {
                Incoming::Opened => has_opened = true,
                Incoming::Closed => slot.is_closed = true,
                Incoming::Messages(_) => return Err("a message that nobody sent".into()),
                Incoming::Sent | Incoming::Ping | Incoming::Idle => {}
            }
            Ok(())
        })?;
        if has_opened && !std::mem::replace(&mut slot.is_in_use, true) {
            self.ramp.opened();
        }
        match self.target.transport {
            // The server ends the connection, and with it the session.
            Transport::Websocket if has_opened => slot.session.close(net),
            Transport::Websocket => {}
            _ if slot.is_closed => self.renew(index, net)?,
            _ => {}
        }
        Ok(taken)
    }

    fn ended(&mut self, net: &mut Net, owner: usize) -> Result<()> {
        let index = Session::index_of(owner);
        let slot = &mut self.slots[index];
        match (self.target.transport, slot.is_closed) {
            (Transport::Websocket, true) => self.renew(index, net),
            _ => slot.session.ended(&self.target, owner),
        }
    }
}
