//! Responses: heads as they came, and bodies with their chunk boundaries.

use std::fmt;

use super::Request;

/// A response head: headers in their order, none of them twice.
#[derive(Clone, Debug)]
pub struct Head {
    version: String,
    status: u16,
    headers: Vec<(String, String)>,
}

/// How a body's end is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    Empty,
    /// `Content-Length`.
    Length(usize),
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// The connection's end.
    UntilClose,
}

/// A complete response.
pub struct Response {
    line: String,
    head: Head,
    framing: Framing,
    chunks: Vec<Vec<u8>>,
    body: Vec<u8>,
}

impl Head {
    /// Reads a head, its empty line included.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let mut lines = text.trim_end_matches("\r\n").split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let (version, rest) = status_line.split_once(' ').unwrap_or_default();
        let status = rest.get(..3).and_then(|digits| digits.parse().ok());
        let Some(status) = status.filter(|_| version.starts_with("HTTP/1.")) else {
            return Err(format!("no status line: {status_line:?}"));
        };
        let mut head = Self { version: version.to_owned(), status, headers: Vec::new() };
        for line in lines {
            let Some((name, value)) = line.split_once(':') else {
                return Err(format!("no header line: {line:?}"));
            };
            if head.get(name).is_some() {
                return Err(format!("header {name:?} comes twice in\n{text}"));
            }
            head.headers.push((name.to_owned(), value.trim().to_owned()));
        }
        head.check_lengths()?;
        Ok(head)
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// A header's value; names compare without case.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// All headers in their order.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// Requires a status.
    #[track_caller]
    pub fn expect_status(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "status of\n{self}");
        self
    }

    /// Requires a header with exactly this value.
    #[track_caller]
    pub fn expect_header(&self, name: &str, value: &str) -> &Self {
        assert_eq!(self.get(name), Some(value), "{name} of\n{self}");
        self
    }

    /// Requires that a header is absent.
    #[track_caller]
    pub fn expect_no_header(&self, name: &str) -> &Self {
        assert_eq!(self.get(name), None, "{name} of\n{self}");
        self
    }

    /// How the body that follows is delimited.
    #[track_caller]
    pub fn framing(&self, request: &Request) -> Framing {
        if request.is_http10() {
            self.expect_no_header("Transfer-Encoding");
        }
        if request.is_head() || self.is_bodiless() {
            Framing::Empty
        } else if let Some(length) = self.get("Content-Length") {
            Framing::Length(length.parse().expect("checked by parse"))
        } else if self.get("Transfer-Encoding").is_some() {
            Framing::Chunked
        } else {
            assert!(request.is_http10(), "an answer of unknown length to HTTP/1.1:\n{self}");
            Framing::UntilClose
        }
    }

    fn is_bodiless(&self) -> bool {
        self.status < 200 || self.status == 204 || self.status == 304
    }

    fn check_lengths(&self) -> Result<(), String> {
        let length = self.get("Content-Length");
        let encoding = self.get("Transfer-Encoding");
        let digits = length.is_none_or(|value| value.parse::<usize>().is_ok());
        let known = encoding.is_none_or(|value| value.eq_ignore_ascii_case("chunked"));
        if !digits || !known || (length.is_some() && encoding.is_some()) {
            return Err(format!("confused lengths in\n{self}"));
        }
        if self.is_bodiless() && (length.is_some() || encoding.is_some()) {
            return Err(format!("the length of no body in\n{self}"));
        }
        Ok(())
    }
}

impl Response {
    pub(super) fn new(
        request: &Request,
        head: Head,
        framing: Framing,
        chunks: Vec<Vec<u8>>,
    ) -> Self {
        let body = chunks.concat();
        Self { line: request.line(), head, framing, chunks, body }
    }

    /// The head.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// How the body was delimited.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// The body's chunks as they came; a body of known length is one.
    pub fn chunks(&self) -> &[Vec<u8>] {
        &self.chunks
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as text.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_else(|error| panic!("{error} in\n{self}"))
    }

    /// A header's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.head.get(name)
    }

    /// Requires a status.
    #[track_caller]
    pub fn expect_status(&self, status: u16) -> &Self {
        assert_eq!(self.status(), status, "status of\n{self}");
        self
    }

    /// Requires a header with exactly this value.
    #[track_caller]
    pub fn expect_header(&self, name: &str, value: &str) -> &Self {
        assert_eq!(self.get(name), Some(value), "{name} of\n{self}");
        self
    }

    /// Requires that a header is absent.
    #[track_caller]
    pub fn expect_no_header(&self, name: &str) -> &Self {
        assert_eq!(self.get(name), None, "{name} of\n{self}");
        self
    }

    /// Requires exactly this body.
    #[track_caller]
    pub fn expect_body(&self, body: &str) -> &Self {
        assert_eq!(self.text(), body, "body of\n{self}");
        self
    }

    /// Requires this line as body; whether a line feed ends it is left open.
    #[track_caller]
    pub fn expect_line(&self, line: &str) -> &Self {
        assert_eq!(self.text().trim_end(), line, "body of\n{self}");
        self
    }
}

impl fmt::Display for Head {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{} {}", self.version, self.status)?;
        self.headers.iter().try_for_each(|(name, value)| writeln!(formatter, "{name}: {value}"))
    }
}

impl fmt::Display for Response {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = self.body.get(..500).unwrap_or(&self.body);
        writeln!(formatter, "{}\n{}", self.line, self.head)?;
        writeln!(formatter, "{} ({} bytes)", body.escape_ascii(), self.body.len())
    }
}
