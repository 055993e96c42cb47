//! The server under test as a child process.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::client::{Connection, Request, Response, Session, WebSocket, fresh_id_prefix};

/// How long the server may take to end after SIGTERM.
const SHUTDOWN: Duration = Duration::from_secs(20);

/// A running server; dropping it ends it and fails the test if it panicked, ended badly, or wrote the
/// id of a session.
pub struct Server {
    child: Child,
    address: SocketAddr,
    stderr: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    may_panic: bool,
    is_asked_to_end: AtomicBool,
}

impl Server {
    /// Starts the program and waits until it listens.
    #[track_caller]
    pub fn start<S: AsRef<str>>(program: &str, arguments: &[S]) -> Self {
        let mut child = Command::new(program)
            .args(arguments.iter().map(AsRef::as_ref))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program} does not start: {error}"));
        let stderr = Arc::new(Mutex::new(String::new()));
        let reader = collect(child.stderr.take().expect("piped"), Arc::clone(&stderr));
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("stdout is text");
        let address = line.trim_end().strip_prefix("listening on http://");
        let Some(address) = address.and_then(|address| address.parse().ok()) else {
            let _ = child.kill();
            let _ = child.wait();
            let _ = reader.join();
            panic!("{program} said {line:?}, and on stderr:\n{}", text_of(&stderr));
        };
        Self {
            child,
            address,
            stderr,
            reader: Some(reader),
            may_panic: false,
            is_asked_to_end: AtomicBool::new(false),
        }
    }

    /// For servers whose handlers panic on purpose.
    #[must_use]
    pub fn may_panic(mut self) -> Self {
        self.may_panic = true;
        self
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// A new connection.
    #[track_caller]
    pub fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// Sends a request on a new connection and reads the complete answer.
    #[track_caller]
    pub fn exchange(&self, request: &Request) -> Response {
        self.connect().exchange(request)
    }

    /// A plain GET on a new connection.
    #[track_caller]
    pub fn get(&self, target: impl Into<String>) -> Response {
        self.exchange(&Request::get(target))
    }

    /// A session with a fresh id below `base`.
    pub fn session(&self, base: &str) -> Session {
        Session::new(self.address, base)
    }

    /// A new WebSocket after its handshake.
    #[track_caller]
    pub fn websocket(&self, path: impl Into<String>) -> WebSocket {
        WebSocket::open(self.address, path)
    }

    /// A new WebSocket session below `base`, its `o` read.
    #[track_caller]
    pub fn websocket_session(&self, base: &str) -> WebSocket {
        WebSocket::open_session(self.address, self.session(base).target("websocket"))
    }

    /// Asks the server to end, by SIGTERM.
    pub fn terminate(&self) {
        self.is_asked_to_end.store(true, Ordering::Relaxed);
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(status.is_ok_and(|status| status.success()), "cannot signal the server");
    }

    fn wait(&mut self) -> Option<ExitStatus> {
        let deadline = Instant::now() + SHUTDOWN;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("the child can be waited for") {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.kill();
            eprintln!("stderr of the server:\n{}", text_of(&self.stderr));
            return;
        }
        let mut died = None;
        if !self.is_asked_to_end.load(Ordering::Relaxed) {
            died = self.child.try_wait().expect("the child can be waited for");
            if died.is_none() {
                self.terminate();
            }
        }
        let status = self.wait();
        if status.is_none() {
            self.kill();
        }
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        let stderr = text_of(&self.stderr);
        assert!(died.is_none(), "the server died: {died:?}\n{stderr}");
        let code = status.and_then(|status| status.code());
        assert_eq!(code, Some(0), "exit code after SIGTERM, {status:?}\n{stderr}");
        assert!(!stderr.contains(&fresh_id_prefix()), "the server shows session ids:\n{stderr}");
        assert!(self.may_panic || !stderr.contains("panicked"), "the server panicked:\n{stderr}");
    }
}

fn collect(mut from: impl Read + Send + 'static, into: Arc<Mutex<String>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count) = from.read(&mut buffer) {
            let Some(bytes @ [_, ..]) = buffer.get(..count) else { break };
            let text = String::from_utf8_lossy(bytes);
            into.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
        }
    })
}

fn text_of(stderr: &Mutex<String>) -> String {
    stderr.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
