//! How long the peer of a WebSocket may keep its pump waiting (DESIGN §5, PROTOCOL §7).

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::Timer;
use sockjs_core::{Settings, SlowConsumers};

use super::pump::Phase;
use crate::connection::{Clock, Patience};

/// How long the peer may take to answer our close, and to take our answer to its own.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The deadlines of a pump.
pub(super) struct Deadline {
    clock: Clock,
    write_stall: Duration,
    /// Whether an open session's client may take nothing for as long as it likes.
    is_patient: bool,
    /// The socket takes nothing, after so many writes.
    stalled: Patience<u64>,
    ending: Patience<Ending>,
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
            is_patient: settings.slow_consumers == SlowConsumers::Refuse,
            stalled: Patience::new(),
            ending: Patience::new(),
        }
    }

    /// Ready when the peer has kept the pump waiting for too long. `is_written` says whether the
    /// socket has taken everything, after `write_count` writes.
    pub(super) fn poll(
        &mut self,
        phase: Phase,
        is_written: bool,
        write_count: u64,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        // Nothing is waited for. Whatever was is told from what will be by the writes between.
        if is_written && phase == Phase::Open {
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
        match stalled.into_iter().chain(ended).min() {
            Some(deadline) => self.clock.poll_until(deadline, cx),
            None => Poll::Pending,
        }
    }
}
