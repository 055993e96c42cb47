//! One WebSocket, sans I/O (PROTOCOL §7; RFC 6455 §5–§7).
//!
//! Headers are judged here: what a header alone condemns is refused before its payload is waited
//! for. A message in one frame, as nearly all are, is taken where it stands. Other whole frames that
//! pass go to tungstenite's machine, which unmasks, joins fragments, checks UTF-8, and answers pings.
//! It is given whole frames only, because it reserves what a header
//! announces; and so that it is known when it is empty: then it can be thrown away, and an idle
//! connection need not hold one. The close is read and echoed here: the machine's list of codes
//! lacks 1014.
//!
//! Keeps invariants 7 (nothing is reserved that did not arrive) and 10 (any input: no panic, work
//! linear in bytes). Headers and outgoing frames are in [`frame`].

use std::io::ErrorKind;
use std::mem;

use bytes::{Buf, BytesMut};
use sockjs_core::FrameKind;
use tungstenite::protocol::WebSocketContext;
use tungstenite::{Error, Message};

use super::frame::{self, Mark, NOT_UTF8, OVER_LIMIT, Opcode, Violation, protocol};
use super::incoming::{Found, Incoming};
use super::machine::{Feed, MACHINE_READ_BYTES, new_machine};

/// The server's side of one WebSocket.
#[derive(Debug)]
pub struct Codec {
    max_message_bytes: usize,
    phase: Phase,
    machine: Option<Box<WebSocketContext>>,
    /// Bytes at the front of the input that the machine may take: whole frames.
    passed: usize,
    /// The machine was given frames and has not said yet that it used them up.
    fed: bool,
    /// The machine's buffer grew.
    grown: bool,
    /// Payload so far of a fragmented message that is unfinished. At most `max_message_bytes`.
    gathered: Option<usize>,
    /// Bytes at the front of the input that are the message which was returned last.
    taken: usize,
    /// That message, if the machine made it.
    joined: Option<Message>,
}

/// How far the closing handshake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// Our close is sent and the peer's awaited; its data is no longer wanted.
    Closing,
    /// The peer broke the rules and was not told yet.
    Failed,
    /// Both closes were exchanged, or one was sent to a peer that cannot be understood any more.
    Closed,
}

/// What stands at the front of the input.
enum Judged {
    /// No whole frame.
    Nothing,
    /// Frames that the machine may take.
    Frames,
    /// A whole message in one frame of so many bytes.
    Message(usize),
    /// A close of so many bytes.
    Close(usize),
}

impl Codec {
    /// A connection right after its handshake. Messages, whole or in fragments, of more payload
    /// than `max_message_bytes` are refused.
    pub fn new(max_message_bytes: usize) -> Self {
        Self {
            max_message_bytes,
            phase: Phase::Open,
            machine: None,
            passed: 0,
            fed: false,
            grown: false,
            gathered: None,
            taken: 0,
            joined: None,
        }
    }

