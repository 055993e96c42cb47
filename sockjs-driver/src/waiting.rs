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
    /// Senders in either direction for room, and those that wait for the end.
    others: Wakers,
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

    /// Gives out those that wait for the last session to end, if it has.
    pub(crate) fn idle(&mut self, endpoint: &Endpoint) -> impl Iterator<Item = Waker> + use<> {
        let is_idle = endpoint.live() == 0;
        is_idle.then(|| self.for_idle.take()).into_iter().flatten()
    }
}

impl Place {
    /// Waits for a frame.
    pub(crate) fn wait_to_transmit(&mut self, waker: &Waker) {
        if !self.receiver.as_ref().is_some_and(|receiver| receiver.will_wake(waker)) {
            self.receiver = Some(waker.clone());
        }
    }

    /// Waits for room or for the end.
    pub(crate) fn wait(&mut self, waker: &Waker) {
        self.rare.get_or_insert_default().others.add(waker);
    }

    /// Waits for the application's answer.
    pub(crate) fn wait_for_answer(&mut self, waker: &Waker) {
        self.rare.get_or_insert_default().answering = Some(waker.clone());
    }

    /// Takes out whoever waits for the application's answer.
    pub(crate) fn take_answering(&mut self) -> Option<Waker> {
        let answering = self.rare.as_mut()?.answering.take();
        self.rare.take_if(|rare| rare.others.0.is_empty());
        answering
    }

    /// Takes out those that wait for room or for the end.
    pub(crate) fn take_others(&mut self) -> impl Iterator<Item = Waker> + use<> {
        let others = self.rare.as_mut().map(|rare| rare.others.take());
        self.rare.take_if(|rare| rare.answering.is_none());
        others.into_iter().flatten()
    }
}
