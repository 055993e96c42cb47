//! A load generator for SockJS servers, and what bare servers and engine.io speak.
//!
//! One thread drives all connections, each message is checked, and the server's processor time and
//! memory come from the kernel: what counts is messages for each second of the server's processor
//! time, which a busy machine disturbs least.
#![forbid(unsafe_code)]

mod broadcast;
mod churn;
mod dialect;
mod echo;
mod http;
mod idle;
mod load;
mod meter;
mod net;
mod options;
mod process;
mod session;
mod text;
mod websocket;

pub use load::run;
pub use meter::{Latency, Report};
pub use options::{Options, USAGE};
pub use process::Memory;

/// Errors are for people who read a terminal.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;