    /// Takes the next message from `input`, which holds what was read, and removes what it used;
    /// pongs and the echo of a close are appended to `output`. A frame stays in `input` until all
    /// of it is there, so `input` must be able to grow to the largest message and its header. A
    /// message is shown where it stands, and removed by the next call.
    ///
    /// Call it until it returns `Ok(None)`, then read more. Every ping has its pong, which is
    /// shorter: output is bounded if nothing is read while `output` cannot be written.
    ///
    /// # Errors
    /// After a [`Violation`] call [`close`](Self::close) with its code; further input is thrown
    /// away. If our close was already sent, just drop the connection.
    pub fn read<'m>(
        &'m mut self,
        input: &'m mut BytesMut,
        output: &mut BytesMut,
    ) -> Result<Option<Incoming<'m>>, Violation> {
        let taken = mem::take(&mut self.taken);
        match taken < input.len() {
            true => input.advance(taken),
            // Its memory stays as it is, with nothing to be reclaimed.
            false if taken > 0 => input.clear(),
            false => {}
        }
        self.joined = None;
        // Once our close is sent nothing may follow it, neither pongs nor an echo.
        let mut unsent = BytesMut::new();
        let output = if self.phase == Phase::Open { output } else { &mut unsent };
        let found = self.find(input, output).inspect_err(|_| self.fail())?;
        match found {
            Found::Nothing => Ok(None),
            Found::Alone { is_text, payload } => {
                self.taken = payload.end;
                let payload = input.get(payload).unwrap_or_default();
                Incoming::new(is_text, payload).inspect_err(|_| self.fail()).map(Some)
            }
            Found::Joined(message) => Ok(Incoming::joined(self.joined.insert(message))),
            Found::Closed(why) => Ok(Some(Incoming::Closed(why))),
        }
    }

    /// What is next in `input`. A message in one frame is unmasked and still there.
    fn find(&mut self, input: &mut BytesMut, output: &mut BytesMut) -> Result<Found, Violation> {
        while matches!(self.phase, Phase::Open | Phase::Closing) {
            if !self.fed {
                match self.judge(input)? {
                    Judged::Frames => self.fed = true,
                    Judged::Message(bytes) => {
                        let frame = input.get_mut(..bytes).unwrap_or_default();
                        let is_text = frame::is_text(frame);
                        let payload = frame::unmask(frame)..bytes;
                        if self.phase == Phase::Open {
                            return Ok(Found::Alone { is_text, payload });
                        }
                        Incoming::new(is_text, input.get(payload).unwrap_or_default())?;
                        input.advance(bytes);
                    }
                    Judged::Close(bytes) => {
                        let mut frame = input.split_to(bytes);
                        let payload = frame::unmask(&mut frame)..;
                        let payload = frame.get(payload).unwrap_or_default();
                        return self.take_close(payload, output).map(Found::Closed);
                    }
                    Judged::Nothing => {
                        if self.grown {
                            self.release();
                        }
                        return Ok(Found::Nothing);
                    }
                }
            } else if let Some(message) = self.step(input, output)? {
                return Ok(Found::Joined(message));
            }
        }
        input.clear();
        Ok(Found::Nothing)
    }

    /// Sends our close, after which data and pings are ignored until the peer's close is
    /// [`Incoming::Closed`]. Does nothing if a close was sent before.
    ///
    /// The reason is cut to 123 bytes of whole characters; the code is sent as it stands.
    pub fn close(&mut self, code: u16, reason: &str, output: &mut BytesMut) {
        self.phase = match self.phase {
            Phase::Open => Phase::Closing,
            Phase::Failed => Phase::Closed,
            Phase::Closing | Phase::Closed => return,
        };
        frame::write_close(code, reason, output);
    }

    /// Begins a frame at the end of `output`: append its payload there, then [`finish`](Self::finish)
    /// or [`abandon`](Self::abandon) it.
    pub fn begin(&self, output: &mut BytesMut) -> Mark {
        frame::begin(output)
    }

    /// Makes all that was appended since `mark` the payload of one frame. A close has none but its
    /// reason, and goes as by [`close`](Self::close).
    pub fn finish(&mut self, mark: Mark, kind: &FrameKind, output: &mut BytesMut) {
        match kind {
            FrameKind::Text => frame::finish(mark, Opcode::Text, output),
            FrameKind::Binary => frame::finish(mark, Opcode::Binary, output),
            FrameKind::Ping => frame::finish(mark, Opcode::Ping, output),
            FrameKind::Close(reason) => {
                frame::abandon(mark, output);
                self.close(reason.websocket_code(), reason.text(), output);
            }
        }
    }

    /// Takes back a frame that was begun, with what was appended since.
    pub fn abandon(&self, mark: Mark, output: &mut BytesMut) {
        frame::abandon(mark, output);
    }

    /// Appends a frame with this payload.
    pub fn write(&mut self, kind: &FrameKind, payload: &[u8], output: &mut BytesMut) {
        let mark = self.begin(output);
        output.extend_from_slice(payload);
        self.finish(mark, kind, output);
    }

    /// Payload that is held here of a fragmented message that is unfinished.
    pub fn gathered_bytes(&self) -> usize {
        self.gathered.unwrap_or_default()
    }

    /// Lets go of the machine if it is empty; the next frame makes a new one. For the moment when
    /// the connection's read buffer is given back, too.
    pub fn release(&mut self) {
        if !self.fed && self.gathered.is_none() {
            self.machine = None;
            self.grown = false;
        }
    }

    fn fail(&mut self) {
        self.end(if self.phase == Phase::Open { Phase::Failed } else { Phase::Closed });
    }

    fn end(&mut self, phase: Phase) {
        self.phase = phase;
        self.machine = None;
    }

    /// Passes all whole frames at the front of `input`, up to a close or to the first that is refused;
    /// those have their turn when what came before them was delivered.
    fn judge(&mut self, input: &[u8]) -> Result<Judged, Violation> {
        loop {
            let rest = input.get(self.passed..).unwrap_or_default();
            match frame::judge(rest, self.gathered, self.max_message_bytes) {
                Ok(Some((frame_bytes, _)))
                    if frame_bytes <= rest.len() && frame::stands_alone(rest) =>
                {
                    return Ok(match self.passed {
                        0 if frame::is_close(rest) => Judged::Close(frame_bytes),
                        0 => Judged::Message(frame_bytes),
                        _ => Judged::Frames,
                    });
                }
                Ok(Some((frame_bytes, gathered))) if frame_bytes <= rest.len() => {
                    self.passed += frame_bytes;
                    self.gathered = gathered;
                    self.grown |= frame_bytes > MACHINE_READ_BYTES;
                }
                Err(violation) if self.passed == 0 => return Err(violation),
                _ if self.passed > 0 => return Ok(Judged::Frames),
                _ => return Ok(Judged::Nothing),
            }
        }
    }

    /// The peer's close, echoed unless it answers ours. What it says then does not matter.
    fn take_close(
        &mut self,
        payload: &[u8],
        output: &mut BytesMut,
    ) -> Result<Option<(u16, String)>, Violation> {
        let closed = match (frame::read_close(payload), self.phase) {
            (Err(violation), Phase::Open) => return Err(violation),
            (Ok(closed), Phase::Open) => {
                match &closed {
                    Some((code, reason)) => frame::write_close(*code, reason, output),
                    None => frame::write_empty_close(output),
                }
                closed
            }
            (closed, _) => closed.unwrap_or_default(),
        };
        self.end(Phase::Closed);
        Ok(closed)
    }

    /// Takes one frame's worth out of the machine.
    fn step(
        &mut self,
        input: &mut BytesMut,
        output: &mut BytesMut,
    ) -> Result<Option<Message>, Violation> {
        let mut feed = Feed { input, passed: &mut self.passed, output };
        let machine = self.machine.get_or_insert_with(|| new_machine(self.max_message_bytes));
        let message = match machine.read(&mut feed) {
            Ok(message) => message,
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                self.fed = false;
                return Ok(None);
            }
            Err(Error::Utf8(_)) => return Err(NOT_UTF8),
            Err(Error::Capacity(_)) => return Err(OVER_LIMIT),
            Err(_) => return Err(protocol("Protocol error")),
        };
        Ok(match message {
            Message::Text(_) | Message::Binary(_) if self.phase != Phase::Open => None,
            Message::Text(_) | Message::Binary(_) | Message::Pong(_) => Some(message),
            // The machine writes the pong by itself before it reads on.
            Message::Ping(_) => None,
            // A close is not passed on to it, and a frame as such is never read.
            Message::Close(_) | Message::Frame(_) => return Err(protocol("Protocol error")),
        })
    }
}

