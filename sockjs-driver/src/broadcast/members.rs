//! Who is in which group: the members of a group here, and the groups of a session.
//!
//! Locks are taken in the order *session's groups, group's members*, each for a few steps only, and
//! never around a turn: a shard that ends a session takes both within its own. A message's way to
//! all members is under a third, `order`, which nothing takes within a turn.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, Weak};

use serde::{Deserialize, Serialize};
use sockjs_core::SessionKey;

use super::{Envelope, Reached, SENDS_PER_TURN, WhenFull};
use crate::session::{Inner, SessionHandle};
use crate::shard::{Ended, Shard};
use crate::sync::{Mutex, MutexGuard, lock};

/// The members of a group in this process: see [`Fanout`](super::Fanout). A clone is the same.
#[derive(Clone, Debug)]
pub struct Members(Arc<Room>);

/// A member of a group, everywhere and for ever. It tells nothing of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MemberId {
    /// The group's in its process: random.
    group: u64,
    number: u64,
}

#[derive(Debug)]
struct Room {
    id: u64,
    when_full: WhenFull,
    members: Mutex<Table>,
    /// Held from a message's first member to its last.
    order: Mutex<()>,
}

#[derive(Debug, Default)]
struct Table {
    by_place: BTreeMap<Place, Member>,
    /// How many have ever joined.
    joined: u64,
}

/// Where a member stands: members of a shard together, so that they share turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// The shard's address, which is its own while it has a member.
    shard: usize,
    key: SessionKey,
}

#[derive(Debug)]
struct Member {
    session: SessionHandle,
    number: u64,
}

/// The groups that a session is in; `None` once it can be in none any more.
#[derive(Debug)]
pub(crate) struct Memberships(Mutex<Option<Groups>>);

/// By their ids. Many sessions are in none.
type Groups = Option<Box<BTreeMap<u64, Membership>>>;

#[derive(Debug)]
struct Membership {
    room: Weak<Room>,
    number: u64,
}

/// What a session that has left its groups leaves behind, to be dropped without any lock.
#[must_use = "to be dropped where no lock is held"]
#[derive(Default)]
pub(crate) struct Left(
    #[expect(dead_code, reason = "kept until it is dropped")] Vec<(Arc<Room>, Option<Member>)>,
);

impl Members {
    pub(super) fn new(when_full: WhenFull) -> Self {
        Self(Arc::new(Room {
            // From the operating system's randomness, by way of the seeds of hash tables.
            id: RandomState::new().build_hasher().finish(),
            when_full,
            members: Mutex::default(),
            order: Mutex::default(),
        }))
    }

    pub(super) fn join(&self, session: &SessionHandle) {
        let room = &self.0;
        let mut groups = session.0.memberships.lock();
        let Some(groups) = &mut *groups else { return };
        let groups = groups.get_or_insert_default();
        if groups.contains_key(&room.id) {
            return;
        }
        let mut members = room.lock();
        members.joined += 1;
        let number = members.joined;
        members.by_place.insert(Place::of(&session.0), Member { session: session.clone(), number });
        groups.insert(room.id, Membership { room: Arc::downgrade(room), number });
    }

    pub(super) fn leave(&self, session: &SessionHandle) {
        let mut groups = session.0.memberships.lock();
        let groups = groups.as_mut().and_then(Option::as_mut);
        let known = groups.and_then(|groups| groups.remove(&self.0.id));
        if known.is_some() {
            self.0.lock().by_place.remove(&Place::of(&session.0));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().by_place.len()
    }

    pub(super) fn id_of(&self, session: &SessionHandle) -> Option<MemberId> {
        let group = self.0.id;
        let groups = session.0.memberships.lock();
        let number = groups.as_ref()?.as_ref()?.get(&group)?.number;
        Some(MemberId { group, number })
    }

    /// Gives a message to all members in this process, except those that the envelope excepts.
    /// Every member gets the messages in the order of these calls; of calls at once, all see the
    /// same order.
    pub fn deliver(&self, envelope: Envelope) -> Reached {
        let room = &*self.0;
        let Envelope { message, except } = envelope;
        let message = message.encode();
        let ours = except.iter().filter(|id| id.group == room.id);
        let mut except: Vec<u64> = ours.map(|id| id.number).collect();
        except.sort_unstable();

        let mut reached = Reached::default();
        let (mut run, mut ended, mut left) = (Run::default(), Vec::new(), Vec::new());
        let order = lock(&room.order);
        while let Some(shard) = room.next_run(&except, &mut run) {
            let mut full = Vec::new();
            let members = run.keys.drain(..).map(|key| (key, key));
            reached.send(&shard, members, &message, &mut full, &mut ended);
            for session in room.sessions(&shard, &full) {
                // Before the next message: nobody shall see a gap.
                if let WhenFull::Close(reason) = &room.when_full {
                    left.push(session.0.close_within(reason.clone(), &mut ended));
                }
                reached.full.push(session);
            }
        }
        drop(order);
        // Not before: what the application does then may come back here.
        ended.into_iter().for_each(Ended::tell);
        drop(left);
        reached
    }
}

/// A part of a message's way.
#[derive(Default)]
struct Run {
    /// The last member that was looked at.
    after: Option<Place>,
    /// Those who are next.
    keys: Vec<SessionKey>,
}

impl Room {
    /// The next members, all of one shard and not too many. `None` after the last one.
    fn next_run(&self, except: &[u64], run: &mut Run) -> Option<Arc<Shard>> {
        let members = self.lock();
        let from = run.after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = members.by_place.range((from, Bound::Unbounded)).peekable();
        let (first, member) = rest.peek()?;
        let (shard, owner) = (first.shard, member.session.0.shard.clone());
        for (place, member) in rest.take(SENDS_PER_TURN).take_while(|(at, _)| at.shard == shard) {
            run.after = Some(*place);
            if except.binary_search(&member.number).is_err() {
                run.keys.push(place.key);
            }
        }
        Some(owner)
    }

    /// The members with these keys, but for those that have just left.
    fn sessions(&self, shard: &Arc<Shard>, keys: &[SessionKey]) -> Vec<SessionHandle> {
        if keys.is_empty() {
            return Vec::new();
        }
        let members = self.lock();
        let places = keys.iter().map(|key| Place { shard: address(shard), key: *key });
        places.filter_map(|place| Some(members.by_place.get(&place)?.session.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        lock(&self.members)
    }
}

/// Sessions need not remember groups that are no more.
impl Drop for Room {
    fn drop(&mut self) {
        let members = self.members.get_mut().unwrap_or_else(PoisonError::into_inner);
        for member in members.by_place.values() {
            if let Some(Some(groups)) = &mut *member.session.0.memberships.lock() {
                groups.remove(&self.id);
            }
        }
    }
}

impl Memberships {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Some(None)))
    }

    /// Leaves all groups, and joins none from now on.
    pub(crate) fn end(&self, session: &Inner) -> Left {
        let Some(Some(groups)) = self.lock().take() else { return Left::default() };
        let rooms = groups.into_values().filter_map(|membership| membership.room.upgrade());
        let left = rooms.map(|room| {
            let member = room.lock().by_place.remove(&Place::of(session));
            (room, member)
        });
        Left(left.collect())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Groups>> {
        lock(&self.0)
    }
}

impl Place {
    fn of(session: &Inner) -> Self {
        Self { shard: address(&session.shard), key: session.key }
    }
}

fn address(shard: &Arc<Shard>) -> usize {
    Arc::as_ptr(shard).addr()
}
