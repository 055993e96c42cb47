//! A seed's world: browsers, an application and a network with faults, in virtual time.
//!
//! Every number comes from the seed, so a run repeats exactly. What browsers and the application
//! see is checked from end to end: messages arrive whole, once and in order, and what a report calls
//! confirmed or unsent is what the browser knows it to be (invariants 1 and 2).

mod application;
mod browser;
mod faults;
mod network;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::hash::{DefaultHasher, Hasher};
use std::time::Duration;

use self::application::App;
use self::browser::Browser;
use self::network::Connection;
use super::Random;
use super::output::Output;
use super::sim::{START, Sim, millis, secs};
use crate::{Cause, Seed, SessionKey, Timestamp};

/// What came of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// The time that sessions were open, summed up.
    pub session_time: Duration,
    /// Sessions that opened.
    pub sessions: u64,
    /// Messages that arrived in either direction.
    pub messages: u64,
    /// Frames that were handed out.
    pub frames: u64,
    /// Faults that were injected.
    pub faults: u64,
    /// Sessions that ended, by cause, in the order of [`Cause::ALL`].
    pub causes: [u64; Cause::ALL.len()],
    /// A hash of all outputs: the same for the same seed (invariant 9).
    pub digest: u64,
}

impl Outcome {
    /// Adds another run's numbers to these.
    pub fn add(&mut self, other: &Self) {
        self.session_time += other.session_time;
        self.sessions += other.sessions;
        self.messages += other.messages;
        self.frames += other.frames;
        self.faults += other.faults;
        self.causes.iter_mut().zip(other.causes).for_each(|(sum, part)| *sum += part);
        self.digest ^= other.digest;
    }
}

/// A run of one seed.
#[derive(Debug)]
pub struct Simulation {
    sim: Sim,
    random: Random,
    /// The time of the network; the endpoint's clock may leap away from it.
    now: Timestamp,
    /// How far the endpoint's clock is ahead, in microseconds.
    ahead: i64,
    agenda: BinaryHeap<Reverse<(Timestamp, u64, usize)>>,
    /// What the agenda's entries are, by their last number; free places are reused.
    acts: Vec<Option<Act>>,
    free: Vec<usize>,
    planned: u64,
    /// How late the next deadline is met.
    lag: Duration,
    browsers: Vec<Browser>,
    /// Sessions that are open, and those that have ended.
    apps: BTreeMap<SessionKey, App>,
    ended: BTreeMap<SessionKey, App>,
    connections: BTreeMap<u32, Connection>,
    next_connection: u32,
    next_id: u32,
    /// Mean time between two things that a browser or its session does.
    pace: u64,
    hash: DefaultHasher,
    outcome: Outcome,
}

/// Something that will happen.
#[derive(Debug)]
enum Act {
    /// The browser opens a new session.
    Start { browser: usize },
    /// A receive request or a handshake reaches the server.
    Arrive { connection: u32, path: String },
    /// A send request reaches the server.
    Post { connection: u32, path: String, body: String },
    /// The answer to a send request reaches the browser.
    Answer { connection: u32, status: u16 },
    /// What was handed to the connection goes to its socket.
    Flush { connection: u32 },
    /// Bytes reach the browser.
    Deliver { connection: u32, piece: network::Piece },
    /// The server learns that the connection is broken.
    Broken { connection: u32 },
    /// A WebSocket message reaches the server.
    Message { connection: u32, text: String },
    /// A pong reaches the server.
    Pong { connection: u32 },
    /// The browser or its session does something, maybe something wrong.
    Live { browser: usize, generation: u32 },
    /// The application, which was busy, takes messages again.
    Wake { key: SessionKey },
}

