//! Groups of sessions that are sent the same messages (DESIGN §4).

use std::sync::PoisonError;

use sockjs_core::{Message, SendError};

use crate::session::SessionHandle;
use crate::sync::{Mutex, MutexGuard};

/// Sends in one turn of a shard, so that others get theirs.
const SENDS_PER_TURN: usize = 256;

/// A group of sessions. All members see the same messages in the same order.
#[derive(Debug, Default)]
pub struct Broadcast {
    members: Mutex<Vec<SessionHandle>>,
}

/// Whom a broadcast reached.
#[derive(Debug, Default)]
#[must_use = "members whose queues were full did not get the message"]
pub struct Reached {
    /// Members whose queue took the message.
    pub count: usize,
    /// Members whose queue was full. They did not get the message and are still members.
    pub full: Vec<SessionHandle>,
}

impl Broadcast {
    /// An empty group.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a session. Membership ends with the session.
    pub fn join(&self, session: &SessionHandle) {
        let mut members = self.lock();
        if !members.contains(session) {
            members.push(session.clone());
            // Members of a shard stand together, so that they share a turn.
            members.sort_by_key(|member| member.0.key);
        }
    }

    /// Removes a session.
    pub fn leave(&self, session: &SessionHandle) {
        self.lock().retain(|member| member != session);
    }

    /// Number of members. Those that have ended count until the next message.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether the group has no members.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sends a message to every member; it is encoded once.
    pub fn send(&self, message: impl Into<Message>) -> Reached {
        // The lock is held throughout: it puts the messages of all senders in one order.
        let mut members = self.lock();
        let reached = send_to(&members, message);
        members.retain(|member| !member.is_closed());
        reached
    }

    fn lock(&self) -> MutexGuard<'_, Vec<SessionHandle>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends a message to some sessions; it is encoded once. Sessions that have ended are passed over.
pub fn broadcast(sessions: &[SessionHandle], message: impl Into<Message>) -> Reached {
    send_to(sessions, message)
}

fn send_to(sessions: &[SessionHandle], message: impl Into<Message>) -> Reached {
    let message = message.into().encode();
    let mut reached = Reached::default();
    let same_shard =
        |a: &SessionHandle, b: &SessionHandle| std::sync::Arc::ptr_eq(&a.0.shard, &b.0.shard);
    for members in sessions.chunk_by(same_shard).flat_map(|run| run.chunks(SENDS_PER_TURN)) {
        let Some(first) = members.first() else { continue };
        first.0.shard.turn(|turn| {
            for member in members {
                match turn.endpoint.send(member.0.key, message.clone()) {
                    Ok(()) => reached.count += 1,
                    Err(SendError::Full(_)) => reached.full.push(member.clone()),
                    Err(_) => {}
                }
            }
        });
    }
    reached
}
