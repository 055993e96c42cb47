//! A TCP connection on which every wait has an end and every failure shows what passed.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::{Framing, Head, Request, Response};

/// How long a read or a write may take before the test fails: generous, so that a busy machine
/// does not matter.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How much of one read or write the transcript shows.
const SHOWN_BYTES: usize = 600;

/// How many reads and writes the transcript remembers.
const SHOWN_COUNT: usize = 40;

/// One TCP connection to the server under test.
pub struct Connection {
    socket: TcpStream,
    /// Received and not yet asked for.
    pending: Vec<u8>,
    transcript: Vec<String>,
    patience: Duration,
}

impl Connection {
    /// Connects to `address`.
    #[track_caller]
    pub fn open(address: SocketAddr) -> Self {
        let socket = TcpStream::connect_timeout(&address, PATIENCE)
            .unwrap_or_else(|error| panic!("no connection to {address}: {error}"));
        socket.set_nodelay(true).expect("TCP_NODELAY");
        socket.set_write_timeout(Some(PATIENCE)).expect("write timeout");
        Self { socket, pending: Vec::new(), transcript: Vec::new(), patience: PATIENCE }
    }

    /// Lets later reads and writes take this long instead of [`PATIENCE`].
    pub fn set_patience(&mut self, patience: Duration) {
        self.socket.set_write_timeout(Some(patience)).expect("write timeout");
        self.patience = patience;
    }

