//! WebSockets: the pump that moves bytes between a codec and a stream.

mod deadline;
pub(crate) mod pump;
