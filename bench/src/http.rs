//! HTTP/1.1 as a client needs it here: requests, and responses read piece by piece.

use memchr::memchr;

use crate::Result;
use crate::text::show;

/// Appends a request.
pub(crate) fn request(method: &str, host: &str, path: &str, body: &[&[u8]], out: &mut Vec<u8>) {
    let length: usize = body.iter().map(|part| part.len()).sum();
    for part in [method, " ", path, " HTTP/1.1\r\nHost: ", host, "\r\nOrigin: http://", host] {
        out.extend_from_slice(part.as_bytes());
    }
    // As pages do: a poll has no body, and so no type of it.
    if length > 0 {
        out.extend_from_slice(b"\r\nContent-Type: text/plain");
    }
    if method == "POST" {
        out.extend_from_slice(format!("\r\nContent-Length: {length}").as_bytes());
    }
    out.extend_from_slice(b"\r\n\r\n");
    body.iter().for_each(|part| out.extend_from_slice(part));
}

/// Reads the responses of one connection, one after the other.
#[derive(Debug, Default)]
pub(crate) enum Decoder {
    #[default]
    Head,
    /// So many bytes of body are left.
    Sized(usize),
    ChunkHead,
    /// So many bytes of chunk are left, its final line break among them.
    Chunk(usize),
    Trailer,
}

impl Decoder {
    /// Reads as much as there is, up to the end of a response. Returns how much that was, and
    /// whether a response ended there.
    pub(crate) fn decode(&mut self, input: &[u8], body: &mut Vec<u8>) -> Result<(usize, bool)> {
        let mut at = 0;
        loop {
            let rest = &input[at..];
            match self {
                Self::Head => {
                    let Some((length, next)) = read_head(rest)? else { return Ok((at, false)) };
                    at += length;
                    *self = next;
                }
                Self::Sized(left) => {
                    let count = rest.len().min(*left);
                    body.extend_from_slice(&rest[..count]);
                    at += count;
                    *left -= count;
                    if *left > 0 {
                        return Ok((at, false));
                    }
                    *self = Self::Head;
                    return Ok((at, true));
                }
                Self::ChunkHead => {
                    let Some(end) = memchr(b'\n', rest) else { return Ok((at, false)) };
                    let line = str::from_utf8(&rest[..end])?.trim_end();
                    let size = line.split(';').next().unwrap_or_default().trim_end();
                    let size = usize::from_str_radix(size, 16)?;
                    at += end + 1;
                    *self = if size == 0 { Self::Trailer } else { Self::Chunk(size + 2) };
                }
                Self::Chunk(left) => {
                    let count = rest.len().min(*left);
                    let of_body = rest.len().min(left.saturating_sub(2));
                    body.extend_from_slice(&rest[..of_body]);
                    at += count;
                    *left -= count;
                    if *left > 0 {
                        return Ok((at, false));
                    }
                    *self = Self::ChunkHead;
                }
                Self::Trailer => {
                    let Some(end) = memchr(b'\n', rest) else { return Ok((at, false)) };
                    at += end + 1;
                    if matches!(&rest[..end], b"" | b"\r") {
                        *self = Self::Head;
                        return Ok((at, true));
                    }
                }
            }
        }
    }
}

/// Reads a head, if it is complete: its length, and how its body comes.
fn read_head(input: &[u8]) -> Result<Option<(usize, Decoder)>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = response.parse(input)? else { return Ok(None) };
    let body = match response.code {
        Some(204) => Decoder::Sized(0),
        Some(200) => read_framing(response.headers)?,
        _ => return Err(format!("refused: {}", show(input)).into()),
    };
    Ok(Some((length, body)))
}

fn read_framing(headers: &[httparse::Header<'_>]) -> Result<Decoder> {
    for header in headers {
        if header.name.eq_ignore_ascii_case("content-length") {
            return Ok(Decoder::Sized(str::from_utf8(header.value)?.trim().parse()?));
        }
        if header.name.eq_ignore_ascii_case("transfer-encoding") {
            return Ok(Decoder::ChunkHead);
        }
    }
    Err("a response has neither a length nor chunks".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
        2\r\no\n\r\nB\r\na[\"\r\n\r\nb\"]\n\r\n0\r\n\r\n";
    const SHORT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    #[test]
    fn pieces_make_no_difference() {
        let input = [STREAM, SHORT].concat();
        for piece in 1..input.len() {
            let (mut decoder, mut body, mut ends) = (Decoder::default(), Vec::new(), 0);
            let mut waiting = Vec::new();
            for bytes in input.chunks(piece) {
                waiting.extend_from_slice(bytes);
                loop {
                    let (taken, ended) = decoder.decode(&waiting, &mut body).unwrap();
                    waiting.drain(..taken);
                    ends += usize::from(ended);
                    if !ended {
                        break;
                    }
                }
            }
            assert_eq!((ends, body.as_slice()), (2, &b"o\na[\"\r\n\r\nb\"]\nok"[..]));
        }
    }

    #[test]
    fn refusals_are_errors() {
        let refusal = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
        assert!(Decoder::default().decode(refusal, &mut Vec::new()).is_err());
    }
}
