//! The whole driver, from the bytes that clients send to those that they get.

use std::time::Duration;

use sockjs_core::CloseReason;

use super::scene::Scene;
use crate::Runtime;
use crate::testing::Plug;

/// Connections at a time.
const CLIENTS: usize = 4;

/// Steps that are done; more find nothing that fewer do not.
const MAX_STEPS: usize = 64;

/// What clients ask for, in the order of a step's argument.
const RECEIVING: [&str; 8] = [
    "POST /echo/0/{id}/xhr",
    "POST /echo/0/{id}/xhr_streaming",
    "GET /echo/0/{id}/eventsource",
    "GET /echo/0/{id}/htmlfile?c=cb",
    "GET /echo/0/{id}/jsonp?c=cb",
    "GET /echo/0/{id}/websocket",
    "GET /echo/websocket",
    "GET /echo/info",
];

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// The bytes of one connection: however they are cut, the same is answered, and in the end nothing
/// is left. Only where a request's body comes after the answer that had no need of it, the
/// connection may close behind that.
///
/// # Panics
/// If it is not so.
pub fn requests(data: &[u8]) {
    // A head that comes in pieces is not looked at before its end, so that it must have one.
    let data = [data, b"\r\n\r\n"].concat();
    let whole = answer(&data, data.len());
    for piece_bytes in [1, 7] {
        let pieces = answer(&data, piece_bytes);
        let is_cut_short = pieces.is_ended && whole.lines.starts_with(&pieces.lines);
        assert!(
            is_cut_short || pieces == whole,
            "{pieces:?} in pieces of {piece_bytes}, {whole:?}"
        );
    }
}

/// What a client has in the end. Left out is what is not the same each time: dates, entropy, and how
/// a WebSocket's messages are gathered into frames.
#[derive(Debug, PartialEq)]
struct Answer {
    lines: Vec<String>,
    /// The server has closed the connection.
    is_ended: bool,
}

fn answer(data: &[u8], piece_bytes: usize) -> Answer {
    let scene = Scene::new();
    let plug = scene.connect();
    for piece in data.chunks(piece_bytes) {
        plug.send(piece);
        scene.world.settle();
    }
    scene.run_for(Duration::from_millis(100));
    let bytes = plug.receive();
    let text = String::from_utf8_lossy(&bytes);
    let http = text.split("HTTP/1.1 101").next().unwrap_or_default();
    let is_upgraded = http.len() < text.len();
    let varies = |line: &&str| {
        let starts = ["date: ", "content-length: ", "{\"websocket\":"];
        starts.iter().any(|start| line.starts_with(start))
    };
    let lines = http.lines().filter(|line| !varies(line)).map(str::to_owned).collect();
    let is_ended = plug.is_ended() && !is_upgraded;
    drop(plug);
    scene.end();
    Answer { lines, is_ended }
}

/// What several clients do, step by step, with time in between. Sessions end with an account that
/// adds up, and in the end nothing is left.
///
/// # Panics
/// If it is not so.
pub fn script(data: &[u8]) {
    let mut script = Script { scene: Scene::new(), clients: Default::default(), rest: data };
    for _ in 0..MAX_STEPS {
        if script.rest.is_empty() {
            break;
        }
        script.step();
    }
    script.clients = Default::default();
    script.scene.end();
}

struct Script<'d> {
    scene: Scene,
    clients: [Option<Plug>; CLIENTS],
    rest: &'d [u8],
}

impl Script<'_> {
    /// Two bits say who, three say what, three say how.
    fn step(&mut self) {
        let first = self.byte();
        let (who, argument) = (usize::from(first & 3), usize::from(first >> 5));
        match first >> 2 & 7 {
            0 => {
                let bytes = self.bytes();
                self.send(who, &bytes);
                // What comes next may come at the same time.
                if argument & 1 == 1 {
                    return;
                }
            }
            1 => {
                let request = receive_request(argument, self.byte() & 1);
                self.send(who, request.as_bytes());
            }
            2 => {
                let request = send_request(argument, self.byte() & 1, &self.bytes());
                self.send(who, &request);
            }
            3 => {
                let payload = self.bytes();
                self.send(who, &frame(argument, &payload));
            }
            4 => self.clients[who] = None,
            5 => self.client(who).stall(argument & 1 == 1),
            6 => {
                let tenths = u64::from(self.byte());
                self.scene.run_for(Duration::from_millis(tenths * tenths));
            }
            _ if argument == 0 => self.shut_down(),
            _ => self.client(who).receive().clear(),
        }
        self.scene.world.settle();
    }

    fn send(&mut self, who: usize, bytes: &[u8]) {
        self.client(who).send(bytes);
    }

    fn client(&mut self, who: usize) -> &Plug {
        self.clients[who].get_or_insert_with(|| self.scene.connect())
    }

    fn shut_down(&self) {
        let service = self.scene.service.clone();
        self.scene.world.spawn(Box::pin(async move {
            let patience = Duration::from_secs(5);
            service.shutdown(CloseReason::SERVER_GOING_AWAY, patience).await;
        }));
    }

    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        *first
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = usize::from(self.byte()).min(self.rest.len());
        let (bytes, rest) = self.rest.split_at(length);
        self.rest = rest;
        bytes.to_vec()
    }
}

fn receive_request(which: usize, id: u8) -> String {
    let line = RECEIVING[which].replace("{id}", &id.to_string());
    let more = if line.ends_with("/websocket") { UPGRADE } else { "" };
    format!("{line} HTTP/1.1\r\nHost: server\r\nContent-Length: 0\r\n{more}\r\n")
}

fn send_request(which: usize, id: u8, text: &[u8]) -> Vec<u8> {
    let path = if which & 1 == 0 { "xhr_send" } else { "jsonp_send" };
    let body = payload(text);
    let head = format!(
        "POST /echo/0/{id}/{path} HTTP/1.1\r\nHost: server\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
}

/// An array of one string.
fn payload(text: &[u8]) -> Vec<u8> {
    serde_json::to_vec(&[String::from_utf8_lossy(text)]).expect("a string")
}

/// A client's frame: messages of SockJS, or of any opcode.
fn frame(which: usize, bytes: &[u8]) -> Vec<u8> {
    let (opcode, bytes) = match which {
        0..=2 => (1, payload(bytes)),
        3 => (8, bytes.to_vec()),
        4 => (9, bytes.to_vec()),
        5 => (10, bytes.to_vec()),
        other => (other as u8 - 5, bytes.to_vec()),
    };
    let mut frame = vec![0x80 | opcode];
    match u8::try_from(bytes.len()) {
        Ok(length @ ..126) => frame.push(0x80 | length),
        _ => {
            frame.push(0x80 | 126);
            frame.extend((bytes.len() as u16).to_be_bytes());
        }
    }
    // A mask of zeroes leaves the payload as it is.
    frame.extend([0; 4]);
    frame.extend(bytes);
    frame
}