    /// Writes bytes as they stand.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        if let Err(error) = self.try_send(bytes) {
            self.fail(&format!("cannot write: {error}"));
        }
    }

    /// Writes bytes to a peer that may have closed already.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.note('>', bytes.as_ref());
        self.socket.write_all(bytes.as_ref())
    }

    /// Sends a request and reads the complete answer to it.
    #[track_caller]
    pub fn exchange(&mut self, request: &Request) -> Response {
        self.send(request.to_bytes());
        self.read_response(request)
    }

    /// Reads the complete answer to a request sent before, past any `100 Continue`.
    #[track_caller]
    pub fn read_response(&mut self, request: &Request) -> Response {
        let mut head = self.read_head();
        while head.status() == 100 {
            head = self.read_head();
        }
        let framing = head.framing(request);
        let mut chunks = Vec::new();
        match framing {
            Framing::Empty => {}
            Framing::Length(length_bytes) => chunks.push(self.read_exact(length_bytes)),
            Framing::Chunked => chunks.extend(std::iter::from_fn(|| self.read_chunk())),
            Framing::UntilClose => chunks.push(self.read_to_end()),
        }
        Response::new(request, head, framing, chunks)
    }

    /// Reads a response head.
    #[track_caller]
    pub fn read_head(&mut self) -> Head {
        let bytes = self.read_through(b"\r\n\r\n");
        Head::parse(&bytes).unwrap_or_else(|why| self.fail(&why))
    }

    /// Reads the next chunk of a chunked body, `None` at its clean end.
    #[track_caller]
    pub fn read_chunk(&mut self) -> Option<Vec<u8>> {
        let line = self.read_through(b"\r\n");
        let size = String::from_utf8_lossy(&line);
        let Ok(size_bytes) = usize::from_str_radix(size.trim_end(), 16) else {
            self.fail(&format!("no chunk size: {size:?}"));
        };
        if size_bytes == 0 {
            if self.read_exact(2) != b"\r\n" {
                self.fail("trailers after the last chunk");
            }
            return None;
        }
        let mut chunk = self.read_exact(size_bytes + 2);
        if !chunk.ends_with(b"\r\n") {
            self.fail("a chunk longer than announced");
        }
        chunk.truncate(size_bytes);
        Some(chunk)
    }

    /// Reads exactly so many bytes.
    #[track_caller]
    pub fn read_exact(&mut self, length_bytes: usize) -> Vec<u8> {
        while self.pending.len() < length_bytes {
            if !self.fill() {
                self.fail(&format!("connection closed, {length_bytes} bytes were expected"));
            }
        }
        self.pending.drain(..length_bytes).collect()
    }

    /// Reads up to and including `end`.
    #[track_caller]
    pub fn read_through(&mut self, end: &[u8]) -> Vec<u8> {
        let mut searched = 0;
        loop {
            let window = self.pending.get(searched..).unwrap_or_default();
            if let Some(at) = window.windows(end.len()).position(|bytes| bytes == end) {
                return self.pending.drain(..searched + at + end.len()).collect();
            }
            searched = (self.pending.len() + 1).saturating_sub(end.len());
            if !self.fill() {
                self.fail(&format!(
                    "connection closed before {:?}",
                    end.escape_ascii().to_string()
                ));
            }
        }
    }

    /// Reads and compares.
    #[track_caller]
    pub fn expect_bytes(&mut self, expected: impl AsRef<[u8]>) {
        let expected = expected.as_ref();
        let bytes = self.read_exact(expected.len());
        if bytes != expected {
            let (bytes, expected) = (bytes.escape_ascii(), expected.escape_ascii());
            self.fail(&format!("read     {bytes}\nexpected {expected}"));
        }
    }

    /// Reads until the peer closes.
    #[track_caller]
    pub fn read_to_end(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.pending)
    }

    /// Requires that the peer closes without a further byte.
    #[track_caller]
    pub fn expect_end(&mut self) {
        let rest = self.read_to_end();
        if !rest.is_empty() {
            self.fail(&format!("bytes after the end: {}", rest.escape_ascii()));
        }
    }

    /// Whether bytes or the end of the connection can be read now, waiting a moment at most.
    pub fn is_readable(&self) -> bool {
        !self.pending.is_empty() || self.has_unread(Duration::from_millis(5))
    }

    /// Closes by a reset: waits until something unread lies in the socket, then drops it.
    #[track_caller]
    pub fn reset(self) {
        if !self.has_unread(self.patience) {
            self.fail("nothing arrived that could stay unread");
        }
    }

    /// Ends the sending half.
    pub fn half_close(&self) {
        self.socket.shutdown(Shutdown::Write).expect("the socket is connected");
    }

    /// Fails the test with `why` and the transcript.
    #[track_caller]
    pub fn fail(&self, why: &str) -> ! {
        panic!("{why}\n{}", self.transcript.join("\n"))
    }

    fn has_unread(&self, wait: Duration) -> bool {
        self.socket.set_read_timeout(Some(wait)).expect("read timeout");
        !matches!(
            self.socket.peek(&mut [0]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
        )
    }

    /// Reads what there is, waiting for it; false when the peer has closed.
    #[track_caller]
    fn fill(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        self.socket.set_read_timeout(Some(self.patience)).expect("read timeout");
        let count = match self.socket.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            Err(error) => {
                let pending = self.pending.escape_ascii();
                self.fail(&format!("cannot read: {error}; so far: {pending}"));
            }
        };
        let bytes = buffer.get(..count).unwrap_or_default();
        self.note('<', bytes);
        self.pending.extend_from_slice(bytes);
        count > 0
    }

    fn note(&mut self, direction: char, bytes: &[u8]) {
        let shown = bytes.get(..SHOWN_BYTES).unwrap_or(bytes);
        let mut line = format!("{direction} {}", shown.escape_ascii());
        if shown.len() < bytes.len() {
            write!(line, " … {} bytes in all", bytes.len()).expect("a string grows");
        } else if bytes.is_empty() {
            line.push_str("(end)");
        }
        if self.transcript.len() == SHOWN_COUNT {
            self.transcript.remove(0);
        }
        self.transcript.push(line);
    }
}

/// Waits until one of two connections has something to read, and says whether it is the first.
#[track_caller]
pub fn first_readable(first: &Connection, second: &Connection) -> bool {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if first.is_readable() {
            return true;
        }
        if second.is_readable() {
            return false;
        }
        if Instant::now() > deadline {
            first.fail("neither connection was answered");
        }
    }
}
