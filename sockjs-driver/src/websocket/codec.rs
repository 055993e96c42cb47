//! What arrives on a WebSocket, sans I/O (PROTOCOL.md §7; RFC 6455 §5–§7).
//!
//! The frame header is read here, so that whatever a header alone condemns is refused before its
//! payload is waited for, and so that it is known where frames end. The frames that pass are
//! handed to tungstenite's machine, which unmasks, joins fragments, checks UTF-8 and close codes,
//! and answers pings and the close. When it used them up between two messages it is known to be
//! empty, and thrown away: an idle connection holds none.
//!
//! Keeps invariants 7 (no more than one message and one read is held) and 10 (any input: no
//! panic, work linear in bytes). The outgoing half is in [`frame`](super::frame).

use std::io::{self, Cursor, ErrorKind, Read, Write};

use bytes::{Buf, Bytes, BytesMut};
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, FrameHeader};
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message, Utf8Bytes};

use super::frame;

/// Something arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// A whole text message.
    Text(Utf8Bytes),
    /// A whole binary message.
    Binary(Bytes),
    /// The peer lives. (Its answer to a ping, or a pong out of the blue.)
    Pong,
    /// The peer's close: the first, echoed into the output, or the answer to ours.
    /// Nothing follows; what is read later is thrown away.
    Closed(Option<(u16, String)>),
}

/// The peer broke the rules: close with this code and reason, and read no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// 1002 (protocol), 1007 (not UTF-8) or 1009 (over the limit).
    pub(crate) code: u16,
    /// What the peer is told.
    pub(crate) reason: &'static str,
}

/// The reading half of one server-side WebSocket.
#[derive(Debug)]
pub(crate) struct Codec {
    max_message_bytes: usize,
    phase: Phase,
    /// Bytes up to the end of the last frame whose header passed; the machine gets no others.
    judged: usize,
    /// Payload bytes of the fragmented message that is unfinished there, if there is one.
    gathered: Option<usize>,
    machine: Option<Box<WebSocketContext>>,
}

/// How far the closing handshake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// Our close is sent, the peer's answer awaited; its data is no longer wanted.
    Closing,
    /// The peer broke the rules and was not told yet.
    Failed,
    /// Both closes were exchanged, or one was sent to a peer that can no longer be understood.
    Closed,
}

/// What the machine reads at a time. It fills as much with zeroes before every read, so its own
/// default (128 KiB) would cost more than all else; a longer frame grows its buffer once.
const MACHINE_READ_BYTES: usize = 1024;

/// The longest payload of a control frame (RFC 6455 §5.5).
const CONTROL_MAX_BYTES: u64 = 125;

/// What the machine puts in the place of a close whose code may not be sent.
const BAD_CLOSE_REASON: &str = "Protocol violation";

const OVER_LIMIT: Violation = Violation { code: 1009, reason: "Message too big" };
const NOT_UTF8: Violation = Violation { code: 1007, reason: "Invalid UTF-8" };

const fn protocol(reason: &'static str) -> Violation {
    Violation { code: 1002, reason }
}

impl Codec {
    /// A connection right after its handshake that refuses messages, whole or in fragments, of
    /// more payload than `max_message_bytes`.
    pub(crate) fn new(max_message_bytes: usize) -> Self {
        Self {
            max_message_bytes,
            phase: Phase::Open,
            judged: 0,
            gathered: None,
            machine: None,
        }
    }

    /// Takes the next message from `input`, which holds what was read, and removes what it used;
    /// pongs and the echo of a close are appended to `output`.
    ///
    /// Call it until it returns `Ok(None)` (a whole burst is parsed before anything is written),
    /// then read more. Each ping of a burst has its own pong, and a pong is shorter than its
    /// ping: output is bounded as long as nothing is read while `output` cannot be flushed.
    ///
    /// # Errors
    /// After a [`Violation`], [`close`](Self::close) with its code; all further input is thrown
    /// away. A violation while our own close is unanswered: drop the connection.
    pub(crate) fn read(
        &mut self,
        input: &mut BytesMut,
        output: &mut BytesMut,
    ) -> Result<Option<Incoming>, Violation> {
        loop {
            if matches!(self.phase, Phase::Failed | Phase::Closed) {
                input.clear();
                return Ok(None);
            }
            match self.step(input, output) {
                Ok(Step::Arrived(incoming)) => return Ok(Some(incoming)),
                Ok(Step::Next) => {}
                Ok(Step::Starved) => return Ok(None),
                Err(violation) => {
                    self.end(match self.phase {
                        Phase::Open => Phase::Failed,
                        _ => Phase::Closed,
                    });
                    return Err(violation);
                }
            }
        }
    }

    /// Sends our close, after which data and pings are ignored until the peer's close is
    /// [`Incoming::Closed`]. Does nothing when a close was sent before.
    ///
    /// The reason is cut to 123 bytes of whole characters; the code is sent as it stands.
    pub(crate) fn close(&mut self, code: u16, reason: &str, output: &mut BytesMut) {
        self.phase = match self.phase {
            Phase::Open => Phase::Closing,
            Phase::Failed => Phase::Closed,
            Phase::Closing | Phase::Closed => return,
        };
        frame::write_close(code, reason, output);
    }

