//! WebSockets: the pump that moves bytes between a codec and a stream.

mod deadline;
mod nudge;
pub(crate) mod pump;
