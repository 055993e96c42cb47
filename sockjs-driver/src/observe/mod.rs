//! What happens to sessions, for those who watch: counts, `tracing`, `metrics` (DESIGN §4).
//!
//! Without the features all of this but the count of refusals is nothing. Subscribers and recorders are
//! the application's code, so nothing here may be called within a turn, except where it says so. They
//! are told of kinds, counts and times; never of ids, texts, messages, addresses or headers.

#[cfg(feature = "metrics")]
mod meters;
mod span;
mod stopwatch;

use sockjs_core::{Refusal, Stats, Tally};

pub(crate) use self::span::Span;
pub(crate) use self::stopwatch::Stopwatch;
use crate::session::Inner;
use crate::sync::atomic::{AtomicU64, Ordering};

/// The watch over one service.
pub(crate) struct Observer {
    refused: [AtomicU64; Refusal::ALL.len()],
    #[cfg(feature = "tracing")]
    prefix: String,
    #[cfg(feature = "metrics")]
    meters: meters::Meters,
}

impl Observer {
    /// For the service under a prefix.
    #[cfg_attr(not(any(feature = "tracing", feature = "metrics")), expect(unused_variables))]
    pub(crate) fn new(prefix: &str) -> Self {
        Self {
            refused: std::array::from_fn(|_| AtomicU64::new(0)),
            #[cfg(feature = "tracing")]
            prefix: prefix.to_owned(),
            #[cfg(feature = "metrics")]
            meters: meters::Meters::new(prefix),
        }
    }

    /// Requests turned away so far.
    pub(crate) fn refusals(&self) -> Tally<Refusal> {
        Tally::new(self.refused.each_ref().map(|count| count.load(Ordering::Relaxed)))
    }

    /// A request was turned away.
    pub(crate) fn refused(&self, refusal: Refusal) {
        self.refused[refusal as usize].fetch_add(1, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        self.meters.refused(refusal);
        #[cfg(feature = "tracing")]
        tracing::debug!(
            target: "sockjs",
            service = self.prefix,
            reason = refusal.name(),
            "request refused"
        );
    }

    /// The application is about to be told of a session.
    #[cfg_attr(not(any(feature = "tracing", feature = "metrics")), expect(unused_variables))]
    pub(crate) fn opened(&self, session: &Inner) {
        #[cfg(feature = "metrics")]
        self.meters.opened(session.transport());
        #[cfg(feature = "tracing")]
        session.span.opened(self, session.transport());
    }

    /// The session has its report.
    #[cfg_attr(not(any(feature = "tracing", feature = "metrics")), expect(unused_variables))]
    pub(crate) fn closed(&self, session: &Inner) {
        #[cfg(any(feature = "tracing", feature = "metrics"))]
        if let Some(report) = session.outcome() {
            #[cfg(feature = "metrics")]
            self.meters.closed(session.transport(), report.cause);
            #[cfg(feature = "tracing")]
            session.span.closed(self, session.transport(), report);
        }
    }

    /// This has flowed through a shard.
    #[cfg_attr(not(feature = "metrics"), expect(unused_variables))]
    pub(crate) fn flowed(&self, flow: Flow) {
        #[cfg(feature = "metrics")]
        self.meters.flowed(flow);
    }

    #[cfg(feature = "tracing")]
    fn span(&self, transport: sockjs_core::Transport) -> tracing::Span {
        tracing::info_span!(
            target: "sockjs",
            parent: None,
            "session",
            service = self.prefix,
            transport = transport.name()
        )
    }
}

/// What has flowed through a shard since the last look.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flow {
    #[cfg(feature = "metrics")]
    messages_in: u64,
    #[cfg(feature = "metrics")]
    messages_out: u64,
    #[cfg(feature = "metrics")]
    bytes_in: u64,
    #[cfg(feature = "metrics")]
    bytes_out: u64,
    #[cfg(feature = "metrics")]
    queued_bytes: i64,
}

/// What was seen of a shard at the last look, which may be within a turn.
#[derive(Default)]
pub(crate) struct Seen(#[cfg(feature = "metrics")] Flow);

impl Seen {
    /// What has flowed since.
    #[cfg(feature = "metrics")]
    pub(crate) fn look(&mut self, counts: &Stats) -> Flow {
        let now = Flow {
            messages_in: counts.messages_in,
            messages_out: counts.messages_out,
            bytes_in: counts.bytes_in,
            bytes_out: counts.bytes_out,
            queued_bytes: i64::try_from(counts.queued_bytes).unwrap_or(i64::MAX),
        };
        let before = std::mem::replace(&mut self.0, now);
        Flow {
            messages_in: now.messages_in - before.messages_in,
            messages_out: now.messages_out - before.messages_out,
            bytes_in: now.bytes_in - before.bytes_in,
            bytes_out: now.bytes_out - before.bytes_out,
            queued_bytes: now.queued_bytes - before.queued_bytes,
        }
    }

    /// Nobody asks.
    #[cfg(not(feature = "metrics"))]
    pub(crate) fn look(&mut self, _: &Stats) -> Flow {
        Flow {}
    }
}
