//! What the checks of this module find.

use std::fmt;

/// The names of the invariants, by their numbers from 1.
pub const INVARIANTS: [&str; 14] = [
    "what is delivered is a contiguous prefix of what was accepted",
    "accepted = confirmed + uncertain + unsent, and all three are true",
    "opened first and once, closed last and once, no message outside",
    "one receiver at most; a second one gets 2010 and disturbs nothing",
    "`o` comes first, nothing after `c`, and the end last",
    "a session without a receiver ends in time, and nothing stays behind",
    "bytes and sessions stay within their limits",
    "a due deadline is met, and a call too many does nothing",
    "the same inputs give the same outputs",
    "any input is taken, in bounded work",
    "what is refused changes nothing",
    "an idle receiver gets a heartbeat in time",
    "the id of an ended session answers its close frame until it is forgotten",
    "full is followed by writable or closed",
];

/// A broken promise: which invariant, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Number of the invariant, from 1: see [`INVARIANTS`].
    pub invariant: u8,
    /// What was seen.
    pub what: String,
}

impl Violation {
    /// A violation of the invariant of that number.
    pub fn new(invariant: u8, what: impl Into<String>) -> Self {
        Self { invariant, what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = INVARIANTS.get(usize::from(self.invariant).wrapping_sub(1));
        let (number, name) = (self.invariant, name.unwrap_or(&"unknown"));
        write!(f, "invariant {number} is broken: {name}: {}", self.what)
    }
}

impl std::error::Error for Violation {}

/// What a check says.
pub type Verdict = Result<(), Violation>;

/// Returns a violation unless the condition holds.
macro_rules! ensure {
    ($holds:expr, $invariant:expr, $($what:tt)+) => {
        if !$holds {
            return Err(crate::testing::violation::Violation::new($invariant, format!($($what)+)));
        }
    };
}
pub(super) use ensure;
