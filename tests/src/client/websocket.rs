//! A WebSocket client written out by hand, so that it can also misbehave.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Connection, Head, Request};

/// The key of every handshake here: RFC 6455's example.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// RFC 6455 §1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The mask of every frame here; any four bytes serve.
const MASK: [u8; 4] = [0x1f, 0xe2, 0x53, 0x84];

/// What a frame is, RFC 6455 §5.2; reserved values can be written too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opcode(pub u8);

impl Opcode {
    /// A further piece of a message.
    pub const CONTINUATION: Self = Self(0);
    /// A text message.
    pub const TEXT: Self = Self(1);
    /// A binary message.
    pub const BINARY: Self = Self(2);
    /// The end.
    pub const CLOSE: Self = Self(8);
    /// A ping.
    pub const PING: Self = Self(9);
    /// A pong.
    pub const PONG: Self = Self(10);
}

/// One frame to write, right or wrong.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The first byte: FIN, reserved bits, opcode.
    first: u8,
    is_masked: bool,
    payload: Vec<u8>,
    announced_bytes: usize,
}

/// One message read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// The pong to our ping.
    Pong(Vec<u8>),
    /// A close with its code and reason, `None` when it carries none.
    Close(Option<(u16, String)>),
}

/// An open WebSocket.
pub struct WebSocket {
    connection: Connection,
    head: Head,
}

impl Frame {
    /// A whole, masked, well-formed frame.
    pub fn new(opcode: Opcode, payload: impl AsRef<[u8]>) -> Self {
        let payload = payload.as_ref().to_vec();
        let announced_bytes = payload.len();
        Self { first: 0x80 | opcode.0, is_masked: true, payload, announced_bytes }
    }

    /// A close frame.
    pub fn close(code: u16, reason: &str) -> Self {
        Self::new(Opcode::CLOSE, [&code.to_be_bytes(), reason.as_bytes()].concat())
    }

    /// Not the last of its message.
    #[must_use]
    pub fn more(mut self) -> Self {
        self.first &= 0x7f;
        self
    }

    /// With reserved bits, `0x40`, `0x20`, `0x10`.
    #[must_use]
    pub fn reserved(mut self, bits: u8) -> Self {
        self.first |= bits;
        self
    }

    /// Without a mask.
    #[must_use]
    pub fn unmasked(mut self) -> Self {
        self.is_masked = false;
        self
    }

    /// With another length in its header than that of its payload.
    #[must_use]
    pub fn announcing(mut self, length_bytes: usize) -> Self {
        self.announced_bytes = length_bytes;
        self
    }

    /// The bytes on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mask_bit = if self.is_masked { 0x80 } else { 0 };
        let mut bytes = vec![self.first];
        match (u8::try_from(self.announced_bytes), u16::try_from(self.announced_bytes)) {
            (Ok(length), _) if length < 126 => bytes.push(mask_bit | length),
            (_, Ok(length)) => {
                bytes.push(mask_bit | 126);
                bytes.extend_from_slice(&length.to_be_bytes());
            }
            _ => {
                bytes.push(mask_bit | 127);
                bytes.extend_from_slice(&(self.announced_bytes as u64).to_be_bytes());
            }
        }
        if self.is_masked {
            bytes.extend_from_slice(&MASK);
            let masked = self.payload.iter().zip(MASK.iter().cycle());
            bytes.extend(masked.map(|(byte, mask)| byte ^ mask));
        } else {
            bytes.extend_from_slice(&self.payload);
        }
        bytes
    }
}

impl WebSocket {
    /// The handshake's request.
    pub fn request(path: impl Into<String>) -> Request {
        Request::get(path)
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", KEY)
    }

    /// Connects and shakes hands.
    #[track_caller]
    pub fn open(address: SocketAddr, path: impl Into<String>) -> Self {
        let mut connection = Connection::open(address);
        connection.send(Self::request(path).to_bytes());
        Self::upgrade(connection)
    }

    /// Connects to a framed session and reads `o`.
    #[track_caller]
    pub fn open_session(address: SocketAddr, path: impl Into<String>) -> Self {
        let mut socket = Self::open(address, path);
        socket.expect_text("o");
        socket
    }

    /// Reads the answer to a handshake that was written before.
    #[track_caller]
    pub fn upgrade(mut connection: Connection) -> Self {
        let head = connection.read_head();
        head.expect_status(101)
            .expect_header("Connection", "Upgrade")
            .expect_header("Upgrade", "websocket")
            .expect_header("Sec-WebSocket-Accept", &accept_for(KEY))
            .expect_no_header("Sec-WebSocket-Protocol")
            .expect_no_header("Sec-WebSocket-Extensions");
        Self { connection, head }
    }

