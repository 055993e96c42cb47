//! The bytes of the protocol, as pure functions and values: transports, frames, JSON, paths.

pub mod callback;
pub mod close;
pub(crate) mod frame;
pub mod path;
pub mod payload;
pub mod quote;
pub mod transport;
