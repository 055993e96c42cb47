//! The transports and their table (PROTOCOL §4).

use bytes::{BufMut, BytesMut};
use http::HeaderValue;
use serde::{Deserialize, Serialize};

use super::callback::Callback;
use crate::tally::Kind;

/// A way for frames to reach a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// A WebSocket with SockJS framing.
    Websocket,
    /// A WebSocket without any framing.
    RawWebsocket,
    /// One frame a response, by `POST`.
    Xhr,
    /// A streamed response, by `POST`.
    XhrStreaming,
    /// Server-sent events.
    EventSource,
    /// A streamed page of scripts in a hidden iframe.
    HtmlFile,
    /// One frame a response, as a script.
    Jsonp,
}

impl Transport {
    /// All of them, in the order of the protocol's table.
    pub const ALL: [Self; 7] = [
        Self::Websocket,
        Self::RawWebsocket,
        Self::Xhr,
        Self::XhrStreaming,
        Self::EventSource,
        Self::HtmlFile,
        Self::Jsonp,
    ];

    /// The name in paths, but `websocket-raw` for the path that carries no framing.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Websocket => "websocket",
            Self::RawWebsocket => "websocket-raw",
            Self::Xhr => "xhr",
            Self::XhrStreaming => "xhr_streaming",
            Self::EventSource => "eventsource",
            Self::HtmlFile => "htmlfile",
            Self::Jsonp => "jsonp",
        }
    }

    /// Whether the transport is a WebSocket: one connection for both directions and for the whole
    /// session.
    pub const fn is_websocket(self) -> bool {
        matches!(self, Self::Websocket | Self::RawWebsocket)
    }

    /// Whether a response carries one frame and then ends.
    pub const fn is_one_frame(self) -> bool {
        matches!(self, Self::Xhr | Self::Jsonp)
    }

    /// Whether messages of bytes can be carried.
    pub const fn carries_binary(self) -> bool {
        matches!(self, Self::RawWebsocket)
    }

    /// Whether the transport takes its callback's name from the query.
    pub(crate) const fn wants_callback(self) -> bool {
        matches!(self, Self::HtmlFile | Self::Jsonp)
    }

    /// `Content-Type` of responses; WebSockets have none.
    pub(crate) fn content_type(self) -> Option<HeaderValue> {
        const SCRIPT: HeaderValue =
            HeaderValue::from_static("application/javascript; charset=UTF-8");
        const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
        const PAGE: HeaderValue = HeaderValue::from_static("text/html; charset=UTF-8");
        match self {
            Self::Websocket | Self::RawWebsocket => None,
            Self::Xhr | Self::XhrStreaming | Self::Jsonp => Some(SCRIPT),
            Self::EventSource => Some(EVENTS),
            Self::HtmlFile => Some(PAGE),
        }
    }

    /// Whether responses have a prelude: those that stream do.
    pub(crate) const fn has_prelude(self) -> bool {
        matches!(self, Self::XhrStreaming | Self::EventSource | Self::HtmlFile)
    }

    /// Appends what precedes the first frame.
    pub(crate) fn write_prelude(self, callback: Option<&Callback>, out: &mut BytesMut) {
        match self {
            Self::XhrStreaming => {
                out.put_bytes(b'h', 2048);
                out.put_u8(b'\n');
            }
            Self::EventSource => out.put_slice(b"\r\n"),
            Self::HtmlFile => write_page_head(callback, out),
            Self::Websocket | Self::RawWebsocket | Self::Xhr | Self::Jsonp => {}
        }
    }

    /// Appends the frame that `write_frame` writes, wrapped as the transport has it.
    pub(crate) fn wrap(
        self,
        callback: Option<&Callback>,
        out: &mut BytesMut,
        write_frame: impl FnOnce(&mut BytesMut),
    ) {
        match self {
            Self::Websocket | Self::RawWebsocket => write_frame(out),
            Self::Xhr | Self::XhrStreaming => {
                write_frame(out);
                out.put_u8(b'\n');
            }
            Self::EventSource => {
                out.put_slice(b"data: ");
                // Its client runs `decodeURI` over each message: `%41` must arrive as it is.
                write_escaped(out, write_frame, [b'%'; 3], |_| b"%25");
                out.put_slice(b"\r\n\r\n");
            }
            Self::HtmlFile => {
                out.put_slice(b"<script>\np(\"");
                write_escaped(out, write_frame, *b"\"\\<", escape);
                out.put_slice(b"\");\n</script>\r\n");
            }
            Self::Jsonp => {
                out.put_slice(b"/**/");
                out.put_slice(callback.map_or(&b""[..], Callback::as_bytes));
                out.put_slice(b"(\"");
                write_escaped(out, write_frame, *b"\"\\\\", escape);
                out.put_slice(b"\");\r\n");
            }
        }
    }
}

