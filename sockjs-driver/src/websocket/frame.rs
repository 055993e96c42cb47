//! Outgoing WebSocket frames (PROTOCOL.md §7; RFC 6455 §5.2).
//!
//! A server's frames are unmasked and these are never fragmented, so a frame is a header and the
//! payload as it stands. The payload is written straight into the output buffer, between
//! [`begin`] and [`finish`]; nothing is allocated but the buffer's own growth.

use bytes::{BufMut, BytesMut};

/// The opcode of an outgoing frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Opcode {
    /// UTF-8 text; the caller vouches for the encoding.
    Text = 1,
    /// Arbitrary bytes.
    Binary = 2,
    /// Ends the connection.
    Close = 8,
    /// Asks the peer for a pong.
    Ping = 9,
}

/// Where a frame begins whose payload is being written.
#[derive(Debug)]
#[must_use = "a frame begun is finished or abandoned, else four stray bytes are sent"]
pub(crate) struct Mark {
    start: usize,
}

/// Room left for the header: right for payloads of 126 to 65,535 bytes, which stay where they
/// are; a shorter one moves back by two (at most 125 bytes are moved).
/// A longer one moves on by six: rare, for the core cuts frames at 64 KiB.
const HEADER_ROOM_BYTES: usize = 4;

/// The longest payload of a control frame (RFC 6455 §5.5).
const CONTROL_MAX_BYTES: usize = 125;

/// Begins a frame at the end of `out`; append the payload to `out`, then call [`finish`].
pub(crate) fn begin(out: &mut BytesMut) -> Mark {
    let start = out.len();
    out.put_bytes(0, HEADER_ROOM_BYTES);
    Mark { start }
}

/// Makes all that was appended since [`begin`] the payload of one final frame.
pub(crate) fn finish(mark: Mark, opcode: Opcode, out: &mut BytesMut) {
    let payload = mark.start + HEADER_ROOM_BYTES..out.len();
    let first = 0x80 | opcode as u8;
    match payload.len() {
        len @ 0..=CONTROL_MAX_BYTES => {
            out.copy_within(payload, mark.start + 2);
            out.truncate(mark.start + 2 + len);
            out[mark.start..mark.start + 2].copy_from_slice(&[first, len as u8]);
        }
        len @ ..=0xffff => {
            let [high, low] = (len as u16).to_be_bytes();
            out[mark.start..mark.start + 4].copy_from_slice(&[first, 126, high, low]);
        }
        len => {
            out.put_bytes(0, 6);
            out.copy_within(payload, mark.start + 10);
            out[mark.start..mark.start + 2].copy_from_slice(&[first, 127]);
            out[mark.start + 2..mark.start + 10].copy_from_slice(&(len as u64).to_be_bytes());
        }
    }
}

/// Takes back a frame that was begun, with what was appended since.
pub(crate) fn abandon(mark: Mark, out: &mut BytesMut) {
    out.truncate(mark.start);
}

/// Writes a ping with an empty payload.
pub(crate) fn write_ping(out: &mut BytesMut) {
    let mark = begin(out);
    finish(mark, Opcode::Ping, out);
}

/// Writes a close frame; a reason too long for a control frame is cut between two characters.
///
/// To close a live connection call `Codec::close`, which also remembers that the peer's close
/// is then an answer.
pub(crate) fn write_close(code: u16, reason: &str, out: &mut BytesMut) {
    let mark = begin(out);
    out.put_u16(code);
    let mut cut = reason.len().min(CONTROL_MAX_BYTES - 2);
    while !reason.is_char_boundary(cut) {
        cut -= 1;
    }
    out.extend_from_slice(&reason.as_bytes()[..cut]);
    finish(mark, Opcode::Close, out);
}
