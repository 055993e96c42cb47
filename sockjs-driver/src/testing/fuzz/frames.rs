//! What WebSocket clients send, against a second reader that has all of it at once.

use std::iter;

use bytes::BytesMut;

use sockjs_websocket::{Codec, Incoming};

/// Limits of a message, among them those at the edges of the header's formats.
const LIMITS: [usize; 7] = [0, 1, 16, 125, 126, 300, 70_000];

/// Up to this length the input is cut in two at every byte; longer ones come byte by byte alone.
const CUT_BYTES: usize = 160;

/// Frames of a client: the first byte chooses the limit. Whatever they are and however they are
/// cut, they mean what RFC 6455 says; and pings are answered, the close echoed, violations told.
///
/// # Panics
/// If it is not so.
pub fn frames(data: &[u8]) {
    let Some((choice, wire)) = data.split_first() else { return };
    let max_message_bytes = LIMITS[usize::from(*choice) % LIMITS.len()];
    let expected = expected(wire, max_message_bytes);
    let check = |pieces: &mut dyn Iterator<Item = &[u8]>, how: &str| {
        let read = read(pieces, max_message_bytes);
        assert_eq!(read, expected, "{how}");
    };
    check(&mut iter::once(wire), "in one piece");
    check(&mut wire.chunks(1), "byte by byte");
    for at in 1..wire.len().min(CUT_BYTES) {
        let (first, second) = wire.split_at(at);
        check(&mut [first, second].into_iter(), "cut in two");
    }
}

/// What a client's bytes lead to.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    events: Vec<Event>,
    answer: Vec<u8>,
}

#[derive(Debug, PartialEq)]
enum Event {
    Text(String),
    Binary(Vec<u8>),
    Pong,
    Closed(Option<(u16, String)>),
    Violation(u16),
}

/// Reads as a WebSocket does, which lets go of what it can whenever it is idle.
fn read(pieces: &mut dyn Iterator<Item = &[u8]>, max_message_bytes: usize) -> Outcome {
    let mut codec = Codec::new(max_message_bytes);
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    let mut events = Vec::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        while let Some(event) = codec.read(&mut input, &mut output).transpose() {
            events.push(match event {
                Ok(Incoming::Text(text)) => Event::Text(text.to_owned()),
                Ok(Incoming::Binary(bytes)) => Event::Binary(bytes.to_vec()),
                Ok(Incoming::Pong) => Event::Pong,
                Ok(Incoming::Closed(why)) => Event::Closed(why),
                Err(violation) => Event::Violation(violation.code),
            });
            if let Some(Event::Violation(code)) = events.last() {
                codec.close(*code, "", &mut output);
            }
        }
        codec.release();
    }
    Outcome { events, answer: output.to_vec() }
}

/// What the bytes should lead to.
fn expected(wire: &[u8], max_message_bytes: usize) -> Outcome {
    let mut outcome = Outcome::default();
    let mut reader = Reader { rest: wire, max_message_bytes, message: None };
    loop {
        match reader.next(&mut outcome) {
            Ok(true) => {}
            Ok(false) => return outcome,
            Err(code) => {
                outcome.events.push(Event::Violation(code));
                outcome.answer.extend([0x88, 2]);
                outcome.answer.extend(code.to_be_bytes());
                return outcome;
            }
        }
    }
}

/// Reads frames by the letter of RFC 6455 §5, from all the bytes that will ever come.
struct Reader<'w> {
    rest: &'w [u8],
    max_message_bytes: usize,
    /// The opcode and the payload so far of a message that is unfinished.
    message: Option<(u8, Vec<u8>)>,
}

/// What stands before a frame's payload.
struct Header<'w> {
    /// FIN and opcode.
    first: u8,
    mask: &'w [u8],
    /// Of the payload.
    length: u64,
}

impl<'w> Reader<'w> {
    /// Takes a frame; false if none can follow. An error is the code to close with.
    fn next(&mut self, outcome: &mut Outcome) -> Result<bool, u16> {
        let Some(Header { first, mask, length }) = self.header()? else { return Ok(false) };
        let Some(masked) = usize::try_from(length).ok().and_then(|length| self.take(length)) else {
            return Ok(false);
        };
        let payload: Vec<u8> =
            masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        match first & 0x0f {
            8 => {
                outcome.events.push(Event::Closed(close(&payload)?));
                outcome.answer.extend([0x88, payload.len() as u8]);
                outcome.answer.extend(payload);
                return Ok(false);
            }
            9 => {
                outcome.answer.extend([0x8a, payload.len() as u8]);
                outcome.answer.extend(payload);
            }
            10 => outcome.events.push(Event::Pong),
            opcode => outcome.events.extend(self.data(first & 0x80 != 0, opcode, payload)?),
        }
        Ok(true)
    }

    fn header(&mut self) -> Result<Option<Header<'w>>, u16> {
        let Some(&[first, second]) = self.rest.get(..2) else { return Ok(None) };
        let (is_final, opcode) = (first & 0x80 != 0, first & 0x0f);
        if first & 0x70 != 0 || second & 0x80 == 0 {
            return Err(1002);
        }
        let wide = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let Some(extended) = self.rest.get(2..2 + wide) else { return Ok(None) };
        let length = match wide {
            0 => u64::from(second & 0x7f),
            _ => extended.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        let is_control = opcode & 8 != 0;
        let continues = opcode == 0;
        let is_known = matches!(opcode, 0..=2 | 8..=10);
        if !is_known || (is_control && (!is_final || length > 125)) {
            return Err(1002);
        }
        if !is_control && continues != self.message.is_some() {
            return Err(1002);
        }
        let gathered = self.message.as_ref().map_or(0, |(_, payload)| payload.len());
        if !is_control && length > (self.max_message_bytes - gathered) as u64 {
            return Err(1009);
        }
        let Some(mask) = self.rest.get(2 + wide..6 + wide) else { return Ok(None) };
        self.rest = &self.rest[6 + wide..];
        Ok(Some(Header { first, mask, length }))
    }

    fn take(&mut self, length: usize) -> Option<&'w [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn data(&mut self, is_final: bool, opcode: u8, payload: Vec<u8>) -> Result<Option<Event>, u16> {
        let (opcode, mut message) = self.message.take().unwrap_or((opcode, Vec::new()));
        message.extend(payload);
        if opcode == 1
            && let Err(error) = std::str::from_utf8(&message)
            && (is_final || error.error_len().is_some())
        {
            return Err(1007);
        }
        if !is_final {
            self.message = Some((opcode, message));
            return Ok(None);
        }
        Ok(Some(match String::from_utf8(message) {
            Ok(text) if opcode == 1 => Event::Text(text),
            Ok(text) => Event::Binary(text.into()),
            Err(error) => Event::Binary(error.into_bytes()),
        }))
    }
}

/// What a close frame says (RFC 6455 §5.5.1 and §7.4).
fn close(payload: &[u8]) -> Result<Option<(u16, String)>, u16> {
    let (code, reason) = match payload {
        [] => return Ok(None),
        [_] => return Err(1002),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    let reason = std::str::from_utf8(reason).map_err(|_| 1007_u16)?;
    // The last is not in the RFC: see `is_bad_close` in the codec.
    match code {
        1002 if reason == "Protocol violation" => Err(1002),
        1000..=1003 | 1007..=1014 | 3000..=4999 => Ok(Some((code, reason.to_owned()))),
        _ => Err(1002),
    }
}
