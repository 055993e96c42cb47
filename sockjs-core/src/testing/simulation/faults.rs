//! What browsers and their sessions do in the course of time, and what goes wrong.

use super::browser::{State, origin, path};
use super::network::Kind;
use super::*;
use crate::testing::op::Op;
use crate::testing::request;
use crate::{CloseReason, Transport};

impl Simulation {
    /// The browser or its session does something, and once in a while something goes wrong.
    pub(super) fn live(&mut self, browser: usize, generation: u32) {
        let known = &self.browsers[browser];
        if known.generation != generation || known.state == State::Closed {
            return;
        }
        let receiver = known.receiver;
        let key = receiver.and_then(|receiver| self.connections.get(&receiver)?.key);
        let count = match self.random.below(32) {
            0 => 60,
            1..8 => 5,
            _ => 1,
        };
        match self.random.below(24) {
            0..12 => {
                self.browsers[browser].unsent += count;
                self.send(browser);
            }
            12..22 => key.into_iter().for_each(|key| self.say(key, count)),
            _ => {
                self.outcome.faults += 1;
                self.fault(browser, receiver, key);
            }
        }
        self.plan_live(browser);
    }

    fn fault(&mut self, browser: usize, receiver: Option<u32>, key: Option<SessionKey>) {
        let id = self.browsers[browser].id;
        let which = self.random.below(16);
        self.sim.remark(|| format!("fault {which} for browser {browser}"));
        match which {
            0 => self.cut(receiver),
            1 => self.stall(receiver, key),
            2 => self.stray(browser, id),
            3 => self.leap_forward(),
            4 => self.leap_back(),
            5 | 6 => self.sim.spurious_timeout(),
            7 => self.leave(browser),
            8 => self.close(key),
            9 => self.busy(browser, key),
            10 => self.probe(browser, &format!("/000/s{id}/xhr_send"), "[\"a\",1]"),
            11 => self.probe(browser, "/000/nobody/jsonp_send", "[\"a\"]"),
            12 => self.foreign(browser, id),
            13 => self.browsers[browser].is_deaf = true,
            14 => self.violate(receiver),
            _ => key.into_iter().for_each(|key| self.say(key, 200)),
        }
    }

    /// The connection will break at some byte.
    fn cut(&mut self, receiver: Option<u32>) {
        let bytes = self.random.below(400) as usize;
        if let Some(connection) = receiver.and_then(|number| self.connections.get_mut(&number)) {
            connection.left_bytes = Some(bytes);
        }
    }

    /// The socket takes nothing for a while.
    fn stall(&mut self, receiver: Option<u32>, key: Option<SessionKey>) {
        let time = millis(self.random.below(15_000));
        if let Some(connection) = receiver.and_then(|number| self.connections.get_mut(&number)) {
            connection.stalled_until = self.now + time;
        }
        key.into_iter().for_each(|key| self.say(key, 3));
    }

    /// A second receiver of the same session, which breaks soon.
    fn stray(&mut self, browser: usize, id: u32) {
        let receiver = self.browsers[browser].receiver;
        let own = self.browsers[browser].transport;
        if own.is_none_or(Transport::is_websocket) {
            return;
        }
        let transport = self.random.pick(&Op::RECEIVING);
        let connection = self.connect(browser, Kind::Stray(transport));
        let bytes = self.random.below(3_000) as usize;
        if let Some(stray) = self.connections.get_mut(&connection) {
            stray.left_bytes = Some(bytes);
        }
        // It may take what the browser misses then.
        let key = receiver.and_then(|receiver| self.connections.get(&receiver)?.key);
        if let Some(app) = key.and_then(|key| self.apps.get_mut(&key)) {
            app.is_mixed = true;
            let delay = self.latency();
            self.plan(delay, Act::Arrive { connection, path: path(id, transport) });
        } else {
            self.connections.remove(&connection);
        }
    }

    /// A browser that gave its session up asks for it once more, soon or late: it must be told of the
    /// end as long as the id is remembered.
    pub(super) fn come_back(&mut self, browser: usize) {
        let connection = self.connect(browser, Kind::Stray(Transport::Xhr));
        let path = path(self.browsers[browser].id, Transport::Xhr);
        let delay = millis(self.random.below(70_000));
        self.plan(delay, Act::Arrive { connection, path });
    }

    /// The endpoint's clock leaps ahead: mostly by seconds, at times by hours.
    fn leap_forward(&mut self) {
        let most = if self.random.once_in(8) { 7_200_000_000 } else { 10_000_000 };
        self.ahead += self.random.below(most) as i64;
        self.pass_to(self.now);
    }

    /// The endpoint's clock leaps back.
    fn leap_back(&mut self) {
        self.ahead -= self.random.below(10_000_000) as i64;
        self.pass_to(self.now);
    }

    fn close(&mut self, key: Option<SessionKey>) {
        let Some(app) = key.and_then(|key| self.apps.get(&key)) else { return };
        if self.random.once_in(4) {
            self.sim.panic(app.session);
        } else {
            self.sim.close(app.session, CloseReason::new(4001, "done"));
        }
    }

    /// The application takes nothing for a while, and the browser sends.
    fn busy(&mut self, browser: usize, key: Option<SessionKey>) {
        let time = millis(self.random.below(15_000));
        let Some(key) = key else { return };
        if let Some(app) = self.apps.get_mut(&key) {
            app.is_busy = true;
            self.plan(time, Act::Wake { key });
            self.browsers[browser].unsent += 8;
            self.send(browser);
        }
    }

    /// A send request that must change nothing.
    fn probe(&mut self, browser: usize, path: &str, body: &str) {
        let connection = self.connect(browser, Kind::Probe);
        self.post(connection, path, body);
    }

    /// A page of another origin asks for the session.
    fn foreign(&mut self, browser: usize, id: u32) {
        if origin(browser).is_some() && self.sim.knows(&format!("s{id}")) {
            let connection = self.connect(browser, Kind::Probe);
            let request = request::post(&format!("/000/s{id}/xhr"));
            let request = request.header("Origin", "http://other.example");
            let response = self.sim.request(&name(connection), request, None);
            let refused = response.is_some_and(|response| response.status() == 404);
            self.sim.ensure(refused, 11, "another origin was let to the session");
        }
    }

    /// A WebSocket client breaks the protocol.
    fn violate(&mut self, receiver: Option<u32>) {
        let Some(number) = receiver else { return };
        let Some(connection) = self.connections.get(&number) else { return };
        if connection.kind == Kind::Receive(Transport::Websocket) {
            self.message(number, "{}");
            self.break_off(number);
            self.lost_connection(number);
        }
    }
}
