//! PROTOCOL §4, the table of transports: what wraps a frame on which one.

use super::{Head, Request, quote};

/// The callback that [`Transport::request`] names.
pub const CALLBACK: &str = "_sockjs.on-1";

/// A transport that receives over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Polling.
    Xhr,
    /// Streaming.
    XhrStreaming,
    /// Server-sent events.
    Eventsource,
    /// A page of scripts in an iframe.
    Htmlfile,
    /// Polling by script elements.
    Jsonp,
}

impl Transport {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Xhr, Self::XhrStreaming, Self::Eventsource, Self::Htmlfile, Self::Jsonp];

    /// Those with one frame a response.
    pub const POLLING: [Self; 2] = [Self::Xhr, Self::Jsonp];

    /// Those with many.
    pub const STREAMING: [Self; 3] = [Self::XhrStreaming, Self::Eventsource, Self::Htmlfile];

    /// The last segment of the path.
    pub fn name(self) -> &'static str {
        match self {
            Self::Xhr => "xhr",
            Self::XhrStreaming => "xhr_streaming",
            Self::Eventsource => "eventsource",
            Self::Htmlfile => "htmlfile",
            Self::Jsonp => "jsonp",
        }
    }

    /// Whether a response carries one frame.
    pub fn is_polling(self) -> bool {
        Self::POLLING.contains(&self)
    }

    /// Whether its answers carry CORS headers.
    pub fn is_cors(self) -> bool {
        !matches!(self, Self::Htmlfile | Self::Jsonp)
    }

    /// A receive request for the session below `path`.
    pub fn request(self, path: &str) -> Request {
        let name = self.name();
        match self {
            Self::Xhr | Self::XhrStreaming => Request::post(format!("{path}/{name}")),
            Self::Eventsource => Request::get(format!("{path}/{name}")),
            Self::Htmlfile | Self::Jsonp => Request::get(format!("{path}/{name}?c={CALLBACK}")),
        }
    }

    /// `Content-Type` of its answers.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Xhr | Self::XhrStreaming | Self::Jsonp => "application/javascript; charset=UTF-8",
            Self::Eventsource => "text/event-stream",
            Self::Htmlfile => "text/html; charset=UTF-8",
        }
    }

    /// Checks what every answer with frames says in its head.
    #[track_caller]
    pub fn check_head(self, head: &Head) {
        head.expect_status(200).expect_header("Content-Type", self.content_type()).expect_header(
            "Cache-Control",
            "no-store, no-cache, no-transform, must-revalidate, max-age=0",
        );
        if self.is_polling() {
            head.expect_no_header("Transfer-Encoding");
        } else {
            head.expect_header("X-Accel-Buffering", "no");
        }
        if self == Self::Jsonp {
            head.expect_header("X-Content-Type-Options", "nosniff");
        }
    }

    /// Checks the bytes before the first frame.
    #[track_caller]
    pub fn check_prelude(self, bytes: &[u8]) {
        let shown = String::from_utf8_lossy(bytes);
        match self {
            Self::Xhr | Self::Jsonp => assert_eq!(shown, "", "prelude of {self:?}"),
            Self::XhrStreaming => assert_eq!(shown, "h".repeat(2048) + "\n"),
            Self::Eventsource => assert_eq!(shown, "\r\n"),
            Self::Htmlfile => check_page(&shown, CALLBACK),
        }
    }

    /// A frame as it stands on the wire.
    pub fn wrap(self, frame: &str) -> String {
        match self {
            Self::Xhr | Self::XhrStreaming => format!("{frame}\n"),
            Self::Eventsource => format!("data: {}\r\n\r\n", frame.replace('%', "%25")),
            Self::Htmlfile => {
                let string = quote(frame).replace('<', "\\u003c");
                format!("<script>\np({string});\n</script>\r\n")
            }
            Self::Jsonp => format!("/**/{CALLBACK}({});\r\n", quote(frame)),
        }
    }

    /// The frame in its wrapping; anything but the exact bytes fails the test.
    #[track_caller]
    pub fn unwrap(self, bytes: &[u8]) -> String {
        let text = std::str::from_utf8(bytes)
            .unwrap_or_else(|error| panic!("{error} in {}", bytes.escape_ascii()));
        let frame = self.inner(text).unwrap_or_else(|| panic!("no {self:?} frame: {text:?}"));
        assert_eq!(text, self.wrap(&frame), "wrapping of a {self:?} frame");
        frame
    }

    fn inner(self, text: &str) -> Option<String> {
        let string = match self {
            Self::Xhr | Self::XhrStreaming => return text.strip_suffix('\n').map(str::to_owned),
            Self::Eventsource => {
                let frame = text.strip_prefix("data: ")?.strip_suffix("\r\n\r\n")?;
                return Some(frame.replace("%25", "%"));
            }
            Self::Htmlfile => {
                text.strip_prefix("<script>\np(")?.strip_suffix(");\n</script>\r\n")?
            }
            Self::Jsonp => {
                text.strip_prefix(&format!("/**/{CALLBACK}("))?.strip_suffix(");\r\n")?
            }
        };
        serde_json::from_str(string).ok()
    }
}

/// The page that an htmlfile response begins with.
#[track_caller]
fn check_page(page: &str, callback: &str) {
    let head = format!(
        r#"<!doctype html>
<html><head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
</head><body><h2>Don't panic!</h2>
  <script>
    document.domain = document.domain;
    var c = parent.{callback};
    c.start();
    function p(d) {{c.message(d);}};
    window.onload = function() {{c.stop();}};
  </script>
"#
    );
    let (written, padding) = page.split_at_checked(head.len()).unwrap_or((page, ""));
    assert_eq!(written, head, "head of the htmlfile page");
    let spaces = padding.strip_suffix("\r\n\r\n").expect("the page head ends in an empty line");
    assert_eq!(spaces.trim_matches(' '), "", "padding of the htmlfile page");
    let padded_bytes = head.len() + spaces.len();
    assert!((1025..2048).contains(&padded_bytes), "a page head of {padded_bytes} bytes");
}
