//! How long the peer of a WebSocket may keep its pump waiting (DESIGN §5, PROTOCOL §7).

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::Timer;
use sockjs_core::{Settings, SlowConsumers};

use super::pump::Phase;
use crate::connection::{Clock, Patience};

/// How long the peer may take to answer our close, and to take our answer to its own.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// What a long message has to bring within its time.
const STEP_BYTES: usize = 64 * 1024;

/// The deadlines of a pump.
pub(super) struct Deadline {
    clock: Clock,
    write_stall: Duration,
    body_timeout: Duration,
    /// Whether an open session's client may take nothing for as long as it likes.
    is_patient: bool,
    /// The socket takes nothing, after so many writes.
    stalled: Patience<u64>,
    ending: Patience<Ending>,
    /// A long message comes in: after so many others, so many steps of it.
    arriving: Patience<(u64, usize)>,
    /// How far that has come at most: what is unfinished also shrinks, when a ping is whole.
    reached: (u64, usize),
}

/// What a pump waits for.
pub(super) struct Waits {
    pub(super) phase: Phase,
    /// Whether the socket has taken everything, after `write_count` writes.
    pub(super) is_written: bool,
    pub(super) write_count: u64,
    /// The rest of a message, after `message_count` others: what it holds of the budget already.
    pub(super) unfinished_bytes: Option<usize>,
    pub(super) message_count: u64,
    /// Nothing is read while too much waits to be written.
    pub(super) may_read: bool,
}

/// What the peer has kept the pump waiting for, for too long.
pub(super) enum Overdue {
    /// To take what is written, or to answer a close.
    Progress,
    /// To send the rest of its message.
    Message,
}

/// What an end waits for; another value is another wait.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// That the socket takes all that is left: one who takes a byte now and then is not waited for
    /// when the session has ended.
    LastWrites,
    /// The peer's answer to our close.
    Answer,
    /// That the socket takes our answer to the peer's close.
    Echo,
}

impl Deadline {
    pub(super) fn new(timer: Arc<dyn Timer + Send + Sync>, settings: &Settings) -> Self {
        Self {
            clock: Clock::new(timer),
            write_stall: settings.limits.write_stall,
            body_timeout: settings.limits.body_timeout,
            is_patient: settings.slow_consumers == SlowConsumers::Refuse,
            stalled: Patience::new(),
            ending: Patience::new(),
            arriving: Patience::new(),
            reached: (0, 0),
        }
    }

    /// Ready when the peer has kept the pump waiting for too long.
    pub(super) fn poll(&mut self, waits: &Waits, cx: &mut Context<'_>) -> Poll<Overdue> {
        let Waits { phase, is_written, write_count, .. } = *waits;
        let step = self.step(waits);
        let arriving = self.arriving.check(step, self.body_timeout, || self.clock.now());
        // Nothing is waited for. Whatever was is told from what will be by the writes between.
        if is_written && phase == Phase::Open && step.is_none() {
            return Poll::Pending;
        }
        let may_stall = is_written || (self.is_patient && phase == Phase::Open);
        let stall = (!may_stall).then_some(write_count);
        let (ending, limit) = match phase {
            Phase::Open => (None, CLOSE_TIMEOUT),
            Phase::Closing if is_written => (Some(Ending::Answer), CLOSE_TIMEOUT),
            Phase::Closing => (Some(Ending::LastWrites), self.write_stall),
            Phase::Closed => (Some(Ending::Echo), CLOSE_TIMEOUT),
        };
        let stalled = self.stalled.check(stall, self.write_stall, || self.clock.now());
        let ended = self.ending.check(ending, limit, || self.clock.now());
        let other = stalled.into_iter().chain(ended).min();
        let Some(deadline) = other.into_iter().chain(arriving).min() else {
            return Poll::Pending;
        };
        ready!(self.clock.poll_until(deadline, cx));
        let is_other = other == Some(deadline);
        Poll::Ready(if is_other { Overdue::Progress } else { Overdue::Message })
    }

    /// How far the message is that is waited for.
    fn step(&mut self, waits: &Waits) -> Option<(u64, usize)> {
        let bytes = waits.unfinished_bytes?;
        self.reached = self.reached.max((waits.message_count, bytes / STEP_BYTES));
        // Who may take nothing for as long as it likes is not read meanwhile.
        (waits.may_read || !self.is_patient).then_some(self.reached)
    }
}