    /// The head of the 101.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The connection below.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Writes a frame.
    #[track_caller]
    pub fn send(&mut self, frame: &Frame) {
        self.connection.send(frame.to_bytes());
    }

    /// Writes a text message.
    #[track_caller]
    pub fn send_text(&mut self, text: &str) {
        self.send(&Frame::new(Opcode::TEXT, text));
    }

    /// The next message, fragments put together and pings answered.
    #[track_caller]
    pub fn read(&mut self) -> Message {
        let mut message: Option<(Opcode, Vec<u8>)> = None;
        loop {
            let (first, mut payload) = self.read_frame();
            let opcode = match (Opcode(first & 0x0f), message.take()) {
                (Opcode::CLOSE, _) => return self.closed(&payload),
                (Opcode::PONG, None) => return Message::Pong(payload),
                (Opcode::PING, unfinished) => {
                    self.send(&Frame::new(Opcode::PONG, payload));
                    message = unfinished;
                    continue;
                }
                (Opcode::CONTINUATION, Some((opcode, mut whole))) => {
                    whole.append(&mut payload);
                    payload = whole;
                    opcode
                }
                (opcode @ (Opcode::TEXT | Opcode::BINARY), None) => opcode,
                (opcode, _) => self.connection.fail(&format!("unexpected {opcode:?}")),
            };
            if first & 0x80 == 0 {
                message = Some((opcode, payload));
            } else if opcode == Opcode::TEXT {
                return Message::Text(String::from_utf8(payload).expect("text is UTF-8"));
            } else {
                return Message::Binary(payload);
            }
        }
    }

    /// The next message, which must be text.
    #[track_caller]
    pub fn text(&mut self) -> String {
        match self.read() {
            Message::Text(text) => text,
            other => self.connection.fail(&format!("text was expected, not {other:?}")),
        }
    }

    /// Requires this text message next.
    #[track_caller]
    pub fn expect_text(&mut self, text: &str) -> &mut Self {
        let read = self.text();
        if read != text {
            self.connection.fail(&format!("read     {read:?}\nexpected {text:?}"));
        }
        self
    }

    /// Requires a close with this code next, answers it, and requires the connection's end.
    #[track_caller]
    pub fn expect_close(mut self, code: u16) -> String {
        let Message::Close(Some((own, reason))) = self.read() else {
            self.connection.fail(&format!("close {code} was expected"));
        };
        if own != code {
            self.connection.fail(&format!("close {code} was expected, not {own} {reason:?}"));
        }
        // The server may have left after a violation.
        let _ = self.connection.try_send(Frame::close(code, "").to_bytes());
        self.connection.expect_end();
        reason
    }

    /// Requires a close with this code and reason next, and the connection's end.
    #[track_caller]
    pub fn expect_close_saying(self, code: u16, reason: &str) {
        assert_eq!(self.expect_close(code), reason, "reason of close {code}");
    }

    fn read_frame(&mut self) -> (u8, Vec<u8>) {
        let head = self.connection.read_exact(2);
        let (first, second) = (head[0], head[1]);
        if first & 0x70 != 0 || second & 0x80 != 0 {
            self.connection.fail("a server sends no reserved bits and no masks");
        }
        let length_bytes = match second {
            126 => u64::from(u16::from_be_bytes(self.read_array())),
            127 => u64::from_be_bytes(self.read_array()),
            short => u64::from(short),
        };
        let is_minimal = match second {
            126 => length_bytes > 125,
            127 => length_bytes > 0xffff,
            _ => true,
        };
        if !is_minimal || (first & 0x08 != 0 && (length_bytes > 125 || first & 0x80 == 0)) {
            self.connection.fail("a frame header that RFC 6455 forbids");
        }
        let length_bytes = usize::try_from(length_bytes).expect("a frame fits memory");
        (first, self.connection.read_exact(length_bytes))
    }

    fn read_array<const N: usize>(&mut self) -> [u8; N] {
        self.connection.read_exact(N).try_into().expect("read_exact is exact")
    }

    fn closed(&mut self, payload: &[u8]) -> Message {
        match payload {
            [] => Message::Close(None),
            [high, low, reason @ ..] => {
                let reason = std::str::from_utf8(reason).expect("a reason is UTF-8");
                Message::Close(Some((u16::from_be_bytes([*high, *low]), reason.to_owned())))
            }
            [_] => self.connection.fail("a close of one byte"),
        }
    }
}

/// `Sec-WebSocket-Accept` for a key.
pub fn accept_for(key: &str) -> String {
    STANDARD.encode(sha1_smol::Sha1::from(format!("{key}{GUID}")).digest().bytes())
}
