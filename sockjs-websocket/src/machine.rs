//! Tungstenite's machine, and what it has for a network.

use std::io::{self, ErrorKind, Read, Write};

use bytes::{Buf, BytesMut};
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};

/// What the machine reads at a time. It fills as much with zeroes before every read, so its own
/// default (128 KiB) would cost more than all else. A longer frame grows its buffer, and then the
/// machine is not kept.
pub(super) const MACHINE_READ_BYTES: usize = 1024;

/// A machine that takes whole frames.
pub(super) fn new_machine(max_message_bytes: usize) -> Box<WebSocketContext> {
    let config = WebSocketConfig::default()
        .read_buffer_size(MACHINE_READ_BYTES)
        .write_buffer_size(0)
        .max_message_size(Some(max_message_bytes))
        .max_frame_size(None); // judged already
    Box::new(WebSocketContext::new(Role::Server, Some(config)))
}

/// The machine's network: reads the frames that passed, writes at once.
pub(super) struct Feed<'a> {
    pub(super) input: &'a mut BytesMut,
    /// Bytes at the front of the input that the machine may take.
    pub(super) passed: &'a mut usize,
    pub(super) output: &'a mut BytesMut,
}

impl Read for Feed<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = into.len().min(*self.passed);
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into()); // `Ok(0)` would be the end of the stream
        }
        into[..count].copy_from_slice(&self.input[..count]);
        self.input.advance(count);
        *self.passed -= count;
        Ok(count)
    }
}

impl Write for Feed<'_> {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(from);
        Ok(from.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
