//! Groups of sessions that are sent the same messages (DESIGN §4).
//!
//! A message is encoded before any lock is taken, and goes to the members of a shard in turns of at
//! most [`SENDS_PER_TURN`]. A group's messages go out one after the other, so that all its members
//! see them in one order.

mod fanout;
mod members;

use std::error::Error;
use std::sync::Arc;

use sockjs_core::{CloseReason, Message, SendError, SessionKey};

use crate::session::SessionHandle;
use crate::shard::{Ended, Shard};

pub use fanout::{Envelope, Fanout, Local};
pub(crate) use members::{Left, Memberships};
pub use members::{MemberId, Members};

/// Sends in one turn of a shard, so that others get theirs.
const SENDS_PER_TURN: usize = 256;

/// A group of sessions. All members see the same messages in the same order. A clone is the same
/// group.
///
/// ```
/// use sockjs_driver::{Broadcast, CloseReason, Local, Session, WhenFull};
///
/// async fn chat(mut session: Session, room: Broadcast) {
///     room.join(&session);
///     while let Some(message) = session.recv().await {
///         let reached = room.send_except(message, [&*session]);
///         println!("{} others got it", reached.count);
///     }
///     // Membership ends with the session.
/// }
///
/// // A member that does not keep up is closed, rather than left with a gap.
/// let room = Broadcast::with(WhenFull::Close(CloseReason::SLOW_CONSUMER), Local);
/// assert!(room.is_empty());
/// ```
#[derive(Clone, Debug)]
pub struct Broadcast {
    members: Members,
    fanout: Arc<dyn Fanout>,
}

/// What is done about a member whose queue is full. It does not get the message either way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// It stays, and is named in [`Reached::full`]: a member may miss a message and get the next.
    #[default]
    Report,
    /// It is named, too, and closed with this reason: nobody sees a gap.
    /// [`CloseReason::SLOW_CONSUMER`] is the usual one.
    Close(CloseReason),
}

/// Whom a message reached.
#[derive(Debug, Default)]
#[must_use = "members whose queues were full did not get the message"]
#[non_exhaustive]
pub struct Reached {
    /// Members whose queue took the message.
    pub count: usize,
    /// Members whose queue was full. They did not get the message; see [`WhenFull`].
    pub full: Vec<SessionHandle>,
    /// Members whose transport does not carry bytes, which the message is.
    pub text_only: usize,
    /// Why the [`Fanout`] could not carry the message, or not to all. [`Local`] always can.
    pub failed: Option<Box<dyn Error + Send + Sync>>,
}

impl Broadcast {
    /// An empty group of sessions of this process, which reports members whose queue is full.
    pub fn new() -> Self {
        Self::with(WhenFull::Report, Local)
    }

    /// An empty group with settings of its own: what is done about a full member, and who carries
    /// its messages.
    pub fn with(when_full: WhenFull, fanout: impl Fanout + 'static) -> Self {
        Self { members: Members::new(when_full), fanout: Arc::new(fanout) }
    }

    /// Adds a session. Membership ends with the session, at once; one that was closed or has ended
    /// cannot join. It takes a time that grows with the logarithm of the group.
    pub fn join(&self, session: &SessionHandle) {
        self.members.join(session);
    }

    /// Removes a session. A message that is being sent may still reach it.
    pub fn leave(&self, session: &SessionHandle) {
        self.members.leave(session);
    }

    /// Number of members in this process.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether the group has no members in this process.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sends a message to every member; it is encoded once.
    pub fn send(&self, message: impl Into<Message>) -> Reached {
        self.send_except(message, [])
    }

    /// As [`send`](Self::send), but not to these. Those that are no members do not matter.
    pub fn send_except<'a>(
        &self,
        message: impl Into<Message>,
        except: impl IntoIterator<Item = &'a SessionHandle>,
    ) -> Reached {
        let except = except.into_iter().filter_map(|session| self.members.id_of(session));
        let envelope = Envelope { message: message.into().encode(), except: except.collect() };
        self.fanout.publish(envelope, &self.members)
    }

    /// The members in this process: whom a [`Fanout`] delivers to. A clone keeps the group.
    pub fn members(&self) -> &Members {
        &self.members
    }
}

impl Default for Broadcast {
    fn default() -> Self {
        Self::new()
    }
}

/// Sends a message to some sessions; it is encoded once. Sessions that have ended are passed over.
/// Of two messages that are sent at once to the same sessions, some may see one first, and others
/// the other: a [`Broadcast`] keeps them in order.
pub fn broadcast(sessions: &[SessionHandle], message: impl Into<Message>) -> Reached {
    let message = message.into().encode();
    let mut reached = Reached::default();
    let same_shard = |a: &SessionHandle, b: &SessionHandle| Arc::ptr_eq(&a.0.shard, &b.0.shard);
    let mut ended = Vec::new();
    for run in sessions.chunk_by(same_shard).flat_map(|run| run.chunks(SENDS_PER_TURN)) {
        let Some(first) = run.first() else { continue };
        let mut full = Vec::new();
        let members = run.iter().map(|session| (session.0.key, session));
        reached.send(&first.0.shard, members, &message, &mut full, &mut ended);
        reached.full.extend(full.into_iter().cloned());
    }
    ended.into_iter().for_each(Ended::tell);
    reached
}

impl Reached {
    /// Sends to members of one shard in one turn, and says who was full and who has ended.
    fn send<M>(
        &mut self,
        shard: &Shard,
        members: impl IntoIterator<Item = (SessionKey, M)>,
        message: &Message,
        full: &mut Vec<M>,
        ended: &mut Vec<Ended>,
    ) {
        shard.turn_within(ended, |turn| {
            for (key, member) in members {
                match turn.endpoint.send(key, message.clone()) {
                    Ok(()) => self.count += 1,
                    Err(SendError::Full(_)) => full.push(member),
                    Err(SendError::NotText(_)) => self.text_only += 1,
                    Err(_) => {}
                }
            }
        });
    }
}
