//! WebSocket framing: judges the headers of incoming frames, writes outgoing frames (PROTOCOL
//! §7; RFC 6455 §5.2, §5.5).
//!
//! A server's frames are unmasked and these are never fragmented, so a frame is a header and the
//! payload as it stands. The payload is written straight into the output buffer, between
//! [`begin`] and [`finish`]; nothing is allocated but the buffer's own growth.

use std::error::Error;
use std::fmt;

use bytes::{BufMut, BytesMut};
use sockjs_core::{ClientFrame, CloseReason};

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
pub struct Mark {
    start: usize,
}

/// The peer broke the rules: close with this code and reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// 1002 (protocol), 1007 (not UTF-8) or 1009 (over the limit).
    pub code: u16,
    /// What the peer is told.
    pub reason: &'static str,
}

impl From<Violation> for CloseReason {
    fn from(violation: Violation) -> Self {
        Self::new(violation.code, violation.reason)
    }
}

impl From<Violation> for ClientFrame<'_> {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation.into())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.reason)
    }
}

impl Error for Violation {}

pub(super) const OVER_LIMIT: Violation = Violation { code: 1009, reason: "Message too big" };
pub(super) const NOT_UTF8: Violation = Violation { code: 1007, reason: "Invalid UTF-8" };

pub(super) const fn protocol(reason: &'static str) -> Violation {
    Violation { code: 1002, reason }
}

/// Room left for the header: right for payloads of 126 to 65,535 bytes, which stay where they
/// are; a shorter one moves back by two (at most 125 bytes are moved).
/// A longer one moves on by six: rare, for the core cuts frames at 64 KiB.
const HEADER_ROOM_BYTES: usize = 4;

/// The longest payload of a control frame (RFC 6455 §5.5).
const CONTROL_MAX_BYTES: usize = 125;

/// Reads the header of a client's frame, if all of it is there, and refuses whatever needs no
/// payload to be refused. `gathered` is the payload so far, at most `max_message_bytes`, of a
/// fragmented message that is unfinished. Returns the length of the whole frame and what is
/// `gathered` after it.
pub(super) fn judge(
    input: &[u8],
    gathered: Option<usize>,
    max_message_bytes: usize,
) -> Result<Option<(usize, Option<usize>)>, Violation> {
    let &[first, second, ref rest @ ..] = input else { return Ok(None) };
    if first & 0x70 != 0 {
        return Err(protocol("Reserved bits are set"));
    }
    if second & 0x80 == 0 {
        return Err(protocol("Frame is not masked"));
    }
    let (header_bytes, length) = match (second & 0x7f, rest) {
        (126, &[a, b, ..]) => (8_usize, u64::from(u16::from_be_bytes([a, b]))),
        (127, &[a, b, c, d, e, f, g, h, ..]) => (14, u64::from_be_bytes([a, b, c, d, e, f, g, h])),
        (126 | 127, _) => return Ok(None),
        (length, _) => (6, u64::from(length)),
    };
    let is_final = first & 0x80 != 0;
    let gathered = match (first & 0x0f, gathered) {
        (0, None) => return Err(protocol("Nothing to continue")),
        (1 | 2, Some(_)) => return Err(protocol("Message is not finished")),
        (0..=2, gathered) => {
            let gathered = gathered.unwrap_or(0);
            if length > (max_message_bytes - gathered) as u64 {
                return Err(OVER_LIMIT);
            }
            (!is_final).then_some(gathered + length as usize)
        }
        (8..=10, _) if !is_final => return Err(protocol("Control frame is fragmented")),
        (8..=10, _) if length > CONTROL_MAX_BYTES as u64 => {
            return Err(protocol("Control frame is too long"));
        }
        (8..=10, gathered) => gathered,
        _ => return Err(protocol("Unknown opcode")),
    };
    // Saturates only if the limit is beyond any memory: such a frame is never whole.
    Ok(Some((header_bytes.saturating_add(length as usize), gathered)))
}

/// Whether a client's frame, whose header was judged, is a close.
pub(super) fn is_close(frame: &[u8]) -> bool {
    frame.first() == Some(&(0x80 | Opcode::Close as u8))
}

/// Whether it begins and ends a text message.
pub(super) fn is_text(frame: &[u8]) -> bool {
    frame.first() == Some(&(0x80 | Opcode::Text as u8))
}

/// Whether it means something whatever came before it and comes after: a message that is not
/// fragmented, or a close.
pub(super) fn stands_alone(frame: &[u8]) -> bool {
    is_text(frame) || is_close(frame) || frame.first() == Some(&(0x80 | Opcode::Binary as u8))
}

/// Unmasks a client's frame, whole and judged, where it stands (RFC 6455 §5.3). Returns where its payload
/// begins.
pub(super) fn unmask(frame: &mut [u8]) -> usize {
    let length_bytes = match frame.get(1).map(|second| second & 0x7f) {
        Some(126) => 4,
        Some(127) => 10,
        _ => 2,
    };
    let Some((header, payload)) = frame.split_at_mut_checked(length_bytes + 4) else { return 0 };
    let Some(&mask) = header.last_chunk::<4>() else { return 0 };
    // One step of the processor for a block, one for a word.
    let (blocks, rest) = payload.as_chunks_mut::<16>();
    blocks.iter_mut().for_each(|block| apply([mask; 4].as_flattened(), block));
    let (words, rest) = rest.as_chunks_mut::<4>();
    words.iter_mut().for_each(|word| apply(&mask, word));
    apply(&mask, rest);
    length_bytes + 4
}

