//! Who waits for which session.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Waker;

use sockjs_core::{Endpoint, SessionKey};

use crate::session::Inner;

/// Places that are made together: a table that grew by doubling would have up to half of it empty, and
/// move all of it under the shard's lock.
const BLOCK: usize = 64;

/// The wakers of a shard, by session.
#[derive(Default)]
pub(crate) struct Waiting {
    /// By [`SessionKey::index`], so that no hashing is needed.
    blocks: Vec<Box<[Place; BLOCK]>>,
    /// Those that wait for the last session to end.
    for_idle: Wakers,
}

/// Tells wakers from each other, as long as they live.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WakerId([usize; 2]);

impl WakerId {
    pub(crate) fn of(waker: &Waker) -> Self {
        Self([waker.data().addr(), std::ptr::from_ref(waker.vtable()).addr()])
    }
}

/// The waker that was put where others find it, so that a look whether it is still the right one needs no lock.
#[derive(Debug, Default)]
pub(crate) struct Known(Option<Waker>);

impl Known {
    /// Whether `waker` is another one, which is to be put there now.
    pub(crate) fn changes(&mut self, waker: &Waker) -> bool {
        let changes = !self.0.as_ref().is_some_and(|known| known.will_wake(waker));
        if changes {
            self.0 = Some(waker.clone());
        }
        changes
    }
}

/// Any number of wakers, each task's once: of send requests of one session there may be as many as
/// its client has connections.
#[derive(Default)]
struct Wakers(BTreeMap<WakerId, Waker>);

impl Wakers {
    fn add(&mut self, waker: &Waker) {
        self.0.entry(WakerId::of(waker)).or_insert_with(|| waker.clone());
    }

    /// Takes all of them out.
    fn take(&mut self) -> impl Iterator<Item = Waker> + use<> {
        std::mem::take(&mut self.0).into_values()
    }
}

/// What waits for one session: a cache line of its own.
#[derive(Default)]
#[repr(align(64))]
pub(crate) struct Place {
    /// Whose place it is now; an index is used again.
    key: Option<SessionKey>,
    /// The application's side, from its opening to its end.
    pub(crate) session: Option<Arc<Inner>>,
    /// The application, for a message.
    pub(crate) reader: Option<Waker>,
    /// The response or WebSocket, for a frame.
    pub(crate) receiver: Option<Waker>,
    /// Most sessions have none.
    rare: Option<Box<Rare>>,
}

#[derive(Default)]
struct Rare {
    /// A send request, for the application's answer. A later one takes its place, for each waits
    /// for a moment only.
    answering: Option<Waker>,
    /// Senders in either direction, for room.
    senders: Wakers,
    /// Those that wait for the end, which may be far, by their seats: who waits no more leaves its own.
    ends: BTreeMap<u64, Waker>,
    /// Seats that were ever taken.
    seats: u64,
}

impl Rare {
    fn is_empty(&self) -> bool {
        self.answering.is_none() && self.senders.0.is_empty() && self.ends.is_empty()
    }
}

impl Waiting {
    /// The place of a session.
    pub(crate) fn of(&mut self, key: SessionKey) -> &mut Place {
        let (block, at) = (key.index() / BLOCK, key.index() % BLOCK);
        while block >= self.blocks.len() {
            self.blocks.push(Box::new(std::array::from_fn(|_| Place::default())));
        }
        let place = &mut self.blocks[block][at];
        if place.key != Some(key) {
            *place = Place { key: Some(key), ..Place::default() };
        }
        place
    }

    /// The place of a session that may have been forgotten, and its index taken by another one.
    pub(crate) fn known(&mut self, key: SessionKey) -> Option<&mut Place> {
        let (block, at) = (key.index() / BLOCK, key.index() % BLOCK);
        let place = self.blocks.get_mut(block)?.get_mut(at);
        place.filter(|place| place.key == Some(key))
    }

    /// Empties a session's place.
    pub(crate) fn remove(&mut self, key: SessionKey) -> Place {
        std::mem::take(self.of(key))
    }

    /// Waits for the last session to end.
    pub(crate) fn for_idle(&mut self, waker: &Waker) {
        self.for_idle.add(waker);
    }

    /// Whether the last session has ended, and somebody waits for that.
    pub(crate) fn has_idle(&self, endpoint: &Endpoint) -> bool {
        !self.for_idle.0.is_empty() && endpoint.live() == 0
    }

    /// Takes out those that wait for the last session to end.
    pub(crate) fn take_idle(&mut self) -> impl Iterator<Item = Waker> + use<> {
        self.for_idle.take()
    }
}

impl Place {
    /// Waits for a frame.
    pub(crate) fn wait_to_transmit(&mut self, waker: &Waker) {
        if !self.receiver.as_ref().is_some_and(|receiver| receiver.will_wake(waker)) {
            self.receiver = Some(waker.clone());
        }
    }

    /// Waits for room.
    pub(crate) fn wait_for_room(&mut self, waker: &Waker) {
        self.rare.get_or_insert_default().senders.add(waker);
    }

    /// Waits for the end, in a seat that is to be [left](Self::leave). Gives back who sat there, to be dropped
    /// without the lock: with a waker its task may go.
    pub(crate) fn wait_for_end(&mut self, seat: &mut Option<u64>, waker: &Waker) -> Option<Waker> {
        let rare = self.rare.get_or_insert_default();
        let seat = *seat.get_or_insert_with(|| {
            rare.seats += 1;
            rare.seats
        });
        rare.ends.insert(seat, waker.clone())
    }

    /// Whoever sat there waits no more, and is given back as above.
    pub(crate) fn leave(&mut self, seat: u64) -> Option<Waker> {
        let waker = self.rare.as_mut()?.ends.remove(&seat);
        self.rare.take_if(|rare| rare.is_empty());
        waker
    }

    /// Waits for the application's answer.
    pub(crate) fn wait_for_answer(&mut self, waker: &Waker) {
        self.rare.get_or_insert_default().answering = Some(waker.clone());
    }

    /// Takes out whoever waits for the application's answer.
    pub(crate) fn take_answering(&mut self) -> Option<Waker> {
        let answering = self.rare.as_mut()?.answering.take();
        self.rare.take_if(|rare| rare.is_empty());
        answering
    }

    /// Takes out those that wait for room.
    pub(crate) fn take_senders(&mut self) -> impl Iterator<Item = Waker> + use<> {
        let senders = self.rare.as_mut().map(|rare| rare.senders.take());
        self.rare.take_if(|rare| rare.is_empty());
        senders.into_iter().flatten()
    }

    /// Takes out all that waits for the session in vain from now on.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = Waker> + use<> {
        let rare = self.rare.take().map(|rare| *rare);
        let rare = rare.map(|mut rare| {
            rare.senders.take().chain(rare.ends.into_values()).chain(rare.answering)
        });
        self.reader.take().into_iter().chain(rare.into_iter().flatten())
    }
}
