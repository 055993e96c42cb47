//! A WebSocket codec for drivers of [`sockjs_core`]: frames on one side, bytes on the other, no I/O.
//!
//! It begins after the handshake, which is the core's. What was read from the socket goes in, and
//! comes out as what [`Endpoint::handle_frame`](sockjs_core::Endpoint::handle_frame) takes; what
//! [`Endpoint::poll_transmit`](sockjs_core::Endpoint::poll_transmit) hands out goes in, and comes out
//! as what is to be written.
//!
//! ```
//! use bytes::BytesMut;
//! use sockjs_core::{ClientFrame, CloseReason, FrameKind};
//! use sockjs_websocket::Codec;
//!
//! let mut codec = Codec::new(1000);
//! // A text message as a client sends it, masked, and a ping of which the half is still to come.
//! let mut input = BytesMut::from(&b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x89\x80"[..]);
//! let mut output = BytesMut::new();
//!
//! let incoming = codec.read(&mut input, &mut output)?.unwrap();
//! assert_eq!(ClientFrame::from(incoming), ClientFrame::Text("Hello"));
//! assert_eq!(codec.read(&mut input, &mut output)?, None);
//!
//! codec.write(&FrameKind::Text, b"a[\"x\"]", &mut output);
//! codec.write(&FrameKind::Close(CloseReason::GO_AWAY), b"", &mut output);
//! assert_eq!(output, &b"\x81\x06a[\"x\"]\x88\x0a\x0b\xb8Go away!"[..]);
//! # Ok::<(), sockjs_websocket::Violation>(())
//! ```
#![forbid(unsafe_code)]

mod codec;
mod frame;
mod incoming;
mod machine;

pub use codec::Codec;
pub use frame::{Mark, Violation};
pub use incoming::Incoming;
