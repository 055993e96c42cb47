//! One HTTP session as a client has it: an id, receive requests and sends.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Connection, Receiver, Request, Response, Transport, first_readable};

/// What a second receiver is told.
const STILL_OPEN: &str = r#"c[2010,"Another connection still open"]"#;

/// A session id of this client's choosing; nothing reaches the server before the first request.
pub struct Session {
    address: SocketAddr,
    path: String,
}

impl Session {
    /// A fresh id below `base`.
    pub fn new(address: SocketAddr, base: &str) -> Self {
        Self::at(address, format!("{base}/000/{}", fresh_id()))
    }

    /// The session at exactly this path, `BASE/{server}/{session}`.
    pub fn at(address: SocketAddr, path: impl Into<String>) -> Self {
        Self { address, path: path.into() }
    }

    /// `BASE/{server}/{session}`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The path of a transport or a sender.
    pub fn target(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    /// The session's id.
    pub fn id(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// A connection to this session's server.
    #[track_caller]
    pub fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// Sends any request on a connection of its own.
    #[track_caller]
    pub fn exchange(&self, request: &Request) -> Response {
        self.connect().exchange(request)
    }

    /// A receive request on a connection of its own.
    #[track_caller]
    pub fn receive(&self, transport: Transport) -> Receiver {
        Receiver::open(self.connect(), transport, &self.path)
    }

    /// A receive request on a connection of its own, which must answer this frame first.
    #[track_caller]
    pub fn receive_first(&self, transport: Transport, frame: &str) -> Receiver {
        let mut receiver = self.receive(transport);
        receiver.expect(frame);
        receiver
    }

    /// A receive request that is answered by exactly these frames.
    #[track_caller]
    pub fn expect(&self, transport: Transport, frames: &[&str]) {
        let mut receiver = self.receive(transport);
        for frame in frames {
            receiver.expect(frame);
        }
        receiver.end();
    }

    /// One poll, and its frame.
    #[track_caller]
    pub fn poll(&self) -> String {
        self.receive(Transport::Xhr).frame()
    }

    /// A poll that is surely attached: of two, one is told so.
    #[track_caller]
    pub fn waiting_poll(&self, transport: Transport) -> Receiver {
        let request = transport.request(&self.path);
        let [first, second] = [(); 2].map(|()| {
            let mut connection = self.connect();
            connection.send(request.to_bytes());
            connection
        });
        let is_first_refused = first_readable(&first, &second);
        let [first, second] = [first, second]
            .map(|connection| Receiver::sent(connection, transport, request.clone()));
        let (attached, mut refused) =
            if is_first_refused { (second, first) } else { (first, second) };
        refused.expect(STILL_OPEN);
        attached
    }

    /// Opens the session with a poll, so that it is left without a receiver.
    #[track_caller]
    pub fn open(self) -> Self {
        self.expect(Transport::Xhr, &["o"]);
        self
    }

    /// Sends messages by `xhr_send`, which must take them.
    #[track_caller]
    pub fn send<S: AsRef<str>>(&self, messages: &[S]) {
        self.xhr_send(json_array(messages)).expect_status(204);
    }

    /// Posts a body to `xhr_send`.
    #[track_caller]
    pub fn xhr_send(&self, body: impl AsRef<[u8]>) -> Response {
        self.exchange(&Request::post(self.target("xhr_send")).body(body))
    }

    /// Posts a body to `jsonp_send` as that content type.
    #[track_caller]
    pub fn jsonp_send(&self, content_type: &str, body: impl AsRef<[u8]>) -> Response {
        let request = Request::post(self.target("jsonp_send"));
        self.exchange(&request.header("Content-Type", content_type).body(body))
    }
}

/// An id that no other test uses.
pub fn fresh_id() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("{}{}", fresh_id_prefix(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// What all fresh ids of this process begin with.
pub fn fresh_id_prefix() -> String {
    format!("id-{}-", std::process::id())
}

/// A JSON array of strings, as a client writes it.
pub fn json_array<S: AsRef<str>>(messages: &[S]) -> String {
    let strings: Vec<&str> = messages.iter().map(AsRef::as_ref).collect();
    serde_json::to_string(&strings).expect("strings are JSON")
}
