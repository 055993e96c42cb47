//! Recording what an endpoint is told, and replaying it to the same outputs (DESIGN §2, *Trace*;
//! invariant 9). Only with the cargo feature `trace`.
//!
//! A [`Traced`] endpoint is used as an [`Endpoint`] is. Once it is to [`record`](Traced::record),
//! each call on it leaves its arguments, its time and what came of it: the frames by their lengths
//! and checksums, so that a trace stays small. [`replay`] makes the same calls on a new endpoint and
//! stops at the first one that comes out differently: after a change of the core, that is what the
//! change means for sessions that really took place.
//!
//! ```
//! use sockjs_core::{Endpoint, Quota, Seed, Service, Settings, Timestamp, trace};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let service = Service::new(Settings::new("/echo"))?;
//! let quota = Quota::whole(&service.settings().limits);
//! let mut endpoint = trace::Traced::from(Endpoint::new(service, 0, quota, Seed::new(1)));
//! endpoint.record(0, None);
//!
//! endpoint.handle_timeout(Timestamp::from_micros(1));
//! assert!(endpoint.poll_event().is_none());
//!
//! let mut bytes = trace::MAGIC.to_vec();
//! endpoint.take_trace(&mut bytes);
//! assert_eq!(trace::replay(&bytes)?.inputs, 2);
//! # Ok(())
//! # }
//! ```
//!
//! # What a trace holds
//! The settings on which an endpoint decides; the heads of requests, with the application's word on
//! who sent them; messages; and what each call returned. Values of `Set-Cookie` are left out, for an
//! application may make them up.
//!
//! With *redaction* neither text nor secrets are in it: see [`Traced::record`].

mod check;
mod entry;
mod redact;
mod replay;
mod traced;

pub use entry::{Chunk, Entry, Frame, Input, Output, Request, Seen, Text, Why, entries};
pub use replay::{Difference, ReplayError, Replayed, replay, replay_with};
pub use traced::Traced;

use crate::Endpoint;

/// What a file of traces begins with; entries follow.
pub const MAGIC: &[u8] = b"sockjs trace 1\n";