impl Simulation {
    /// The world of a seed. With a transcript everything is told, and shown by a failure; without
    /// it, runs are several times as fast.
    pub fn new(seed: u64, transcript: bool) -> Self {
        let mut random = Random::new(seed);
        let mut sim = Sim::new(|settings| {
            settings.heartbeat_delay = random.pick(&[
                Some(secs(25)),
                Some(secs(25)),
                Some(secs(40)),
                Some(secs(60)),
                None,
            ]);
            settings.disconnect_delay = random.pick(&[secs(5), secs(5), secs(2), secs(20)]);
            settings.response_limit = random.pick(&[128 * 1024, 4096, 300]);
            settings.tombstones = random.pick(&[None, None, Some(secs(60))]);
            let limits = &mut settings.limits;
            limits.outbox_bytes = random.pick(&[1 << 20, 2_000, 400]);
            limits.inbox_bytes = random.pick(&[1 << 20, 2_000, 150]);
            limits.total_bytes = random.pick(&[1 << 28, 5_000, 900]);
            limits.window_bytes = random.pick(&[64 * 1024, 1_000, 100]);
            limits.sessions = random.pick(&[65_536, 65_536, 12]);
            limits.unconfirmed_sessions = random.pick(&[4_096, 4_096, 3]);
            limits.tombstones = random.pick(&[65_536, 65_536, 3]);
        });
        sim.writes = false;
        sim.keep_outputs();
        sim.keep_transcript(transcript);
        let pace = random.pick(&[20, 60, 120, 300]);
        let browsers: usize = random.between(4, 16) as usize;
        let mut world = Self {
            sim,
            random,
            now: START,
            ahead: 0,
            agenda: BinaryHeap::new(),
            acts: Vec::new(),
            free: Vec::new(),
            planned: 0,
            lag: Duration::ZERO,
            browsers: (0..browsers).map(|_| Browser::default()).collect(),
            apps: BTreeMap::new(),
            ended: BTreeMap::new(),
            connections: BTreeMap::new(),
            next_connection: 0,
            next_id: 0,
            pace,
            hash: DefaultHasher::new(),
            outcome: Outcome::default(),
        };
        for browser in 0..browsers {
            let delay = millis(world.random.below(10_000));
            world.plan(delay, Act::Start { browser });
        }
        world
    }

    /// Prints the transcript as it comes, instead of keeping it for a failure.
    #[must_use]
    pub fn print_transcript(mut self) -> Self {
        self.sim.print_transcript();
        self
    }

    /// Lets the world go on for so many hours of sessions, then lets all browsers leave.
    ///
    /// # Panics
    /// If an invariant is broken.
    pub fn run(mut self, session_hours: u64) -> Outcome {
        self.go_on(session_hours)
    }

    /// As [`run`](Self::run), and records all that the endpoint is told, for
    /// [`replay`](crate::trace::replay).
    ///
    /// # Panics
    /// If an invariant is broken.
    pub fn run_recorded(
        mut self,
        session_hours: u64,
        redaction: Option<Seed>,
    ) -> (Outcome, Vec<u8>) {
        self.sim.record(redaction);
        let outcome = self.go_on(session_hours);
        (outcome, self.sim.take_trace())
    }

    fn go_on(&mut self, session_hours: u64) -> Outcome {
        let target = secs(session_hours.saturating_mul(3_600));
        while self.outcome.session_time + self.running() < target {
            // Counting what runs costs more than a step.
            for _ in 0..256 {
                self.step();
            }
        }
        self.end()
    }

    /// The time that the sessions now open have been so.
    fn running(&self) -> Duration {
        self.apps.values().map(|app| self.now.saturating_since(app.opened_at)).sum()
    }

    fn end(&mut self) -> Outcome {
        self.outcome.session_time += self.running();
        self.outcome.sessions = self.sim.model.opened_count() as u64;
        self.outcome.frames = self.sim.endpoint.stats().frames_out;
        self.outcome.digest = self.hash.finish();
        if self.random.once_in(2) {
            self.sim.shutdown();
        }
        self.sim.leave();
        self.outcome.causes = *self.sim.endpoint.stats().closed.counts();
        self.outcome
    }

    /// Does what comes next: the agenda's first entry, or a deadline.
    fn step(&mut self) {
        let next = self.agenda.peek().map_or(Timestamp::MAX, |Reverse((at, ..))| *at);
        if let Some(deadline) = self.sim.endpoint.poll_timeout() {
            let at = shifted(deadline, -self.ahead).max(self.now) + self.lag;
            if at <= next {
                self.pass_to(at);
                self.meet_deadline();
                return;
            }
        }
        let Some(Reverse((at, _, place))) = self.agenda.pop() else { return };
        self.pass_to(at);
        self.free.push(place);
        if let Some(act) = self.acts.get_mut(place).and_then(Option::take) {
            self.act(act);
            self.follow();
        }
    }

    fn pass_to(&mut self, at: Timestamp) {
        self.now = self.now.max(at);
        let clock = shifted(self.now, self.ahead);
        self.sim.leap(clock);
    }