    /// Takes one message out of the machine, which is given what was judged and no more.
    fn step(&mut self, input: &mut BytesMut, output: &mut BytesMut) -> Result<Step, Violation> {
        if self.machine.is_none() && !self.judge(input)? {
            return Ok(Step::Starved);
        }
        // Once our close is sent nothing may follow it: neither pongs nor an echo.
        let mut unsent = BytesMut::new();
        let output = if self.phase == Phase::Open { output } else { &mut unsent };
        let mut feed = Feed { input, left: &mut self.judged, output };
        let machine = self.machine.get_or_insert_with(|| new_machine(self.max_message_bytes));
        let message = match machine.read(&mut feed) {
            Ok(message) => message,
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                return self.refill(input);
            }
            Err(error) => return Err(violation(&error)),
        };
        Ok(match message {
            Message::Text(_) | Message::Binary(_) if self.phase != Phase::Open => Step::Next,
            Message::Text(text) => Step::Arrived(Incoming::Text(text)),
            Message::Binary(bytes) => Step::Arrived(Incoming::Binary(bytes)),
            Message::Pong(_) => Step::Arrived(Incoming::Pong),
            Message::Ping(_) => {
                // Only now is the pong written. Writing to memory cannot fail.
                let _ = machine.flush(&mut feed);
                Step::Next
            }
            Message::Close(close) => {
                if self.phase == Phase::Open && close.as_ref().is_some_and(is_bad_close) {
                    return Err(protocol("Invalid close code"));
                }
                // Writes the echo, then says `ConnectionClosed`, as a server's machine should.
                let _ = machine.flush(&mut feed);
                self.end(Phase::Closed);
                Step::Arrived(Incoming::Closed(
                    close.map(|close| (close.code.into(), close.reason.as_str().to_owned())),
                ))
            }
            Message::Frame(_) => return Err(protocol("Unexpected frame")),
        })
    }

    /// The machine used up all it was given: finds more for it, or lets it go if it is empty.
    fn refill(&mut self, input: &BytesMut) -> Result<Step, Violation> {
        if self.judged > 0 {
            return Ok(Step::Starved); // in the middle of a frame
        }
        if self.judge(input)? {
            return Ok(Step::Next);
        }
        if self.gathered.is_none() {
            self.machine = None;
        }
        Ok(Step::Starved)
    }

    /// Judges every header in `input`, up to the first that is incomplete or is refused; it is
    /// refused for good once all before it was delivered. False if not even one is there.
    fn judge(&mut self, input: &BytesMut) -> Result<bool, Violation> {
        while let Some(rest) = input.get(self.judged..).filter(|rest| !rest.is_empty()) {
            match self.judge_header(rest) {
                Ok(Some(bytes)) => self.judged += bytes,
                Ok(None) => break,
                Err(violation) if self.judged == 0 => return Err(violation),
                Err(_) => break,
            }
        }
        Ok(self.judged > 0)
    }

    /// Reads the header at the front of `input`, if all of it is there, and refuses whatever
    /// needs no payload to be refused. Returns the length of the whole frame.
    fn judge_header(&mut self, input: &[u8]) -> Result<Option<usize>, Violation> {
        let mut cursor = Cursor::new(input);
        let Some((header, length)) =
            FrameHeader::parse(&mut cursor).map_err(|_| protocol("Unknown opcode"))?
        else {
            return Ok(None);
        };
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(protocol("Reserved bits are set"));
        }
        if header.mask.is_none() {
            return Err(protocol("Frame is not masked"));
        }
        match (header.opcode, self.gathered) {
            (OpCode::Control(_), _) => {
                if !header.is_final || length > CONTROL_MAX_BYTES {
                    return Err(protocol("Control frame is fragmented or too long"));
                }
            }
            (OpCode::Data(Data::Continue), None) => {
                return Err(protocol("Nothing to continue"));
            }
            (OpCode::Data(Data::Text | Data::Binary), Some(_)) => {
                return Err(protocol("Message is not finished"));
            }
            (OpCode::Data(_), gathered) => {
                // Invariant: gathered ≤ max_message_bytes.
                let gathered = gathered.unwrap_or(0);
                if length > (self.max_message_bytes - gathered) as u64 {
                    return Err(OVER_LIMIT);
                }
                self.gathered = (!header.is_final).then_some(gathered + length as usize);
            }
        }
        Ok(Some(cursor.position() as usize + length as usize))
    }

    fn end(&mut self, phase: Phase) {
        self.phase = phase;
        self.machine = None;
    }
}

enum Step {
    Arrived(Incoming),
    Next,
    Starved,
}

fn new_machine(max_message_bytes: usize) -> Box<WebSocketContext> {
    let config = WebSocketConfig::default()
        .read_buffer_size(MACHINE_READ_BYTES)
        .write_buffer_size(0)
        .max_message_size(Some(max_message_bytes))
        .max_frame_size(Some(max_message_bytes.max(CONTROL_MAX_BYTES as usize)));
    Box::new(WebSocketContext::new(Role::Server, Some(config)))
}

fn violation(error: &Error) -> Violation {
    match error {
        Error::Utf8(_) => NOT_UTF8,
        Error::Capacity(_) => OVER_LIMIT,
        _ => protocol("Protocol error"),
    }
}

/// A peer that says just this by itself means to be answered just as one that is corrected.
fn is_bad_close(close: &CloseFrame) -> bool {
    close.code == CloseCode::Protocol && close.reason.as_str() == BAD_CLOSE_REASON
}

/// The machine's network: reads what was judged, writes at once.
struct Feed<'a> {
    input: &'a mut BytesMut,
    left: &'a mut usize,
    output: &'a mut BytesMut,
}

impl Read for Feed<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = into.len().min(*self.left).min(self.input.len());
        if count == 0 {
            // Never `Ok(0)`, which is the end of the stream.
            return Err(ErrorKind::WouldBlock.into());
        }
        into[..count].copy_from_slice(&self.input[..count]);
        self.input.advance(count);
        *self.left -= count;
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
