//! Session ids: secrets of the clients, and chosen by them.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, DefaultHasher, Hasher};
use std::sync::Arc;

/// A session's id as it stands in the path. It is never shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct SessionId(Arc<[u8]>);

impl SessionId {
    pub(crate) fn new(id: &[u8]) -> Self {
        Self(id.into())
    }
}

impl Borrow<[u8]> for SessionId {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(…)")
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
#[derive(Clone)]
pub(crate) struct Keyed(DefaultHasher);

impl From<Seed> for Keyed {
    fn from(seed: Seed) -> Self {
        Self(seed.build_hasher())
    }
}

impl BuildHasher for Keyed {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        self.0.clone()
    }
}

/// So is what it has become.
impl fmt::Debug for Keyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyed(…)")
    }
}
