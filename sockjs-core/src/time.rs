//! The time as the caller has it: an argument of every call, never read from a clock.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time, in microseconds since the Unix epoch.
///
/// The protocol only subtracts and compares timestamps, except for the `Expires` header, which
/// shows the calendar date. A simulation may therefore start anywhere.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The start of the Unix epoch.
    pub const EPOCH: Self = Self(0);

    /// The end of time: what lies there never comes.
    pub const MAX: Self = Self(u64::MAX);

    /// The timestamp `micros` microseconds after the Unix epoch.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    /// Saturates at the end of time.
    fn add(self, delay: Duration) -> Self {
        let whole = delay.as_secs().saturating_mul(1_000_000);
        Self(self.0.saturating_add(whole).saturating_add(delay.subsec_micros().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn additions_saturate() {
        assert_eq!(Timestamp::from_micros(u64::MAX) + Duration::from_secs(1), Timestamp(u64::MAX));
        assert_eq!(Timestamp::EPOCH + Duration::MAX, Timestamp(u64::MAX));
    }

    #[test]
    fn differences_never_go_below_zero() {
        let (early, late) = (Timestamp(5), Timestamp(7));
        assert_eq!(late.saturating_since(early), Duration::from_micros(2));
        assert_eq!(early.saturating_since(late), Duration::ZERO);
    }
}
