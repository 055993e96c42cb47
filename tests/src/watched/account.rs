//! What a watched server tells its watcher.

use serde::{Deserialize, Serialize};
use sockjs_core::{Cause, Report, Stats};

/// What the watcher asks, a line of JSON each; the answer is one as well.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Command {
    /// For an [`Account`].
    Account,
    /// For the [`Record`] of a session, if it has ended.
    Record(String),
    /// To let blocked handlers go on.
    Release,
}

/// Everything that a server knows of its sessions.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Account {
    /// Handlers started.
    pub opened: u64,
    /// Reports that came.
    pub closed: u64,
    /// Reports by cause, in the order of [`Cause::ALL`].
    pub causes: [u64; Cause::ALL.len()],
    /// Reports that contradict themselves, or what the handler did.
    pub wrong: Vec<String>,
    /// The services' own counts, summed up.
    pub stats: Stats,
    /// Connections now open.
    pub connections: u64,
    /// Tasks alive: those of the driver's services, and on tokio all others.
    pub tasks: usize,
    /// The heap.
    pub heap: Heap,
}

/// Bytes that a process has allocated.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Heap {
    /// Now.
    pub bytes: usize,
    /// At most, so far.
    pub peak_bytes: usize,
}

/// A session's report, in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Who or what ended the session.
    pub cause: Cause,
    /// Messages that the application's sends handed over.
    pub accepted: u64,
    /// Of those, messages whose bytes were written.
    pub written: u64,
    /// Of those, messages that the client is known to have.
    pub confirmed: u64,
    /// Messages that may have arrived.
    pub uncertain: u64,
    /// Messages that certainly did not arrive.
    pub unsent: u64,
}

impl Account {
    /// Sessions that ended so.
    pub fn ended_by(&self, cause: Cause) -> u64 {
        self.causes[cause as usize]
    }

    /// Whether no session and no connection is left.
    pub fn is_quiet(&self) -> bool {
        self.opened == self.closed && self.stats.open() == 0 && self.connections == 0
    }

    /// Requires that each session was reported once, and rightly.
    #[track_caller]
    pub fn expect_right(&self) {
        assert!(self.wrong.is_empty(), "wrong reports: {:#?}", self.wrong);
        assert_eq!(self.opened, self.closed, "handlers and reports in {self:?}");
        assert_eq!(self.opened, self.stats.opened.total(), "handlers and sessions in {self:?}");
        assert_eq!(
            self.causes,
            *self.stats.closed.counts(),
            "reports and ended sessions in {self:?}"
        );
        assert_eq!(self.stats.queued_bytes, 0, "queued by nobody in {self:?}");
    }
}

impl Record {
    pub(super) fn of(report: &Report) -> Self {
        Self {
            cause: report.cause,
            accepted: report.accepted,
            written: report.written,
            confirmed: report.confirmed,
            uncertain: report
                .accepted
                .saturating_sub(report.confirmed + report.unsent.len() as u64),
            unsent: report.unsent.len() as u64,
        }
    }

    /// Whether the numbers go together (invariant 2).
    pub(super) fn is_sound(&self) -> bool {
        self.accepted == self.confirmed + self.uncertain + self.unsent
            && self.confirmed <= self.written
            && self.written + self.unsent <= self.accepted
    }
}
