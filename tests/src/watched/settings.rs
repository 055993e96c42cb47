//! What a watched server is started with.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Settings of all its services and connections; where nothing is said, the defaults of the
/// libraries.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// The adapter to run on.
    pub runtime: String,
    /// Where its watcher listens.
    pub control: Option<SocketAddr>,
    /// File descriptors that it may have; `None` for all that it can get.
    pub descriptors: Option<u64>,
    /// What the system may hold for a client that does not read.
    pub send_buffer_bytes: Option<usize>,
    /// Heartbeat delay.
    pub heartbeat: Duration,
    /// Disconnect delay.
    pub disconnect: Duration,
    /// How long a request's head may take.
    pub head_timeout: Duration,
    /// How long a request's body may take.
    pub body_timeout: Duration,
    /// How long a write may make no progress.
    pub write_stall: Duration,
    /// How long a pong may take.
    pub pong_deadline: Duration,
    /// Messages of a session waiting for a receiver.
    pub outbox_bytes: usize,
    /// Bytes handed to a receiver and not yet written.
    pub window_bytes: usize,
    /// Messages waiting over all sessions of a service.
    pub total_bytes: usize,
}

impl Settings {
    /// For a server on this adapter.
    pub fn on(runtime: &str) -> Self {
        let limits = sockjs_core::Limits::default();
        Self {
            runtime: runtime.to_owned(),
            control: None,
            descriptors: None,
            send_buffer_bytes: None,
            heartbeat: Duration::from_secs(25),
            disconnect: Duration::from_secs(5),
            head_timeout: Duration::from_secs(30),
            body_timeout: limits.body_timeout,
            write_stall: limits.write_stall,
            pong_deadline: limits.pong_deadline,
            outbox_bytes: limits.outbox_bytes,
            window_bytes: limits.window_bytes,
            total_bytes: limits.total_bytes,
        }
    }
}
