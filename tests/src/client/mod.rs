//! A blocking client on `std::net` that shows the bytes on the wire.
//!
//! It checks on every answer what holds for all of them: heads are well formed, no header comes
//! twice, body lengths are announced as PROTOCOL §2 and §8 say. Every wait ends after
//! [`PATIENCE`], and every failure shows what passed on the connection.

mod connection;
mod quoting;
mod receiver;
mod request;
mod response;
mod session;
#[cfg(test)]
mod tests;
mod transport;
mod websocket;

pub use connection::{Connection, PATIENCE, first_readable};
pub use quoting::{frame_of, messages_in, quote};
pub use receiver::Receiver;
pub use request::Request;
pub use response::{Framing, Head, Response};
pub use session::{Session, fresh_id, fresh_id_prefix, json_array};
pub use transport::{CALLBACK, Transport};
pub use websocket::{Frame, KEY, Message, Opcode, WebSocket, accept_for};
