//! Finds the ends of requests in the bytes that arrive, and what hyper hides about their heads.
//!
//! hyper drops the Content-Length of a request that also has Transfer-Encoding, so a service
//! cannot refuse the pair as PROTOCOL §8 wants; the raw head can tell. To know which head a
//! line belongs to, bytes go to hyper at most one request at a time, which keeps the next one out
//! of hyper's buffer too. No second parser is needed: a head ends in an empty line, and a body
//! without Transfer-Encoding has the length that the head gives; whatever else Content-Length
//! says there, hyper refuses. Only after a head with Transfer-Encoding the ends are uncertain. Then
//! every empty line is a cut, which fits the ends of chunked bodies and of heads and harms nobody
//! elsewhere, until hyper makes the next request and so tells what the last cut was.

/// Where in the stream of one connection's requests the next byte is. The same bytes give the
/// same result in one piece and byte by byte.
pub(super) struct Scanner {
    /// Bytes of a body that are still to come.
    body_left: u64,
    line: Line,
    /// Whether something other than empty lines came since the last cut.
    begun: bool,
    content_length: Option<u64>,
    transfer_encoding: bool,
    /// The last piece ended here; the next byte starts anew.
    cut: bool,
    /// Whether lines are those of heads, and not perhaps of a chunked body.
    certain: bool,
}

#[derive(Clone, Copy)]
enum Line {
    Start,
    /// At the line's start, a carriage return.
    Return,
    /// This much of a name has come.
    Name(Field, usize),
    Length,
    Rest,
}

#[derive(Clone, Copy)]
enum Field {
    ContentLength,
    TransferEncoding,
}

impl Field {
    /// As nearly all clients spell it.
    const fn name(self) -> &'static [u8] {
        match self {
            Self::ContentLength => b"Content-Length:",
            Self::TransferEncoding => b"Transfer-Encoding:",
        }
    }
}

impl Scanner {
    pub(super) const fn new() -> Self {
        Self {
            body_left: 0,
            line: Line::Start,
            begun: false,
            content_length: None,
            transfer_encoding: false,
            cut: false,
            certain: true,
        }
    }