    /// Deadlines are met late at times, and twice.
    fn meet_deadline(&mut self) {
        if self.random.once_in(16) {
            self.sim.spurious_timeout();
        } else {
            self.sim.timeout();
        }
        self.lag =
            if self.random.once_in(8) { millis(self.random.below(2_000)) } else { Duration::ZERO };
        self.follow();
    }

    fn plan(&mut self, delay: Duration, act: Act) {
        self.plan_at(self.now + delay, act);
    }

    fn plan_at(&mut self, at: Timestamp, act: Act) {
        self.planned += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.acts.push(None);
            self.acts.len() - 1
        });
        self.acts[place] = Some(act);
        self.agenda.push(Reverse((at, self.planned, place)));
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Start { browser } => self.start(browser),
            Act::Arrive { connection, path } => self.arrive(connection, &path),
            Act::Post { connection, path, body } => self.post(connection, &path, &body),
            Act::Answer { connection, status } => self.answered(connection, status),
            Act::Flush { connection } => self.flush(connection),
            Act::Deliver { connection, piece } => self.deliver(connection, piece),
            Act::Broken { connection } => self.broken(connection),
            Act::Message { connection, text } => self.message(connection, &text),
            Act::Pong { connection } => {
                if self.connections.contains_key(&connection) {
                    self.sim.pong(&name(connection));
                }
            }
            Act::Live { browser, generation } => self.live(browser, generation),
            Act::Wake { key } => self.wake(key),
        }
    }

    /// Lets the application and the network take what came out.
    fn follow(&mut self) {
        while let Some(output) = self.sim.take_output() {
            self.digest(&output);
            match output {
                Output::Answered { client, status } => {
                    let delay = self.latency();
                    let connection = number(&client);
                    self.plan(delay, Act::Answer { connection, status });
                }
                Output::Prelude { client, bytes } => {
                    self.handed(number(&client), network::Piece::prelude(bytes));
                }
                Output::Frame { client, chunk, kind, bytes, fin } => {
                    let piece = network::Piece { chunk, kind, bytes, fin };
                    self.handed(number(&client), piece);
                }
                Output::Opened { session, key, .. } => self.opened(session, key),
                Output::Readable { key, .. } => self.take_messages(key),
                Output::Writable { key, .. } => self.send_messages(key),
                Output::Closed { key, report, .. } => self.closed(key, &report),
            }
        }
    }

    fn digest(&mut self, output: &Output) {
        self.hash.write_u64(self.now.as_micros());
        match output {
            Output::Frame { client, bytes, .. } | Output::Prelude { client, bytes } => {
                self.hash.write_u32(number(client));
                self.hash.write(bytes);
            }
            Output::Answered { client, status } => {
                self.hash.write_u32(number(client));
                self.hash.write_u16(*status);
            }
            Output::Opened { session, .. } => self.hash.write_usize(*session),
            Output::Readable { session, .. } => self.hash.write_usize(session << 2),
            Output::Writable { session, .. } => self.hash.write_usize((session << 2) + 1),
            Output::Closed { session, report, .. } => {
                self.hash.write_usize((session << 8) + report.cause as usize);
                self.hash.write_u64(report.confirmed);
                self.hash.write_usize(report.unsent.len());
            }
        }
    }

    /// How long something takes to the other side.
    fn latency(&mut self) -> Duration {
        let micros = match self.random.below(32) {
            0 => self.random.below(3_000_000),
            1..4 => self.random.below(300_000),
            _ => 1_000 + self.random.below(30_000),
        };
        Duration::from_micros(micros)
    }
}

/// A time on a clock that is so many microseconds ahead.
fn shifted(at: Timestamp, ahead: i64) -> Timestamp {
    Timestamp::from_micros(at.as_micros().saturating_add_signed(ahead))
}

/// The name that a connection has in the simulated endpoint.
fn name(connection: u32) -> String {
    format!("c{connection}")
}

fn number(name: &str) -> u32 {
    name.strip_prefix('c').and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// The text of the message of that number, in either direction: of all lengths, and with what needs
/// escapes.
fn text(number: u64) -> String {
    match number % 16 {
        0 => format!("{number}:%41<\"\\\u{2028}é"),
        5 => format!("{number}:{}", "x".repeat((number % 700) as usize)),
        11 => format!("{number}:{}", "\u{1}".repeat((number % 60) as usize)),
        _ => format!("{number}:"),
    }
}

/// The number of a message, if it is whole.
fn counted(arrived: &str) -> Option<u64> {
    let number = arrived.split(':').next()?.parse().ok()?;
    (text(number) == arrived).then_some(number)
}
