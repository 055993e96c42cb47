//! WebSocket as a client needs it here (RFC 6455).

use memchr::memmem;

use crate::Result;
use crate::text::show;

/// The example of RFC 6455 §1.3, and the answer to it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// A mask like any other: servers cannot know that it does not change.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Frame types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opcode(u8);

impl Opcode {
    pub(crate) const TEXT: Self = Self(1);
    pub(crate) const CLOSE: Self = Self(8);
    pub(crate) const PING: Self = Self(9);
    pub(crate) const PONG: Self = Self(10);
}

/// Appends the request that opens a WebSocket.
pub(crate) fn handshake(host: &str, path: &str, out: &mut Vec<u8>) {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    );
    out.extend_from_slice(request.as_bytes());
}

/// Reads the answer to the handshake, if it is complete: its length.
pub(crate) fn read_handshake(input: &[u8]) -> Result<Option<usize>> {
    let Some(end) = memmem::find(input, b"\r\n\r\n") else { return Ok(None) };
    let head = &input[..end];
    if !head.starts_with(b"HTTP/1.1 101") || memmem::find(head, ACCEPT).is_none() {
        return Err(format!("no WebSocket: {}", show(head)).into());
    }
    Ok(Some(end + 4))
}

/// Appends a frame.
pub(crate) fn frame(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    out.push(0x80 | opcode.0);
    match payload.len() {
        length @ 0..126 => out.push(0x80 | length as u8),
        length @ 126..0x1_0000 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    let start = out.len();
    out.extend_from_slice(payload);
    for four in out[start..].chunks_mut(4) {
        four.iter_mut().zip(MASK).for_each(|(byte, mask)| *byte ^= mask);
    }
}

/// Reads a frame, if it is complete: its type, its payload, and its length.
pub(crate) fn read_frame(input: &[u8]) -> Result<Option<(Opcode, &[u8], usize)>> {
    let [first, second, rest @ ..] = input else { return Ok(None) };
    if first & 0xf0 != 0x80 || second & 0x80 != 0 {
        return Err(format!("fragmented, reserved or masked: {}", show(input)).into());
    }
    let (head, length) = match (second, rest) {
        (126, [a, b, ..]) => (4, usize::from(u16::from_be_bytes([*a, *b]))),
        (127, [a, b, c, d, e, f, g, h, ..]) => {
            let length = u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
            (10, usize::try_from(length)?)
        }
        (126 | 127, _) => return Ok(None),
        (length, _) => (2, usize::from(*length)),
    };
    let Some(payload) = input.get(head..head + length) else { return Ok(None) };
    Ok(Some((Opcode(first & 15), payload, head + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_masked() {
        let mut out = Vec::new();
        frame(Opcode::TEXT, b"Hello", &mut out);
        // RFC 6455 §5.7.
        assert_eq!(out, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    }

    #[test]
    fn frames_are_read_when_complete() {
        for length in [0, 5, 125, 126, 300, 70_000] {
            let payload = vec![b'x'; length];
            let mut bytes = Vec::new();
            frame(Opcode::TEXT, &payload, &mut bytes);
            bytes[1] &= 0x7f;
            let mask = bytes.len() - length - 4;
            bytes.drain(mask..mask + 4);
            bytes.truncate(mask);
            bytes.extend_from_slice(&payload);
            assert!(read_frame(&bytes[..bytes.len() - 1]).unwrap().is_none());
            let (opcode, read, size) = read_frame(&bytes).unwrap().unwrap();
            assert_eq!((opcode, read, size), (Opcode::TEXT, &payload[..], bytes.len()));
        }
    }
}
