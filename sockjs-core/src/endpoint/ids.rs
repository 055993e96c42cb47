//! Session ids: secrets of the clients, and chosen by them.

use std::fmt;
use std::hash::{BuildHasher, DefaultHasher, Hasher};

use hashbrown::HashTable;
use smallvec::SmallVec;

use super::Sessions;
use crate::event::Slot;

/// A session's id as it stands in the path; empty if no request names it. Those of clients are short.
pub(crate) struct SessionId(SmallVec<[u8; 16]>);

impl SessionId {
    pub(crate) fn new(id: &[u8]) -> Self {
        Self(SmallVec::from_slice(id))
    }
}

/// It is a secret.
impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(…)")
    }
}

/// The sessions that have ids, by these: they stand in the sessions alone.
pub(super) struct Ids {
    slots: HashTable<Slot>,
    hasher: Keyed,
}

impl Ids {
    pub(super) fn new(seed: Seed) -> Self {
        Self { slots: HashTable::new(), hasher: Keyed(seed.build_hasher()) }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The session with an id, which costs less if it is where it was `found` before.
    pub(super) fn find(&self, id: &[u8], found: Option<Slot>, sessions: &Sessions) -> Option<Slot> {
        let is_of = |slot: &Slot| id_of(*slot, sessions) == id;
        if found.is_some_and(|slot| is_of(&slot)) {
            return found;
        }
        self.slots.find(self.hasher.hash(id), is_of).copied()
    }

    /// Adds a session that is not there, if it has an id.
    pub(super) fn insert(&mut self, slot: Slot, sessions: &Sessions) {
        let hash = |slot: &Slot| self.hasher.hash(id_of(*slot, sessions));
        if !id_of(slot, sessions).is_empty() {
            self.slots.insert_unique(hash(&slot), slot, hash);
        }
    }

    /// Removes a session that had this id.
    pub(super) fn remove(&mut self, slot: Slot, id: &SessionId) {
        let hash = self.hasher.hash(&id.0);
        if let Ok(entry) = self.slots.find_entry(hash, |other| *other == slot) {
            entry.remove();
        }
    }
}

fn id_of(slot: Slot, sessions: &Sessions) -> &[u8] {
    sessions.get(slot).map(|holding| &*holding.id.0).unwrap_or_default()
}

/// It would show ids' hashes.
impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ids").field("count", &self.len()).finish_non_exhaustive()
    }
}

/// Secret randomness for hashing what clients choose, given from outside so that an endpoint stays
/// a function of its inputs.
#[derive(Clone, Copy)]
pub struct Seed(u128);

impl Seed {
    /// A seed. Outside of tests it must be unpredictable.
    pub const fn new(seed: u128) -> Self {
        Self(seed)
    }

    /// Which of `count` endpoints holds the session with this id.
    pub fn shard(self, id: &[u8], count: usize) -> usize {
        if count <= 1 {
            return 0;
        }
        let mut hasher = self.build_hasher();
        hasher.write(id);
        // The table of ids uses the low bits of the same hash, so take others.
        let high = hasher.finish() >> 32;
        usize::try_from(high).unwrap_or_default() % count
    }
}

/// The standard hasher, keyed: its first block is secret, so that nobody can aim for collisions.
impl BuildHasher for Seed {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        let mut hasher = DefaultHasher::new();
        hasher.write_u128(self.0);
        hasher
    }
}

/// A seed is a secret.
impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(…)")
    }
}

/// The seed's hasher, kept as it is after its first block: each look for a session begins there.
struct Keyed(DefaultHasher);

impl Keyed {
    fn hash(&self, id: &[u8]) -> u64 {
        let mut hasher = self.0.clone();
        hasher.write(id);
        hasher.finish()
    }
}
