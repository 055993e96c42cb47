//! Sessions are opened and left alone, while the server's memory is measured.

use std::time::{Duration, Instant};

use crate::Result;
use crate::dialect::Incoming;
use crate::echo::Client;
use crate::load::{Load, Ramp, TICK, meter};
use crate::meter::{Meter, Report};
use crate::net::{Net, Receive};
use crate::options::{Options, State};
use crate::session::{Session, Target, Transport};
use crate::text::Text;

/// Connections that detached sessions share, one after the other.
const SHARED: usize = 16;

/// The workload.
pub(crate) struct Idle {
    target: Target,
    text: Text,
    state: State,
    clients: Vec<Client>,
    /// Detached sessions that are still to be opened.
    left: usize,
    wanted: usize,
    ramp: Ramp,
    meter: Meter,
    keep: Duration,
    idle_since: Option<Instant>,
}

impl Idle {
    pub(crate) fn new(options: &Options) -> Result<Self> {
        let wanted = options.sessions;
        let clients = match options.state {
            State::Detached => wanted.min(SHARED),
            State::Open | State::Used | State::Parked => wanted,
        };
        let target = Target {
            transport: match options.state {
                State::Open | State::Used => options.target.transport,
                State::Parked | State::Detached => Transport::Xhr,
            },
            ..options.target.clone()
        };
        Ok(Self {
            target,
            text: Text::new(options.kind, options.bytes)?,
            state: options.state,
            clients: (0..clients).map(Client::new).collect(),
            left: wanted - clients,
            wanted,
            ramp: Ramp::new(),
            meter: meter(options)?,
            keep: options.duration,
            idle_since: None,
        })
    }
}

impl Load for Idle {
    fn turn(&mut self, net: &mut Net, now: Instant) -> Result<Option<Duration>> {
        let sessions = self.clients.iter_mut().map(|client| &mut client.session);
        if self.ramp.turn(net, &self.target, sessions)? {
            let since = *self.idle_since.get_or_insert(now);
            if now - since > self.keep {
                return Ok(None);
            }
        }
        Ok(Some(TICK))
    }

    fn report(self) -> Result<Report> {
        self.meter.report(self.wanted)
    }

    fn is_busy(&self) -> bool {
        self.idle_since.is_none()
    }
}

impl Receive for Idle {
    fn received(&mut self, net: &mut Net, owner: usize, bytes: &[u8]) -> Result<usize> {
        let client = &mut self.clients[Session::index_of(owner)];
        let (target, text) = (&self.target, &self.text);
        let (mut has_opened, mut was_sent, mut count) = (false, false, 0);
        let account = &mut client.account;
        let taken = client.session.received(net, target, owner, bytes, |incoming| {
            match incoming {
                Incoming::Opened => has_opened = true,
                Incoming::Sent => was_sent = true,
                Incoming::Messages(messages) => {
                    count += account.check(target, text, messages, |_| ())?;
                }
                Incoming::Closed => return Err("the server closed a session".into()),
                Incoming::Ping | Incoming::Idle => {}
            }
            Ok(())
        })?;
        match self.state {
            State::Open | State::Parked if has_opened => self.ramp.opened(),
            State::Used if has_opened => client.send(net, target, text, Instant::now())?,
            State::Used if count > 0 => self.ramp.opened(),
            State::Detached if has_opened => client.session.confirm(net, target)?,
            State::Detached if was_sent && self.left > 0 => {
                self.left -= 1;
                client.session.open(net, target)?;
            }
            State::Detached if was_sent => self.ramp.opened(),
            _ => {}
        }
        Ok(taken)
    }

    fn ended(&mut self, _: &mut Net, owner: usize) -> Result<()> {
        self.clients[Session::index_of(owner)].session.ended(&self.target, owner)
    }
}