    /// How many of these bytes may go to hyper in one piece: none of no bytes, otherwise at
    /// least one.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> usize {
        if self.cut {
            *self = Self { body_left: self.body_left, certain: self.certain, ..Self::new() };
        }
        let (mut line, mut at) = (self.line, 0);
        while let Some(&byte) = bytes.get(at) {
            if self.body_left > 0 {
                let left = bytes.len() - at;
                let taken = usize::try_from(self.body_left).unwrap_or(usize::MAX).min(left);
                self.body_left -= taken as u64;
                self.cut = self.body_left == 0;
                at += taken;
                break;
            }
            at += 1;
            line = match (line, byte) {
                (Line::Start | Line::Return, b'\n') => {
                    line = Line::Start;
                    if self.end() {
                        break;
                    }
                    line
                }
                (_, b'\n') => Line::Start,
                (Line::Start, b'\r') => Line::Return,
                (Line::Start, b'c' | b'C') => self.name(Field::ContentLength, 0, bytes, &mut at),
                (Line::Start, b't' | b'T') => self.name(Field::TransferEncoding, 0, bytes, &mut at),
                (Line::Name(field, matched), _) => self.name(field, matched, bytes, &mut at),
                (Line::Length, _) => {
                    let rest = bytes.get(at - 1..).unwrap_or_default();
                    let value = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
                    let digits = value.iter().filter(|byte| byte.is_ascii_digit());
                    let so_far = self.content_length.unwrap_or(0);
                    self.content_length = Some(digits.fold(so_far, |length, digit| {
                        length.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
                    }));
                    at += value.len() - 1;
                    Line::Length
                }
                (Line::Start | Line::Return | Line::Rest, _) => {
                    self.begun = true;
                    // Most bytes of a head are here.
                    let rest = bytes.get(at..).unwrap_or_default();
                    let end = memchr::memchr(b'\n', rest);
                    at += end.map_or(rest.len(), |end| end + 1);
                    if end.is_some() { Line::Start } else { Line::Rest }
                }
            };
        }
        self.line = line;
        at
    }

    /// hyper has made a request of what was last handed out; its body has this length, or is
    /// chunked.
    pub(super) fn expect_body(&mut self, length: Option<u64>) {
        if !self.certain || self.transfer_encoding {
            self.body_left = length.unwrap_or(0);
            self.certain = length.is_some();
        }
    }

    /// Whether the head last handed out tells all of its body by itself, or has none: then nothing is to be
    /// [expected](Self::expect_body), and there are no two lengths.
    pub(super) fn is_plain(&self) -> bool {
        self.certain && !self.transfer_encoding
    }

    /// Whether the head last handed out has both headers that tell of a body.
    pub(super) fn has_two_lengths(&self) -> bool {
        self.transfer_encoding && self.content_length.is_some()
    }

    /// Whether a head has surely begun and not ended.
    pub(super) fn is_mid_head(&self) -> bool {
        self.certain && self.begun && !self.cut && self.body_left == 0
    }

    /// After an empty line: whether the piece ends here.
    fn end(&mut self) -> bool {
        if !self.begun {
            return false;
        }
        if self.certain {
            self.body_left = self.content_length.unwrap_or(0);
        }
        self.cut = self.body_left == 0;
        self.cut
    }

    /// As much of a name as is there, whose next byte stands before `at`.
    fn name(&mut self, field: Field, matched: usize, bytes: &[u8], at: &mut usize) -> Line {
        self.begun = true;
        let wanted = field.name().get(matched..).unwrap_or_default();
        let there = bytes.get(*at - 1..).unwrap_or_default();
        // Most names that begin alike have no colon where this one ends.
        if there.get(wanted.len().saturating_sub(1)).is_some_and(|end| *end != b':') {
            return Line::Rest;
        }
        let most = wanted.len().min(there.len());
        let (there, name) =
            (there.get(..most).unwrap_or_default(), wanted.get(..most).unwrap_or_default());
        if there != name && !there.eq_ignore_ascii_case(name) {
            return Line::Rest;
        }
        *at += most - 1;
        match field {
            _ if most < wanted.len() => Line::Name(field, matched + most),
            Field::ContentLength => {
                // hyper wants every one of several to say the same.
                self.content_length = Some(0);
                Line::Length
            }
            Field::TransferEncoding => {
                self.transfer_encoding = true;
                Line::Rest
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used)]
mod tests {
    use super::Scanner;

    /// The pieces of an input that comes in steps. As hyper would, tells of each request's body.
    fn pieces(input: &[u8], step: usize) -> (Vec<String>, Scanner) {
        let mut scanner = Scanner::new();
        let (mut out, mut piece) = (Vec::new(), Vec::new());
        for mut bytes in input.chunks(step) {
            while !bytes.is_empty() {
                let taken = scanner.scan(bytes);
                piece.extend_from_slice(&bytes[..taken]);
                bytes = &bytes[taken..];
                if scanner.cut {
                    let text = String::from_utf8(std::mem::take(&mut piece)).unwrap();
                    if text.contains("HTTP/1.1") {
                        let length = (!text.contains("chunked")).then(|| {
                            text.split_once("Length: ").map_or(0, |(_, rest)| {
                                rest.split_once("\r\n").unwrap().0.parse().unwrap()
                            })
                        });
                        scanner.expect_body(length);
                    }
                    out.push(text);
                }
            }
        }
        out.push(String::from_utf8(piece).unwrap());
        (out, scanner)
    }

    fn agree(input: &str) -> (Vec<String>, Scanner) {
        let whole = pieces(input.as_bytes(), input.len());
        for step in 1..input.len() {
            let stepwise = pieces(input.as_bytes(), step);
            assert_eq!(stepwise.1.is_mid_head(), whole.1.is_mid_head(), "in steps of {step}");
            assert_eq!(stepwise.1.has_two_lengths(), whole.1.has_two_lengths());
            assert_eq!(stepwise.0, whole.0, "in steps of {step}");
        }
        whole
    }

    #[test]
    fn a_piece_is_a_request() {
        let requests = [
            "\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\ncontent-Length: 5\r\n\r\na\n\n\r\n",
            "GET / HTTP/1.1\r\nx: content-length: 4\r\nContent-Lengths: 1\r\n\n",
            "GET / HTTP/1.1\n\n",
            "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length:\t\t12 \r\nCookie: x\r\n\r\n123456789012",
            "GET /\rn",
        ];
        let (pieces, scanner) = agree(&requests.concat());
        assert_eq!(pieces, requests);
        assert!(scanner.is_mid_head());
    }

    #[test]
    fn after_a_chunked_body_requests_are_pieces_again() {
        let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        let sized = "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n";
        let data = "1B\r\n\r\nContent-Length: 1000\r\n\r\nx\r\n0\r\n\r\n";
        let (pieces, scanner) =
            agree(&[chunked, data, chunked, data, sized, "1\n\n", sized, "abc", chunked].concat());
        assert_eq!(
            pieces[pieces.len() - 6..],
            [chunked_end(), sized, "1\n\n", &[sized, "abc"].concat(), chunked, ""]
        );
        assert!(!scanner.has_two_lengths());
    }

    fn chunked_end() -> &'static str {
        "x\r\n0\r\n\r\n"
    }

    #[test]
    fn two_lengths_are_seen_in_either_order() {
        let (length, encoding) = ("Content-LENGTH:1\r\n", "TRANSFER-encoding: chunked\r\n");
        for fields in [[length, encoding], [encoding, length]] {
            let head = format!("POST / HTTP/1.1\r\n{}\r\n", fields.concat());
            assert!(agree(&head).1.has_two_lengths());
        }
        for field in [length, encoding] {
            assert!(!agree(&format!("GET / HTTP/1.1\r\n{field}\r\n")).1.has_two_lengths());
        }
    }
}
