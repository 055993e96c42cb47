//! What a client makes of the bytes: the inverse of PROTOCOL §4, written anew.

use crate::{FrameKind, Message, Transport};

/// A frame as a client understands it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// `o`
    Open,
    /// `h`
    Heartbeat,
    /// `a[…]`, or a message of the raw WebSocket path.
    Messages(Vec<Message>),
    /// `c[…]`
    Close(u16, String),
    /// A WebSocket ping.
    Ping,
    /// A WebSocket close.
    WebsocketClose(u16),
}

/// What precedes the first frame; the callback is `cb`.
pub fn prelude(transport: Transport) -> Option<Vec<u8>> {
    match transport {
        Transport::XhrStreaming => Some([&[b'h'; 2048][..], b"\n"].concat()),
        Transport::EventSource => Some(b"\r\n".to_vec()),
        Transport::HtmlFile => {
            let mut page = String::from(
                "<!doctype html>\n<html><head>\n  \
                 <meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\" />\n  \
                 <meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\" />\n\
                 </head><body><h2>Don't panic!</h2>\n  <script>\n    \
                 document.domain = document.domain;\n    var c = parent.cb;\n    c.start();\n    \
                 function p(d) {c.message(d);};\n    window.onload = function() {c.stop();};\n  \
                 </script>\n",
            );
            while page.len() <= 1024 {
                page.push(' ');
            }
            page.push_str("\r\n\r\n");
            Some(page.into_bytes())
        }
        _ => None,
    }
}

/// Length of the prelude in bytes.
fn prelude_bytes(transport: Transport) -> usize {
    match transport {
        Transport::XhrStreaming => 2049,
        Transport::EventSource => 2,
        Transport::HtmlFile => 1029,
        _ => 0,
    }
}

/// Takes the wrapping of a transport off; the callback is `cb`.
///
/// # Errors
/// If the bytes are not one wrapped frame.
pub fn unwrap(transport: Transport, bytes: &[u8]) -> Result<String, String> {
    let no_frame = || format!("no frame of {transport}: \"{}\"", bytes.escape_ascii());
    let text = std::str::from_utf8(bytes).map_err(|_| no_frame())?;
    let between = |start: &str, end: &str| {
        text.strip_prefix(start).and_then(|rest| rest.strip_suffix(end)).ok_or_else(no_frame)
    };
    let script = |inner: &str| {
        serde_json::from_str::<String>(&format!("\"{inner}\"")).map_err(|_| no_frame())
    };
    match transport {
        Transport::Websocket | Transport::RawWebsocket => Ok(text.to_owned()),
        Transport::Xhr | Transport::XhrStreaming => between("", "\n").map(str::to_owned),
        Transport::EventSource => {
            between("data: ", "\r\n\r\n").map(|inner| inner.replace("%25", "%"))
        }
        Transport::HtmlFile => between("<script>\np(\"", "\");\n</script>\r\n").and_then(script),
        Transport::Jsonp => between("/**/cb(\"", "\");\r\n").and_then(script),
    }
}

/// Reads one frame off its bytes.
///
/// # Errors
/// If the bytes are not one frame of the transport.
pub fn read(transport: Transport, kind: &FrameKind, bytes: &[u8]) -> Result<Frame, String> {
    match kind {
        FrameKind::Ping => return Ok(Frame::Ping),
        FrameKind::Close(reason) => return Ok(Frame::WebsocketClose(reason.websocket_code())),
        FrameKind::Binary => return Ok(Frame::Messages(vec![Message::binary(bytes.to_vec())])),
        FrameKind::Text if transport == Transport::RawWebsocket => {
            let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
            return Ok(Frame::Messages(vec![Message::text(text)]));
        }
        FrameKind::Text => {}
    }
    let frame = unwrap(transport, bytes)?;
    let no_frame = || format!("no frame: {frame:?}");
    match (frame.as_bytes().first(), frame.get(1..).unwrap_or_default()) {
        (Some(b'o'), "") => Ok(Frame::Open),
        (Some(b'h'), "") => Ok(Frame::Heartbeat),
        (Some(b'a'), json) => {
            let texts: Vec<String> = serde_json::from_str(json).map_err(|_| no_frame())?;
            if texts.is_empty() {
                return Err(no_frame());
            }
            Ok(Frame::Messages(texts.into_iter().map(Message::text).collect()))
        }
        (Some(b'c'), json) => {
            let (code, reason) = serde_json::from_str(json).map_err(|_| no_frame())?;
            Ok(Frame::Close(code, reason))
        }
        _ => Err(no_frame()),
    }
}

