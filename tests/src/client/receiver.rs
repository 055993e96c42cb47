//! One receive request and its frames, the wrapping checked and taken off.

use super::{Connection, Framing, Head, Request, Transport};

/// A receive request under way.
pub struct Receiver {
    transport: Transport,
    request: Request,
    connection: Connection,
    head: Option<Head>,
    is_ended: bool,
}

impl Receiver {
    /// Sends a receive request; on a stream also reads and checks head and prelude.
    #[track_caller]
    pub fn open(connection: Connection, transport: Transport, path: &str) -> Self {
        Self::request(connection, transport, transport.request(path))
    }

    /// The same with a request that may carry more headers.
    #[track_caller]
    pub fn request(mut connection: Connection, transport: Transport, request: Request) -> Self {
        connection.send(request.to_bytes());
        Self::sent(connection, transport, request)
    }

    /// The same for a request that was written before.
    #[track_caller]
    pub fn sent(connection: Connection, transport: Transport, request: Request) -> Self {
        let mut receiver = Self { transport, request, connection, head: None, is_ended: false };
        if !transport.is_polling() {
            let head = receiver.read_head();
            let framing = head.framing(&receiver.request);
            assert_eq!(framing, Framing::Chunked, "a stream is chunked:\n{head}");
            let prelude = receiver.connection.read_chunk().unwrap_or_default();
            transport.check_prelude(&prelude);
        }
        receiver
    }

    /// The response head, once it was read.
    #[track_caller]
    pub fn head(&self) -> &Head {
        self.head.as_ref().expect("the head comes with the first frame")
    }

    /// The next frame, `None` after the clean end of the response.
    #[track_caller]
    pub fn next_frame(&mut self) -> Option<String> {
        if self.is_ended {
            return None;
        }
        let bytes = if self.transport.is_polling() {
            self.is_ended = true;
            let head = self.read_head();
            let Framing::Length(length_bytes) = head.framing(&self.request) else {
                self.connection.fail("a poll's answer has a Content-Length");
            };
            self.connection.read_exact(length_bytes)
        } else {
            let chunk = self.connection.read_chunk();
            self.is_ended = chunk.is_none();
            chunk?
        };
        Some(self.transport.unwrap(&bytes))
    }

    /// The next frame.
    #[track_caller]
    pub fn frame(&mut self) -> String {
        match self.next_frame() {
            Some(frame) => frame,
            None => self.connection.fail("the response ended, a frame was expected"),
        }
    }

    /// Requires this frame next.
    #[track_caller]
    pub fn expect(&mut self, frame: &str) -> &mut Self {
        assert_eq!(self.frame(), frame, "next frame on {:?}", self.transport);
        self
    }

    /// Requires the clean end of the response, and gives the connection back for the next request.
    #[track_caller]
    pub fn end(mut self) -> Connection {
        if let Some(frame) = self.next_frame() {
            self.connection.fail(&format!("the end was expected, not {frame:?}"));
        }
        self.connection
    }

    /// The connection as it is, in the middle of the response.
    pub fn into_connection(self) -> Connection {
        self.connection
    }

    #[track_caller]
    fn read_head(&mut self) -> Head {
        let head = self.connection.read_head();
        self.transport.check_head(&head);
        self.head = Some(head.clone());
        head
    }
}
