//! A WebSocket echo with nothing in it but the handshake and the frames: read all that the socket
//! holds, turn it around, write once.
#![forbid(unsafe_code)]

use std::{env, io, process, thread};

use tungstenite::handshake::derive_accept_key;

/// What is read at a time.
const READ_BYTES: usize = 16 * 1024;

/// One connection of the echo, between its reads and writes.
pub struct Echo {
    input: Vec<u8>,
    filled: usize,
    is_upgraded: bool,
}

/// With `--end-with-input`, ends this process when its input does, and in order: a profile of its use is written at the end.
pub fn end_with_input() {
    if env::args().any(|argument| argument == "--end-with-input") {
        thread::spawn(|| {
            let _ = io::copy(&mut io::stdin(), &mut io::sink());
            process::exit(0)
        });
    }
}

/// The peer sent what a client must not.
#[derive(Debug)]
pub struct Broken;

impl Default for Echo {
    fn default() -> Self {
        Self { input: vec![0; READ_BYTES], filled: 0, is_upgraded: false }
    }
}

impl Echo {
    /// Where to read to.
    pub fn room(&mut self) -> &mut [u8] {
        if self.filled == self.input.len() {
            self.input.resize(self.filled * 2, 0);
        }
        &mut self.input[self.filled..]
    }

    /// So much was read: appends the answer to it. Says whether the peer stays.
    pub fn turn(&mut self, read: usize, output: &mut Vec<u8>) -> Result<bool, Broken> {
        self.filled += read;
        let mut at = 0;
        let mut stays = read > 0;
        if !self.is_upgraded {
            let Some(end) = find(&self.input[..self.filled], b"\r\n\r\n") else { return Ok(stays) };
            accept(&self.input[..end], output)?;
            self.is_upgraded = true;
            at = end + 4;
        }
        while let Some((length, is_close)) = echo(&mut self.input[at..self.filled], output)? {
            at += length;
            stays &= !is_close;
        }
        self.input.copy_within(at..self.filled, 0);
        self.filled -= at;
        Ok(stays)
    }
}

fn accept(head: &[u8], output: &mut Vec<u8>) -> Result<(), Broken> {
    let name = b"Sec-WebSocket-Key: ";
    let start = find(head, name).ok_or(Broken)? + name.len();
    let key = head[start..].split(|byte| *byte == b'\r').next().ok_or(Broken)?;
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(key)
    );
    output.extend_from_slice(head.as_bytes());
    Ok(())
}

/// Turns one frame around, if it is complete: its length, and whether it is a close.
fn echo(input: &mut [u8], output: &mut Vec<u8>) -> Result<Option<(usize, bool)>, Broken> {
    let [first, second, rest @ ..] = input else { return Ok(None) };
    if *second & 0x80 == 0 {
        return Err(Broken);
    }
    let (head, length) = match (*second & 0x7f, &rest) {
        (126, [a, b, ..]) => (2, usize::from(u16::from_be_bytes([*a, *b]))),
        (126, _) => return Ok(None),
        (127, _) => return Err(Broken),
        (length, _) => (0, usize::from(length)),
    };
    if rest.len() < head + 4 + length {
        return Ok(None);
    }
    output.extend_from_slice(&[*first, *second & 0x7f]);
    output.extend_from_slice(&rest[..head]);
    let mask = [rest[head], rest[head + 1], rest[head + 2], rest[head + 3]];
    let payload = &mut rest[head + 4..head + 4 + length];
    for four in payload.chunks_mut(4) {
        four.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    }
    output.extend_from_slice(payload);
    Ok(Some((2 + head + 4 + length, *first & 15 == 8)))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