/// Reads the body of an HTTP response that arrives in pieces. A frame counts once it is complete,
/// as a browser has it: with its line end, its blank line, its script's end, or for jsonp when the
/// response has ended.
#[derive(Debug)]
pub struct Reader {
    transport: Transport,
    /// Bytes of the prelude still to come.
    prelude_bytes: usize,
    buffer: Vec<u8>,
}

impl Reader {
    /// Reads a response of that transport.
    pub fn new(transport: Transport) -> Self {
        Self { transport, prelude_bytes: prelude_bytes(transport), buffer: Vec::new() }
    }

    /// The frames that `bytes` complete.
    ///
    /// # Errors
    /// If they are no frames of the transport.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Frame>, String> {
        let skipped = self.prelude_bytes.min(bytes.len());
        self.prelude_bytes -= skipped;
        self.buffer.extend_from_slice(&bytes[skipped..]);
        let end: &[u8] = match self.transport {
            Transport::EventSource => b"\r\n\r\n",
            Transport::HtmlFile => b"</script>\r\n",
            Transport::Jsonp => return Ok(Vec::new()),
            _ => b"\n",
        };
        let (mut frames, mut start) = (Vec::new(), 0);
        while let Some(at) = memchr::memmem::find(&self.buffer[start..], end) {
            let whole = &self.buffer[start..start + at + end.len()];
            frames.push(read(self.transport, &FrameKind::Text, whole)?);
            start += at + end.len();
        }
        self.buffer.drain(..start);
        Ok(frames)
    }

    /// The response ended as it should. The frame that this completes, if any.
    ///
    /// # Errors
    /// If bytes are left that are no frame.
    pub fn finish(&mut self) -> Result<Option<Frame>, String> {
        if self.buffer.is_empty() {
            return Ok(None);
        }
        let rest = std::mem::take(&mut self.buffer);
        read(self.transport, &FrameKind::Text, &rest).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_count_when_they_are_complete() {
        for (transport, body) in [
            (Transport::Xhr, "a[\"x\"]\n"),
            (Transport::XhrStreaming, "a[\"x\"]\n"),
            (Transport::EventSource, "data: a[\"x\"]\r\n\r\n"),
            (Transport::HtmlFile, "<script>\np(\"a[\\\"x\\\"]\");\n</script>\r\n"),
            (Transport::Jsonp, "/**/cb(\"a[\\\"x\\\"]\");\r\n"),
        ] {
            let mut reader = Reader::new(transport);
            let whole = [prelude(transport).unwrap_or_default(), body.into()].concat();
            let mut frames = Vec::new();
            for (at, byte) in whole.iter().enumerate() {
                frames.extend(reader.feed(&[*byte]).unwrap());
                assert!(frames.is_empty() || at + 1 == whole.len(), "{transport} at {at}");
            }
            frames.extend(reader.finish().unwrap());
            assert_eq!(frames, [Frame::Messages(vec!["x".into()])], "{transport}");
        }
    }

    #[test]
    fn what_is_no_frame_is_told() {
        assert!(read(Transport::Xhr, &FrameKind::Text, b"a[]\n").is_err());
        assert!(read(Transport::Xhr, &FrameKind::Text, b"\xc3\xa9\n").is_err());
        assert!(read(Transport::Xhr, &FrameKind::Text, b"h").is_err());
        assert!(Reader::new(Transport::EventSource).feed(b"\r\nx\r\n\r\n").is_err());
    }
}
