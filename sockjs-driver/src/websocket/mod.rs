//! WebSockets: framing sans I/O, and the pump that moves bytes between it and a stream.

mod codec;
mod deadline;
mod frame;
pub(crate) mod pump;