impl Kind for Transport {
    type Counts = [u64; Self::ALL.len()];

    const ALL: &'static [Self] = &Self::ALL;

    fn index(self) -> usize {
        self as usize
    }

    fn name(self) -> &'static str {
        self.name()
    }
}

impl std::fmt::Display for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Appends a frame and then escapes these bytes in it, in their place: from its end to its start,
/// so that nothing is overwritten that is still to be moved.
fn write_escaped(
    out: &mut BytesMut,
    write_frame: impl FnOnce(&mut BytesMut),
    [a, b, c]: [u8; 3],
    escape: impl Fn(u8) -> &'static [u8],
) {
    let start = out.len();
    write_frame(out);
    let frame = out.get(start..).unwrap_or_default();
    let special = memchr::memchr3_iter(a, b, c, frame).filter_map(|at| frame.get(at));
    let added: usize = special.map(|byte| escape(*byte).len() - 1).sum();
    let mut read = out.len();
    out.put_bytes(0, added);
    let mut written = out.len();
    while written > read
        && let Some(frame) = out.get(start..read)
        && let Some(at) = memchr::memrchr3(a, b, c, frame).map(|at| start + at)
        && let Some(byte) = out.get(at).copied()
    {
        let run = read - (at + 1);
        out.copy_within(at + 1..read, written - run);
        let escaped = escape(byte);
        written -= run + escaped.len();
        if let Some(place) = out.get_mut(written..written + escaped.len()) {
            place.copy_from_slice(escaped);
        }
        read = at;
    }
}

/// How a byte of a frame stands in a JavaScript string. A frame is JSON, as we write it: nothing
/// else in it is left to be escaped.
fn escape(byte: u8) -> &'static [u8] {
    match byte {
        b'"' => b"\\\"",
        b'<' => b"\\u003c",
        _ => b"\\\\",
    }
}

const PAGE_HEAD_BEFORE_CALLBACK: &[u8] = b"<!doctype html>
<html><head>
  <meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\" />
  <meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\" />
</head><body><h2>Don't panic!</h2>
  <script>
    document.domain = document.domain;
    var c = parent.";

const PAGE_HEAD_AFTER_CALLBACK: &[u8] = b";
    c.start();
    function p(d) {c.message(d);};
    window.onload = function() {c.stop();};
  </script>
";

/// Old browsers run scripts of a page only after its first 1024 bytes.
const PAGE_HEAD_MIN_BYTES: usize = 1024;

fn write_page_head(callback: Option<&Callback>, out: &mut BytesMut) {
    let start = out.len();
    out.put_slice(PAGE_HEAD_BEFORE_CALLBACK);
    out.put_slice(callback.map_or(&b""[..], Callback::as_bytes));
    out.put_slice(PAGE_HEAD_AFTER_CALLBACK);
    let written = out.len() - start;
    out.put_bytes(b' ', (PAGE_HEAD_MIN_BYTES + 1).saturating_sub(written));
    out.put_slice(b"\r\n\r\n");
}

/// A set of transports: those that a service offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransportSet(u8);

impl TransportSet {
    /// Every transport.
    pub const fn all() -> Self {
        Self(0x7f)
    }

    /// No transport.
    pub const fn none() -> Self {
        Self(0)
    }

    /// The set with `transport` in it.
    #[must_use]
    pub const fn with(self, transport: Transport) -> Self {
        Self(self.0 | Self::bit(transport))
    }

    /// The set without `transport`. The raw WebSocket path goes with the WebSocket transport.
    #[must_use]
    pub const fn without(self, transport: Transport) -> Self {
        let mut left = self.0 & !Self::bit(transport);
        if matches!(transport, Transport::Websocket) {
            left &= !Self::bit(Transport::RawWebsocket);
        }
        Self(left)
    }