fn apply(mask: &[u8], bytes: &mut [u8]) {
    for (byte, mask) in bytes.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

/// Code and reason of a client's close, without its header and mask; `None` if it says nothing.
pub(super) fn read_close(payload: &[u8]) -> Result<Option<(u16, String)>, Violation> {
    match payload {
        [] => Ok(None),
        [_] => Err(protocol("Close code is cut off")),
        &[high, low, ref reason @ ..] => {
            let code = u16::from_be_bytes([high, low]);
            let reason = str::from_utf8(reason).map_err(|_| NOT_UTF8)?;
            // RFC 6455 §7.4 and the registry that it founds; 1010 is a client's alone.
            if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                return Err(protocol("Invalid close code"));
            }
            Ok(Some((code, reason.to_owned())))
        }
    }
}

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

/// Writes a close frame that says nothing.
pub(super) fn write_empty_close(out: &mut BytesMut) {
    finish(begin(out), Opcode::Close, out);
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A frame as a client sends it; `first` is the byte with FIN and opcode.
    pub(crate) fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let mut frame = vec![first];
        match payload.len() {
            len @ 0..=125 => frame.push(0x80 | len as u8),
            len @ ..=0xffff => {
                frame.push(0x80 | 126);
                frame.extend((len as u16).to_be_bytes());
            }
            len => {
                frame.push(0x80 | 127);
                frame.extend((len as u64).to_be_bytes());
            }
        }
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }

    #[test]
    fn outgoing_headers_fit_their_payload() {
        for (length, header) in [
            (0, vec![0x81, 0]),
            (125, vec![0x81, 125]),
            (126, vec![0x81, 126, 0, 126]),
            (65_535, vec![0x81, 126, 0xff, 0xff]),
            (65_536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let payload: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let mut out = BytesMut::from(&b"before"[..]);
            let mark = begin(&mut out);
            out.extend_from_slice(&payload);
            finish(mark, Opcode::Text, &mut out);
            assert_eq!(out, [&b"before"[..], &header, &payload].concat(), "length {length}");
        }
    }

    #[test]
    fn an_abandoned_frame_leaves_no_trace() {
        let mut out = BytesMut::from(&b"before"[..]);
        let mark = begin(&mut out);
        out.extend_from_slice(b"half");
        abandon(mark, &mut out);
        assert_eq!(out, &b"before"[..]);
    }

    #[test]
    fn control_frames() {
        let mut out = BytesMut::new();
        finish(begin(&mut out), Opcode::Ping, &mut out);
        write_close(3000, "Broken framing.", &mut out);
        assert_eq!(out, &b"\x89\x00\x88\x11\x0b\xb8Broken framing."[..]);
        out.clear();
        // 122 bytes, then a character of two: it does not fit into 123.
        write_close(1000, &format!("{}é", "x".repeat(122)), &mut out);
        assert_eq!(out[..2], [0x88, 124]);
        assert_eq!(out.len(), 2 + 124);
    }

    #[test]
    fn a_frame_is_unmasked_whatever_form_its_length_has() {
        for length in [0, 1, 4, 7, 100] {
            let payload: Vec<u8> = (0..length).collect();
            let mask = [0x37, 0xfa, 0x21, 0x3d];
            let masked: Vec<u8> =
                payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
            for header in [
                &[0x82, 0x80 | length][..],
                &[0x82, 0xfe, 0, length],
                &[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, length],
            ] {
                let mut frame = [header, &mask, &masked].concat();
                let start = unmask(&mut frame);
                assert_eq!((start, &frame[start..]), (header.len() + 4, &payload[..]));
            }
        }
    }

    #[test]
    fn a_close_says_why_or_nothing() {
        assert_eq!(read_close(b"\x03\xf6x"), Ok(Some((1014, "x".to_owned()))));
        assert_eq!(read_close(b""), Ok(None));
    }

    #[test]
    fn headers_alone_are_judged() {
        let header = |bytes: &[u8]| judge(bytes, None, 1000);
        assert_eq!(header(&[0x81]), Ok(None));
        assert_eq!(header(&[0x81, 0xfe, 0]), Ok(None));
        assert_eq!(header(&[0x81, 0x80 | 126, 0x03, 0xe8]), Ok(Some((1008, None))));
        assert_eq!(header(&[0x81, 0x80 | 126, 0x03, 0xe9]), Err(OVER_LIMIT));
        assert_eq!(header(&[0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0]), Err(OVER_LIMIT));
        assert_eq!(judge(&[0x80, 0x85], Some(995), 1000), Ok(Some((11, None))));
        assert_eq!(judge(&[0x80, 0x86], Some(995), 1000), Err(OVER_LIMIT));
        assert_eq!(judge(&[0x00, 0x85], Some(995), 1000), Ok(Some((11, Some(1000)))));
        assert_eq!(judge(&[0x89, 0x85], Some(995), 0), Ok(Some((11, Some(995)))));
        assert!(header(&[0xc1, 0x85]).is_err() && header(&[0x91, 0x85]).is_err());
        assert!(header(&[0x09, 0x85]).is_err() && header(&[0x89, 0xfe, 0, 126]).is_err());
        let most = [0x82, 0xff, 255, 255, 255, 255, 255, 255, 255, 255];
        assert_eq!(judge(&most, None, usize::MAX), Ok(Some((usize::MAX, None))));
    }
}
