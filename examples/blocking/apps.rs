//! What the services do: plain functions, called within a turn of their endpoint.

use sockjs_core::{Endpoint, SendError, SessionKey};

use crate::server::Room;

// ANCHOR: echo
/// Sends each message back. One that finds no room is kept, and nothing is taken until it has gone:
/// so the client's own reading sets the pace.
pub(crate) fn echo(endpoint: &mut Endpoint, room: &mut Room, key: SessionKey) {
    let kept = room.entry(key).or_default();
    while let Some(message) = kept.take().or_else(|| endpoint.recv(key)) {
        if let Err(SendError::Full(message)) = endpoint.send(key, message) {
            *kept = Some(message);
            return;
        }
    }
}
// ANCHOR_END: echo

// ANCHOR: broadcast
/// Sends each message to everyone. Who lags misses it.
pub(crate) fn broadcast(endpoint: &mut Endpoint, room: &mut Room, key: SessionKey) {
    while let Some(message) = endpoint.recv(key) {
        let message = message.encode();
        for member in room.keys() {
            let _ = endpoint.send(*member, message.clone());
        }
    }
}
// ANCHOR_END: broadcast