    /// Whether `transport` is offered: the raw WebSocket path only if the framed one is.
    pub const fn contains(self, transport: Transport) -> bool {
        let framed = match transport {
            Transport::RawWebsocket => self.0 & Self::bit(Transport::Websocket) != 0,
            _ => true,
        };
        framed && self.0 & Self::bit(transport) != 0
    }

    /// Whether `xhr_send` is offered: off only when every transport that sends through it is.
    pub(crate) fn offers_xhr_send(self) -> bool {
        use Transport::{EventSource, HtmlFile, Xhr, XhrStreaming};
        [Xhr, XhrStreaming, EventSource, HtmlFile].into_iter().any(|t| self.contains(t))
    }

    const fn bit(transport: Transport) -> u8 {
        1 << transport as u8
    }
}

impl FromIterator<Transport> for TransportSet {
    fn from_iter<I: IntoIterator<Item = Transport>>(transports: I) -> Self {
        transports.into_iter().fold(Self::none(), Self::with)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::Message;
    use crate::wire::{frame, quote};

    fn wrapped(transport: Transport, frame: &str) -> String {
        let callback = Callback::parse(Some("c=cb"), transport).unwrap();
        let mut out = BytesMut::new();
        transport.wrap(callback.as_ref(), &mut out, |out| out.put_slice(frame.as_bytes()));
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn wrappings() {
        let frame = r#"a["<\u2028%41"]"#;
        assert_eq!(wrapped(Transport::Websocket, frame), frame);
        assert_eq!(wrapped(Transport::Xhr, frame), format!("{frame}\n"));
        assert_eq!(wrapped(Transport::XhrStreaming, frame), format!("{frame}\n"));
        assert_eq!(wrapped(Transport::EventSource, frame), "data: a[\"<\\u2028%2541\"]\r\n\r\n");
        assert_eq!(
            wrapped(Transport::HtmlFile, frame),
            "<script>\np(\"a[\\\"\\u003c\\\\u2028%41\\\"]\");\n</script>\r\n"
        );
        assert_eq!(wrapped(Transport::Jsonp, frame), "/**/cb(\"a[\\\"<\\\\u2028%41\\\"]\");\r\n");
    }

    proptest! {
        #[test]
        fn frames_are_escaped_as_strings_are(texts in prop::collection::vec("(?s)[a-c\"\\\\<%é\u{2028}]{0,8}", 0..5)) {
            let messages: Vec<_> = texts.into_iter().map(Message::text).collect();
            let mut frame = BytesMut::new();
            frame::write_messages(messages.iter(), usize::MAX, &mut frame);
            let frame = std::str::from_utf8(&frame).unwrap();
            for (transport, html, before) in
                [(Transport::HtmlFile, true, "<script>\np(\""), (Transport::Jsonp, false, "/**/cb(\"")]
            {
                let mut string = BytesMut::new();
                quote::escape(frame, html, &mut string);
                let string = std::str::from_utf8(&string).unwrap();
                let wrapped = wrapped(transport, frame);
                prop_assert!(wrapped.starts_with(&format!("{before}{string}\");")), "{wrapped}");
            }
            let percent = frame.replace('%', "%25");
            prop_assert_eq!(wrapped(Transport::EventSource, frame), format!("data: {percent}\r\n\r\n"));
        }
    }

    #[test]
    fn the_page_head_exceeds_1024_bytes() {
        for callback in ["c=x".to_owned(), format!("c={}", "x".repeat(64))] {
            let callback = Callback::parse(Some(&callback), Transport::HtmlFile).unwrap();
            let mut out = BytesMut::new();
            Transport::HtmlFile.write_prelude(callback.as_ref(), &mut out);
            assert_eq!(out.len(), 1025 + 4);
            assert!(out.ends_with(b" \r\n\r\n"));
        }
    }

    #[test]
    fn sets() {
        let set = TransportSet::all().without(Transport::Websocket);
        assert!(!set.contains(Transport::RawWebsocket));
        assert!(set.contains(Transport::Jsonp) && set.offers_xhr_send());
        let jsonp = TransportSet::none().with(Transport::Jsonp);
        assert!(!jsonp.offers_xhr_send());
        assert!(
            !TransportSet::none().with(Transport::RawWebsocket).contains(Transport::RawWebsocket)
        );
        assert!(Transport::ALL.into_iter().collect::<TransportSet>() == TransportSet::all());
    }
}
