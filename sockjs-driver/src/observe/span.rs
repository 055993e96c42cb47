//! The span of a session.

#[cfg(feature = "tracing")]
use std::sync::OnceLock;

#[cfg(feature = "tracing")]
use sockjs_core::{Cause, Report, Transport};

#[cfg(feature = "tracing")]
use super::Observer;

/// A session's span. The session's handler runs in it.
#[derive(Default)]
pub(crate) struct Span {
    /// Made by its first event: that of the end may overtake the other.
    #[cfg(feature = "tracing")]
    span: OnceLock<tracing::Span>,
}

#[cfg(feature = "tracing")]
impl Span {
    pub(super) fn opened(&self, observer: &Observer, transport: Transport) {
        let span = self.span.get_or_init(|| observer.span(transport));
        tracing::debug!(target: "sockjs", parent: span, "session opened");
    }

    pub(super) fn closed(&self, observer: &Observer, transport: Transport, report: &Report) {
        let span = self.span.get_or_init(|| observer.span(transport));
        macro_rules! event {
            ($level:expr) => {
                tracing::event!(
                    target: "sockjs",
                    parent: span,
                    $level,
                    cause = report.cause.name(),
                    code = report.reason.code(),
                    accepted = report.accepted,
                    written = report.written,
                    confirmed = report.confirmed,
                    uncertain = report.uncertain(),
                    unsent = report.unsent.len(),
                    "session closed"
                )
            };
        }
        match report.cause {
            Cause::HandlerPanic => event!(tracing::Level::ERROR),
            _ => event!(tracing::Level::DEBUG),
        }
    }

    /// Runs the application's code in the span.
    pub(crate) fn run<T>(&self, step: impl FnOnce() -> T) -> T {
        match self.span.get() {
            Some(span) => span.in_scope(step),
            None => step(),
        }
    }
}

#[cfg(not(feature = "tracing"))]
impl Span {
    /// There is none.
    pub(crate) fn run<T>(&self, step: impl FnOnce() -> T) -> T {
        step()
    }
}