#[cfg(test)]
mod tests {
    use sockjs_core::{ClientFrame, CloseReason};

    use super::*;
    use crate::frame::tests::client_frame;

    /// An [`Incoming`], to be kept.
    #[derive(Clone, Debug, PartialEq)]
    enum Event {
        Text(String),
        Binary(Vec<u8>),
        Pong,
        Closed(Option<(u16, String)>),
    }

    impl From<Incoming<'_>> for Event {
        fn from(incoming: Incoming<'_>) -> Self {
            match incoming {
                Incoming::Text(text) => Self::Text(text.to_owned()),
                Incoming::Binary(bytes) => Self::Binary(bytes.to_vec()),
                Incoming::Pong => Self::Pong,
                Incoming::Closed(closed) => Self::Closed(closed),
            }
        }
    }

    type Read = Result<Event, Violation>;
    type Events = (Vec<Read>, BytesMut);

    fn read(codec: &mut Codec, input: &mut BytesMut, output: &mut BytesMut) -> Option<Read> {
        codec.read(input, output).map(|it| it.map(Event::from)).transpose()
    }

    /// Reads `wire` as it comes in pieces of `piece_bytes`, for a peer whose limit is 100,000.
    fn read_in(piece_bytes: usize, wire: &[u8]) -> Events {
        let mut codec = Codec::new(100_000);
        let (mut input, mut output, mut events) = (BytesMut::new(), BytesMut::new(), vec![]);
        for piece in wire.chunks(piece_bytes) {
            input.extend_from_slice(piece);
            while let Some(event) = read(&mut codec, &mut input, &mut output) {
                events.push(event);
            }
        }
        (events, output)
    }

    /// The events of `wire`, which must not depend on the pieces in which it comes.
    fn read_all(wire: &[u8]) -> Events {
        let whole = read_in(usize::MAX, wire);
        for piece_bytes in [1, 7, 1500] {
            assert_eq!(read_in(piece_bytes, wire), whole, "in pieces of {piece_bytes}");
        }
        whole
    }

    fn text(text: &str) -> Read {
        Ok(Event::Text(text.to_owned()))
    }

    #[test]
    fn every_violation_has_its_code_and_comes_after_what_was_right() {
        let close = |payload: &[u8]| client_frame(0x88, payload);
        for (wire, code) in [
            (vec![0x81, 0x01, b'x'], 1002),
            (client_frame(0xc1, b""), 1002),
            (client_frame(0xa1, b""), 1002),
            (client_frame(0x91, b""), 1002),
            (client_frame(0x83, b""), 1002),
            (client_frame(0x8b, b""), 1002),
            (client_frame(0x80, b""), 1002),
            ([client_frame(0x01, b"a"), client_frame(0x81, b"b")].concat(), 1002),
            (client_frame(0x09, b""), 1002),
            (client_frame(0x89, &[0; 126]), 1002),
            (close(b"\x03"), 1002),
            (close(&999_u16.to_be_bytes()), 1002),
            (close(&1005_u16.to_be_bytes()), 1002),
            (close(&1015_u16.to_be_bytes()), 1002),
            (close(&2999_u16.to_be_bytes()), 1002),
            (close(&5000_u16.to_be_bytes()), 1002),
            (close(b"\x03\xe8\xff"), 1007),
            (client_frame(0x81, b"\xce\xba\xe1\xbd"), 1007),
            ([client_frame(0x01, b"\xed\xa0\x80"), client_frame(0x80, b"")].concat(), 1007),
            ([client_frame(0x01, b"\xce"), client_frame(0x80, b"")].concat(), 1007),
            (client_frame(0x82, &[0; 100_001]), 1009),
            ([client_frame(0x02, &[0; 60_000]), client_frame(0x80, &[0; 40_001])].concat(), 1009),
        ] {
            let good = [client_frame(0x81, b"good"), client_frame(0x8a, b"")].concat();
            let (events, output) =
                read_all(&[good, wire.clone(), client_frame(0x81, b"z")].concat());
            let [first, Ok(Event::Pong), Err(violation)] = &events[..] else {
                panic!("{events:?} for {:?}", &wire[..2])
            };
            assert_eq!((first, violation.code), (&text("good"), code), "{:?}", &wire[..2]);
            assert!(output.is_empty());
        }
    }

    #[test]
    fn over_the_limit_is_refused_before_the_payload_arrives() {
        for header in [
            &[0x82, 0xff, 0, 0, 0, 0, 0, 1, 0x86, 0xa1][..],
            &[0x81, 0xff, 255, 255, 255, 255, 255, 255, 255, 255],
        ] {
            assert_eq!(read_all(header).0, [Err(OVER_LIMIT)]);
        }
        let fragments = [&client_frame(0x02, &[0; 99_999])[..], &[0x00, 0x82]].concat();
        assert_eq!(read_all(&fragments).0, [Err(OVER_LIMIT)]);
    }

    #[test]
    fn fragments_are_one_message_with_pings_answered_between() {
        let (events, output) = read_all(
            &[
                client_frame(0x01, b"\xce"),
                client_frame(0x89, b"one"),
                client_frame(0x00, b""),
                client_frame(0x89, b""),
                client_frame(0x8a, b"pong"),
                client_frame(0x80, b"\xba"),
                client_frame(0x81, b""),
                client_frame(0x82, b""),
                client_frame(0x02, b"\xff"),
                client_frame(0x80, b"\x00"),
            ]
            .concat(),
        );
        let binary = |bytes: &[u8]| Ok(Event::Binary(bytes.to_vec()));
        assert_eq!(events, [Ok(Event::Pong), text("κ"), text(""), binary(b""), binary(b"\xff\0")]);
        assert_eq!(output, &b"\x8a\x03one\x8a\x00"[..]);
    }

    #[test]
    fn lengths_at_the_edges_of_the_header_formats() {
        for length in [0, 1, 125, 126, 65_535, 65_536, 100_000] {
            assert_eq!(
                read_all(&client_frame(0x81, "x".repeat(length).as_bytes())).0,
                [text(&"x".repeat(length))]
            );
        }
    }

    #[test]
    fn fragments_longer_than_the_machines_buffer_are_kept() {
        let message = "é".repeat(50_000);
        let (start, end) = message.as_bytes().split_at(60_001);
        let wire = [client_frame(0x01, start), client_frame(0x80, end)].concat();
        assert_eq!(read_all(&wire).0, [text(&message)]);
    }

    #[test]
    fn the_clients_close_is_echoed_and_ends_all() {
        let after = [client_frame(0x81, b"late"), client_frame(0x89, b"late")].concat();
        for (payload, closed) in [
            (&b""[..], None),
            (b"\x03\xe8", Some((1000, String::new()))),
            (b"\x03\xf6", Some((1014, String::new()))),
            (b"\x0f\xa0bye", Some((4000, "bye".to_owned()))),
        ] {
            let (events, output) = read_all(&[client_frame(0x88, payload), after.clone()].concat());
            assert_eq!(events, [Ok(Event::Closed(closed))]);
            assert_eq!(output, [&[0x88, payload.len() as u8], payload].concat());
        }
    }

    #[test]
    fn after_our_close_only_the_answer_counts() {
        let mut codec = Codec::new(100);
        let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
        codec.close(3000, "No", &mut output);
        codec.close(1000, "", &mut output);
        assert_eq!(output, &b"\x88\x04\x0b\xb8No"[..]);
        output.clear();
        for frame in
            [(0x81, &b"late"[..]), (0x89, b""), (0x01, b"l"), (0x80, b"ate"), (0x88, b"\x0b\xb8")]
        {
            input.extend_from_slice(&client_frame(frame.0, frame.1));
        }
        let closed = Event::Closed(Some((3000, String::new())));
        assert_eq!(read(&mut codec, &mut input, &mut output), Some(Ok(closed)));
        assert_eq!(read(&mut codec, &mut input, &mut output), None);
        assert!(output.is_empty());
    }

    #[test]
    fn a_violation_is_told_once_and_nothing_is_read_after_it() {
        let mut codec = Codec::new(100);
        let (mut input, mut output) = (BytesMut::from(&[0x81, 0x00][..]), BytesMut::new());
        let violation = read(&mut codec, &mut input, &mut output).unwrap().unwrap_err();
        codec.close(violation.code, violation.reason, &mut output);
        codec.close(1000, "", &mut output);
        assert_eq!(output, &b"\x88\x15\x03\xeaFrame is not masked"[..]);
        input.extend_from_slice(&client_frame(0x88, b""));
        assert_eq!(read(&mut codec, &mut input, &mut output), None);
        assert!(input.is_empty());
    }

    #[test]
    fn a_ping_flood_is_answered_with_less_than_it_sent() {
        for payload in [&b""[..], &[7; 125]] {
            let flood = client_frame(0x89, payload).repeat(1000);
            let (events, output) = read_all(&flood);
            assert!(events.is_empty());
            assert_eq!(output.len(), flood.len() - 4 * 1000);
        }
    }

    #[test]
    fn an_idle_codec_holds_no_machine_that_grew() {
        let mut codec = Codec::new(100_000);
        let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
        for (size, kept) in [(60_000, false), (10, true)] {
            input.extend_from_slice(&client_frame(0x02, &vec![0; size]));
            input.extend_from_slice(&client_frame(0x80, b""));
            assert!(read(&mut codec, &mut input, &mut output).unwrap().is_ok());
            assert_eq!(read(&mut codec, &mut input, &mut output), None);
            assert_eq!(codec.machine.is_some(), kept);
        }
        codec.release();
        assert!(codec.machine.is_none());
    }

    #[test]
    fn no_input_panics_or_depends_on_its_pieces() {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = |below: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 32) % below
        };
        for _ in 0..5_000 {
            let mut wire = Vec::new();
            for _ in 0..random(8) {
                let first =
                    [0x01, 0x02, 0x00, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8a][random(9) as usize];
                let payload: Vec<u8> = (0..random(140))
                    .map(|_| b"a\xc3\xa9\xff\x03\xe8"[random(6) as usize])
                    .collect();
                wire.extend(client_frame(first, &payload));
            }
            for _ in 0..random(3) {
                wire.insert(random(wire.len() as u64 + 1) as usize, random(256) as u8);
            }
            read_all(&wire);
        }
    }

    #[test]
    fn frames_of_the_core_are_written() {
        let (mut codec, mut output) = (Codec::new(1000), BytesMut::new());
        codec.write(&FrameKind::Text, b"text", &mut output);
        codec.write(&FrameKind::Binary, &[0, 255], &mut output);
        codec.write(&FrameKind::Ping, b"", &mut output);
        let mark = codec.begin(&mut output);
        codec.abandon(mark, &mut output);
        // 2010 is no code for a WebSocket.
        codec.write(&FrameKind::Close(CloseReason::new(2010, "x")), b"", &mut output);
        codec.write(&FrameKind::Close(CloseReason::GO_AWAY), b"", &mut output);
        assert_eq!(output, &b"\x81\x04text\x82\x02\x00\xff\x89\x00\x88\x03\x03\xe8x"[..]);
    }

    #[test]
    fn what_arrives_is_what_the_core_takes() {
        for (incoming, frame) in [
            (Incoming::Text("x"), ClientFrame::Text("x")),
            (Incoming::Binary(b"x"), ClientFrame::Binary(b"x")),
            (Incoming::Pong, ClientFrame::Pong),
            (Incoming::Closed(None), ClientFrame::Close(None)),
            (
                Incoming::Closed(Some((3000, "x".into()))),
                ClientFrame::Close(Some(CloseReason::new(3000, "x"))),
            ),
        ] {
            assert_eq!(ClientFrame::from(incoming), frame);
        }
        let violation = ClientFrame::Violation(CloseReason::new(1007, "Invalid UTF-8"));
        assert_eq!(ClientFrame::from(NOT_UTF8), violation);
    }
}
