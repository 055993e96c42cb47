//! Why requests are turned away, for those who count it. Clients are told less: see PROTOCOL §2 to §7.

use http::Response;

use crate::tally::Kind;

/// Why a request did not get what it asked for.
///
/// Every answer that turns a request away has it among its extensions, where the server's own code
/// finds it: `response.extensions().get::<Refusal>()`. It never leaves the server, so it may tell
/// apart what the client must not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// Its page is of an origin that may not use the service.
    Origin,
    /// There is no such path, or its transport is switched off.
    NotFound,
    /// The path does not take its method.
    Method,
    /// It is no WebSocket handshake, or a broken one.
    Handshake,
    /// The name of its callback is missing, or no name.
    Callback,
    /// The application's `authorize` refused it.
    Unauthorized,
    /// It sends to a session that does not exist, or no longer.
    UnknownSession,
    /// The session that it names is another client's.
    Binding,
    /// The session has a receiver already.
    SecondReceiver,
    /// There are as many sessions as there may be.
    Sessions,
    /// There are as many sessions with one request as there may be.
    UnconfirmedSessions,
    /// The server shuts down.
    Draining,
    /// Its body is over the limit.
    TooLarge,
    /// Too much of all clients is on its way already.
    Busy,
    /// Its body did not arrive in time.
    TimedOut,
    /// Its body broke off, or is no list of messages.
    Broken,
    /// The application lagged for too long.
    SlowApplication,
    /// The application's code panicked over it.
    Failed,
}

impl Refusal {
    /// All of them, in order of declaration.
    pub const ALL: &'static [Self] = &[
        Self::Origin,
        Self::NotFound,
        Self::Method,
        Self::Handshake,
        Self::Callback,
        Self::Unauthorized,
        Self::UnknownSession,
        Self::Binding,
        Self::SecondReceiver,
        Self::Sessions,
        Self::UnconfirmedSessions,
        Self::Draining,
        Self::TooLarge,
        Self::Busy,
        Self::TimedOut,
        Self::Broken,
        Self::SlowApplication,
        Self::Failed,
    ];

    /// The name in statistics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::NotFound => "not_found",
            Self::Method => "method",
            Self::Handshake => "handshake",
            Self::Callback => "callback",
            Self::Unauthorized => "unauthorized",
            Self::UnknownSession => "unknown_session",
            Self::Binding => "binding",
            Self::SecondReceiver => "second_receiver",
            Self::Sessions => "sessions",
            Self::UnconfirmedSessions => "unconfirmed_sessions",
            Self::Draining => "draining",
            Self::TooLarge => "too_large",
            Self::Busy => "busy",
            Self::TimedOut => "timed_out",
            Self::Broken => "broken",
            Self::SlowApplication => "slow_application",
            Self::Failed => "failed",
        }
    }

    /// The answer, with this among its extensions.
    #[must_use]
    pub fn mark<T>(self, mut response: Response<T>) -> Response<T> {
        response.extensions_mut().insert(self);
        response
    }
}

impl Kind for Refusal {
    type Counts = [u64; Self::ALL.len()];

    const ALL: &'static [Self] = Self::ALL;

    fn index(self) -> usize {
        self as usize
    }

    fn name(self) -> &'static str {
        self.name()
    }
}
