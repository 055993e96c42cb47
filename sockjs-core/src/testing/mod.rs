//! Tools to test a server's core, or anything built on it, in virtual time. Only with the cargo
//! feature `testing`.
//!
//! - [`Sim`]: one endpoint with scripted clients and a scripted application. Tests read like the
//!   protocol.
//! - [`Op`] and [`run`]: lists of operations, for property tests, fuzzers and saved failures.
//! - [`Simulation`]: model browsers, a model application and a network with faults, all made from
//!   one seed. Days of sessions pass in a second.
//! - [`fuzz`]: what fuzzers run, with these and with other programs as judges.
//! - [`Checker`]: after every operation of any of these, all [`INVARIANTS`] are checked that can be
//!   seen from outside. A broken one panics and shows the transcript.
//!
//! ```
//! use sockjs_core::testing::{Sim, secs};
//!
//! let mut sim = Sim::new(|settings| settings.disconnect_delay = secs(7));
//! sim.receive("first", "/000/id/xhr");
//! sim.expect(&["+0.000s first: o\\n end", "+0.000s #1: opened by xhr"]);
//!
//! sim.receive("second", "/000/id/xhr");
//! sim.advance(secs(1));
//! sim.send(1, "hello").unwrap();
//! sim.expect(&["+1.000s second: a[\\\"hello\\\"]\\n end"]);
//!
//! sim.advance(secs(7));
//! sim.expect(&["+8.000s #1: closed Expired 1002 Connection interrupted, written 1, uncertain 1"]);
//! ```

// Failing loudly is what tests are for.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod checker;
pub mod fuzz;
mod op;
mod output;
mod random;
mod reading;
pub mod request;
mod sim;
mod simulation;
mod violation;

pub use checker::Checker;
pub use op::{Op, World, run, run_twice};
pub use output::Output;
pub use random::Random;
pub use reading::{Frame, Reader, prelude, read, unwrap};
pub use sim::{START, Sim, millis, secs, settings};
pub use simulation::{Outcome, Simulation};
pub use violation::{INVARIANTS, Verdict, Violation};
