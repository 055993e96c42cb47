//! Clients that answer at once and write down what they get.

use sockjs_driver::testing::Plug;

pub(crate) const WEBSOCKET: &[u8] = b"GET /echo/000/socket/websocket HTTP/1.1\r\n\
    Host: server\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// One connection's client side.
pub(crate) struct Client {
    pub(crate) name: &'static str,
    plug: Plug,
    buffer: Vec<u8>,
    stage: Stage,
    has_seen_end: bool,
}

enum Stage {
    Head,
    Chunks,
    Frames,
}

impl Client {
    /// Receives over HTTP.
    pub(crate) fn receiver(name: &'static str, plug: Plug, path: &str) -> Self {
        let head = format!("POST {path} HTTP/1.1\r\nHost: server\r\nContent-Length: 0\r\n\r\n");
        plug.send(head.as_bytes());
        Self::new(name, plug)
    }

    /// Sends that, to begin with.
    pub(crate) fn sending(name: &'static str, plug: Plug, text: &str) -> Self {
        plug.send(text.as_bytes());
        Self::new(name, plug)
    }

    /// A WebSocket.
    pub(crate) fn websocket(name: &'static str, plug: Plug) -> Self {
        plug.send(WEBSOCKET);
        Self::new(name, plug)
    }

    fn new(name: &'static str, plug: Plug) -> Self {
        Self { name, plug, buffer: Vec::new(), stage: Stage::Head, has_seen_end: false }
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&self, bytes: &[u8]) {
        self.plug.send(bytes);
    }

    /// From now on it takes nothing, or again.
    pub(crate) fn stall(&self, is_stalled: bool) {
        self.plug.stall(is_stalled);
    }

    /// Sends a message in a WebSocket frame.
    pub(crate) fn send_frame(&self, opcode: u8, payload: &[u8]) {
        // A mask of zeroes leaves the payload as it is.
        let length = u8::try_from(payload.len()).expect("short frames only");
        self.plug.send(&[&[0x80 | opcode, 0x80 | length, 0, 0, 0, 0], payload].concat());
    }

    /// Reads what has arrived, in words, and answers pings.
    pub(crate) fn turn(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        self.buffer.extend(self.plug.receive());
        while let Some(line) = self.next() {
            lines.push(line);
        }
        if self.plug.is_ended() && !self.has_seen_end {
            self.has_seen_end = true;
            lines.push("end".into());
        }
        lines
    }

    fn next(&mut self) -> Option<String> {
        match self.stage {
            Stage::Head => {
                let head = self.take_until(b"\r\n\r\n")?;
                if head.contains("101 Switching") {
                    self.stage = Stage::Frames;
                } else if head.contains("transfer-encoding: chunked") {
                    self.stage = Stage::Chunks;
                }
                // hyper has the date from the system's clock.
                let lines = head.lines().filter(|line| !line.starts_with("date:"));
                Some(lines.collect::<Vec<_>>().join(" | "))
            }
            Stage::Chunks => {
                let end = self.buffer.windows(2).position(|bytes| bytes == b"\r\n")?;
                let length = std::str::from_utf8(&self.buffer[..end]).expect("chunk sizes");
                let length = usize::from_str_radix(length, 16).expect("chunk sizes");
                if self.buffer.len() < end + length + 4 {
                    return None;
                }
                let chunk: Vec<u8> = self.buffer.drain(..end + length + 4).collect();
                if length == 0 {
                    self.stage = Stage::Head;
                }
                Some(words(&chunk[end + 2..end + 2 + length]))
            }
            Stage::Frames => {
                let &[first, length, ..] = self.buffer.as_slice() else { return None };
                assert!(length < 126, "short frames only");
                if self.buffer.len() < 2 + usize::from(length) {
                    return None;
                }
                let frame: Vec<u8> = self.buffer.drain(..2 + usize::from(length)).collect();
                let payload = &frame[2..];
                match first & 0x0f {
                    1 => Some(words(payload)),
                    9 => {
                        self.send_frame(10, payload);
                        Some("ping".into())
                    }
                    opcode => Some(format!("opcode {opcode}: {payload:?}")),
                }
            }
        }
    }

    fn take_until(&mut self, mark: &[u8]) -> Option<String> {
        let end = self.buffer.windows(mark.len()).position(|bytes| bytes == mark)?;
        let bytes: Vec<u8> = self.buffer.drain(..end + mark.len()).collect();
        Some(words(&bytes))
    }
}

/// As text, without the end of the line, and the padding of a prelude counted.
fn words(bytes: &[u8]) -> String {
    let text = std::str::from_utf8(bytes).expect("text").trim_end();
    if text.len() > 1000 && text.bytes().all(|byte| byte == b'h') {
        return format!("{} times h", text.len());
    }
    text.to_owned()
}
