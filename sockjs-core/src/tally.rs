//! Counts by kind: of sessions by transport, of ends by cause.

use std::fmt;
use std::ops::Index;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What is counted by: a fixed set of kinds with names.
pub trait Kind: Copy + 'static {
    /// A count for each of them, zero by default: an array.
    type Counts: Clone + Default + AsRef<[u64]> + AsMut<[u64]>;

    /// All of them.
    const ALL: &'static [Self];

    /// The place in [`ALL`](Self::ALL).
    fn index(self) -> usize;

    /// The name in statistics.
    fn name(self) -> &'static str;
}

/// A count for each of the kinds of `K`: `stats.sessions[Transport::Xhr]`.
///
/// Serialised as a map from the kinds' names to their counts, those that are zero too.
#[derive(Clone, PartialEq, Eq)]
pub struct Tally<K: Kind> {
    counts: K::Counts,
}

impl<K: Kind> Tally<K> {
    /// From counts in the order of [`Kind::ALL`].
    pub const fn new(counts: K::Counts) -> Self {
        Self { counts }
    }

    /// The counts in the order of [`Kind::ALL`].
    pub fn counts(&self) -> &K::Counts {
        &self.counts
    }

    /// The kinds with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (K, u64)> {
        K::ALL.iter().copied().zip(self.counts.as_ref().iter().copied())
    }

    /// Over all kinds.
    pub fn total(&self) -> u64 {
        self.counts.as_ref().iter().sum()
    }

    /// Adds other counts to these.
    pub fn add(&mut self, other: &Self) {
        let parts = other.counts.as_ref();
        self.counts.as_mut().iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
    }

    pub(crate) fn at(&mut self, kind: K) -> Option<&mut u64> {
        self.counts.as_mut().get_mut(kind.index())
    }

    pub(crate) fn count(&mut self, kind: K) {
        self.at(kind).into_iter().for_each(|count| *count += 1);
    }
}

impl<K: Kind> Default for Tally<K> {
    fn default() -> Self {
        Self::new(K::Counts::default())
    }
}

impl<K: Kind> Index<K> for Tally<K> {
    type Output = u64;

    fn index(&self, kind: K) -> &u64 {
        self.counts.as_ref().get(kind.index()).unwrap_or(&0)
    }
}

impl<K: Kind> fmt::Debug for Tally<K> {
    /// What is not zero.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen = self.iter().filter(|(_, count)| *count > 0);
        f.debug_map().entries(seen.map(|(kind, count)| (kind.name(), count))).finish()
    }
}

impl<K: Kind> Serialize for Tally<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(kind, count)| (kind.name(), count)))
    }
}

impl<'de, K: Kind> Deserialize<'de> for Tally<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Counts(Self::default()))
    }
}

/// Reads counts by name; those that are not named are zero.
struct Counts<K: Kind>(Tally<K>);

impl<'de, K: Kind> Visitor<'de> for Counts<K> {
    type Value = Tally<K>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("counts by name")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        while let Some((name, count)) = map.next_entry::<String, u64>()? {
            let kind = K::ALL.iter().find(|kind| kind.name() == name);
            let kind = kind.ok_or_else(|| A::Error::custom(format!("unknown kind `{name}`")))?;
            self.0.at(*kind).into_iter().for_each(|place| *place = count);
        }
        Ok(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cause, Refusal, Transport};

    fn expect_whole<K: Kind + PartialEq + fmt::Debug>() {
        for (index, kind) in K::ALL.iter().enumerate() {
            assert_eq!(kind.index(), index, "{kind:?}");
            let same = K::ALL.iter().filter(|other| other.name() == kind.name());
            assert_eq!(same.count(), 1, "{kind:?}");
        }
    }

    #[test]
    fn kinds_are_in_their_places_with_names_of_their_own() {
        expect_whole::<Transport>();
        expect_whole::<Cause>();
        expect_whole::<Refusal>();
    }

    #[test]
    fn counts_are_read_by_name() {
        let mut tally = Tally::<Transport>::default();
        tally.count(Transport::Jsonp);
        tally.count(Transport::RawWebsocket);
        let json = serde_json::to_string(&tally).unwrap();
        let expected = r#"{"websocket":0,"websocket-raw":1,"xhr":0,"xhr_streaming":0,"#;
        assert!(json.starts_with(expected), "{json}");
        assert_eq!(serde_json::from_str::<Tally<Transport>>(&json).unwrap(), tally);
        assert_eq!((tally[Transport::Jsonp], tally[Transport::Xhr], tally.total()), (1, 0, 2));
        assert!(serde_json::from_str::<Tally<Transport>>(r#"{"carrier_pigeon":1}"#).is_err());
    }
}
