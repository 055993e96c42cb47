//! WebSockets: the pump that moves bytes between a codec and a stream.

mod carrier;
mod deadline;
mod pump;

pub(crate) use self::carrier::{Handshake, Upgrade, carry};
