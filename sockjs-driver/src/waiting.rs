//! Who waits for which session.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Waker;

use sockjs_core::{Endpoint, SessionKey};

use crate::session::Inner;

/// The wakers of a shard, by session.
#[derive(Default)]
pub(crate) struct Waiting {
    /// By [`SessionKey::index`], so that no hashing is needed.
    places: Vec<Place>,
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
#[expect(clippy::box_collection, reason = "most are empty, and each session has a place for them")]
pub(crate) struct Wakers(Option<Box<BTreeMap<WakerId, Waker>>>);

impl Wakers {
    fn add(&mut self, waker: &Waker) {
        let wakers = self.0.get_or_insert_default();
        wakers.entry(WakerId::of(waker)).or_insert_with(|| waker.clone());
    }

    /// Takes all of them out.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = Waker> + use<> {
        self.0.take().into_iter().flat_map(|wakers| wakers.into_values())
    }
}

/// What waits for one session.
#[derive(Default)]
pub(crate) struct Place {
    /// Whose place it is now; an index is used again.
    key: Option<SessionKey>,
    /// The application's side, from its opening to its end.
    pub(crate) session: Option<Arc<Inner>>,
    /// The application, for a message.
    pub(crate) reader: Option<Waker>,
    /// The response or WebSocket, for a frame.
    pub(crate) receiver: Option<Waker>,
    /// A send request, for the application's answer. A later one takes its place, for each waits
    /// for a moment only.
    pub(crate) answering: Option<Waker>,
    /// Senders in either direction for room, and those that wait for the end.
    pub(crate) others: Wakers,
}

impl Waiting {
    /// The place of a session.
    pub(crate) fn of(&mut self, key: SessionKey) -> &mut Place {
        let index = key.index();
        if index >= self.places.len() {
            self.places.resize_with(index + 1, Place::default);
        }
        let place = &mut self.places[index];
        if place.key != Some(key) {
            *place = Place { key: Some(key), ..Place::default() };
        }
        place
    }

    /// The place of a session that may have been forgotten, and its index taken by another one.
    pub(crate) fn known(&mut self, key: SessionKey) -> Option<&mut Place> {
        self.places.get_mut(key.index()).filter(|place| place.key == Some(key))
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
        self.others.add(waker);
    }
}
