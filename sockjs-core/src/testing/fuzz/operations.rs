//! Lists of operations made of bytes.

use super::super::{Op, Sim, World};

/// Longer lists find nothing that shorter ones do not, and run fewer.
const MAX_OPS: usize = 64;

/// Does the operations that the bytes stand for; every invariant is checked after each of them.
/// There is no transcript: [`run`](super::super::run) gives it for the same
/// [`operations_of`] the bytes.
///
/// # Panics
/// If an invariant is broken.
pub fn operations(data: &[u8]) {
    let (world, ops) = operations_of(data);
    let mut sim = Sim::tight(world);
    sim.keep_transcript(false);
    for (number, op) in ops.iter().enumerate() {
        sim.apply(number, op);
    }
    sim.leave();
}

/// The operations that the bytes stand for, a few for each: any bytes stand for some.
pub fn operations_of(data: &[u8]) -> (World, Vec<Op>) {
    let mut bytes = Bytes(data);
    let first = bytes.next();
    let world = World {
        writes: first & 1 == 0,
        tombstones: first & 2 == 0,
        total_bytes: if first & 4 == 0 { 700 } else { 100_000 },
    };
    let mut ops = Vec::new();
    while !bytes.0.is_empty() && ops.len() < MAX_OPS {
        ops.push(op(&mut bytes));
    }
    (world, ops)
}

fn op(bytes: &mut Bytes<'_>) -> Op {
    let first = bytes.next();
    // Five bits say what, three say for whom.
    let (which, bit) = (usize::from(first >> 5), first & 0x20 == 0);
    let (client, session, id) = (which, which, first >> 6);
    match first & 0x1f {
        0..=4 => Op::Receive { id, transport: usize::from(first & 0x1f) },
        5 => Op::Websocket { raw: bit },
        6 | 7 => {
            let texts = (0..bytes.next() % 4).map(|_| bytes.text()).collect();
            Op::Post { id, jsonp: bit, texts }
        }
        8 => Op::Broken { id },
        9 => Op::Foreign { id, other: bit },
        10 => Op::Message { client, text: bytes.text() },
        11 => Op::Binary { client },
        12 => Op::Pong { client },
        13..=16 => Op::Written { client: usize::from(first & 0x1f) - 13 + which },
        17 => Op::Lost { client: which / 2, all: bit },
        18 => Op::Gone { client: which / 2, closed: bit },
        19..=22 => Op::Send { session, text: bytes.text() },
        23 => Op::Recv { session },
        24 => Op::RecvMany { session, more: which },
        25 => Op::Close { session },
        26 => Op::Panic { session },
        27 | 28 => Op::Advance { millis: bytes.time() },
        29 => Op::Sleep { millis: bytes.time() },
        30 => Op::Timeout,
        _ if which == 0 => Op::Shutdown,
        _ => Op::Advance { millis: which as u64 },
    }
}

/// Bytes that end in zeroes without an end.
struct Bytes<'d>(&'d [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// Up to 42 seconds.
    fn time(&mut self) -> u64 {
        let tenths = u64::from(self.next());
        tenths * tenths * 2 / 3
    }

    /// As the bytes say it, or long and dull.
    fn text(&mut self) -> String {
        let first = self.next();
        let count = usize::from(first & 0x3f);
        match first >> 6 {
            0 | 1 => {
                let (text, rest) = self.0.split_at(count.min(self.0.len()));
                self.0 = rest;
                String::from_utf8_lossy(text).into_owned()
            }
            2 => "x".repeat(4 * count),
            _ => "\u{1}".repeat(count),
        }
    }
}
