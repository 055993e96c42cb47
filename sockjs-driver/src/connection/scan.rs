//! Finds the ends of request heads in the bytes that arrive, and what hyper hides about heads.
//!
//! hyper drops the Content-Length of a request that also has Transfer-Encoding, so a service
//! cannot refuse the pair as PROTOCOL.md §8 wants; the raw head can tell. To know which head a
//! line belongs to, bytes go to hyper at most one head or one body of known length at a time.
//! That keeps the next message out of hyper's buffer too. No second parser is needed: every head
//! and every chunked body ends in an empty line, and every head begins after one or after a body
//! whose length hyper tells. An empty line inside a chunked body cuts it once more, harmlessly.

use std::io::BufRead;

const CONTENT_LENGTH: &[u8] = b"content-length:";

/// Where in the stream of one connection's requests the next byte is. The same bytes give the
/// same result in one piece and byte by byte.
pub(super) struct Scanner {
    /// Bytes of a body that are still to come.
    body_left: u64,
    line: Line,
    /// Whether something other than empty lines came since the last cut.
    begun: bool,
    content_length: bool,
    /// The last piece ended here; the next byte starts anew.
    cut: bool,
}

enum Line {
    Start,
    /// At the line's start, a carriage return.
    Return,
    /// This many bytes of the name looked for.
    Name(usize),
    Rest,
}

impl Scanner {
    pub(super) const fn new() -> Self {
        Self { body_left: 0, line: Line::Start, begun: false, content_length: false, cut: false }
    }

    /// How many of these bytes may go to hyper in one piece: none of no bytes, otherwise at
    /// least one.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> usize {
        if self.cut {
            *self = Self { body_left: self.body_left, ..Self::new() };
        }
        if self.body_left > 0 {
            let taken = usize::try_from(self.body_left).unwrap_or(usize::MAX).min(bytes.len());
            self.body_left -= taken as u64;
            return taken;
        }
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            at += 1;
            self.line = match (&self.line, byte) {
                (Line::Start | Line::Return, b'\n') => {
                    self.cut = true;
                    return at;
                }
                (Line::Start, b'\r') => Line::Return,
                (Line::Name(_) | Line::Rest, b'\n') => Line::Start,
                (Line::Start, byte) => self.name(0, byte),
                (Line::Name(matched), byte) => self.name(*matched, byte),
                (Line::Return | Line::Rest, _) => {
                    self.begun = true;
                    // Most bytes of a head are here, and std searches them word by word.
                    let mut rest = bytes.get(at..).unwrap_or_default();
                    at += rest.skip_until(b'\n').unwrap_or_default();
                    match bytes.get(..at).and_then(<[u8]>::last) {
                        Some(b'\n') => Line::Start,
                        _ => Line::Rest,
                    }
                }
            };
        }
        bytes.len()
    }

    /// hyper has made a request of the head just scanned, whose body has this length if known.
    pub(super) fn expect_body(&mut self, length: Option<u64>) {
        self.body_left = length.unwrap_or(0);
    }

    /// Whether the head just scanned has a Content-Length.
    pub(super) fn has_content_length(&self) -> bool {
        self.content_length
    }

    /// Whether a head has begun and not ended. In a body of unknown length it says nothing.
    pub(super) fn is_mid_head(&self) -> bool {
        self.begun && !self.cut && self.body_left == 0
    }

    fn name(&mut self, matched: usize, byte: u8) -> Line {
        self.begun = true;
        if CONTENT_LENGTH.get(matched) != Some(&byte.to_ascii_lowercase()) {
            return Line::Rest;
        }
        if matched + 1 == CONTENT_LENGTH.len() {
            self.content_length = true;
            return Line::Rest;
        }
        Line::Name(matched + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::Scanner;

    fn pieces(input: &[u8], step: usize, bodies: &[Option<u64>]) -> Vec<(Vec<u8>, bool)> {
        let mut scanner = Scanner::new();
        let mut bodies = bodies.iter();
        let (mut out, mut piece) = (Vec::new(), Vec::new());
        for mut bytes in input.chunks(step) {
            while !bytes.is_empty() {
                let in_body = scanner.body_left > 0;
                let taken = scanner.scan(bytes);
                piece.extend_from_slice(&bytes[..taken]);
                bytes = &bytes[taken..];
                if scanner.cut {
                    out.push((std::mem::take(&mut piece), scanner.has_content_length()));
                    scanner.expect_body(bodies.next().copied().flatten());
                } else if in_body && scanner.body_left == 0 {
                    out.push((std::mem::take(&mut piece), false));
                }
            }
        }
        out.push((piece, scanner.is_mid_head()));
        out
    }

    #[test]
    fn one_piece_and_byte_by_byte_agree() {
        let input = b"\r\nPOST / HTTP/1.1\r\nHost: a\r\ncontent-LENGTH: 5\r\n\r\na\n\n\r\nGET / \
            HTTP/1.1\r\nx: content-length: 4\r\nContent-Lengths: 1\r\n\nGET /\rn";
        let bodies = [None, Some(5)];
        let whole = pieces(input, input.len(), &bodies);
        for step in 1..input.len() {
            assert_eq!(pieces(input, step, &bodies), whole, "in steps of {step}");
        }
        let flags: Vec<_> = whole.iter().map(|(_, flag)| *flag).collect();
        assert_eq!(flags, [false, true, false, false, true]);
        assert_eq!(whole[2].0, b"a\n\n\r\n");
        assert_eq!(whole[4].0, b"GET /\rn");
    }

    #[test]
    fn a_chunked_body_ends_in_a_cut() {
        let input = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n15\r\n\
            \r\nContent-Length: 1\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n";
        let whole = pieces(input, input.len(), &[]);
        assert_eq!(whole[whole.len() - 2], (b"GET / HTTP/1.1\r\n\r\n".to_vec(), false));
    }
}
