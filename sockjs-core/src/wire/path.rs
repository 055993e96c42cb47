//! The path grammar (PROTOCOL §1).

use std::ops::Range;

use http::Method;

use super::transport::{Transport, TransportSet};

/// Longest `{server}` and `{session}`, in bytes (DESIGN §5).
pub const MAX_ID_BYTES: usize = 128;

/// What a path below a service's prefix names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// The welcome line.
    Greeting,
    /// Capabilities.
    Info,
    /// The cross-domain iframe page.
    Iframe,
    /// A WebSocket without framing.
    RawWebsocket,
    /// A receiving transport of a session.
    Receive(Transport),
    /// A sending path of a session.
    Send(SendPath),
}

/// One of the two ways to send over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendPath {
    /// `xhr_send`.
    Xhr,
    /// `jsonp_send`.
    Jsonp,
}

/// The rest of `path` below `prefix`, if the prefix owns it: whole segments, case-sensitive.
pub fn below<'p>(prefix: &str, path: &'p str) -> Option<&'p str> {
    path.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Where the session's id stands in the path of a session's resource: the last segment but one.
pub(crate) fn session_id(path: &str) -> Range<usize> {
    let (ids, _) = split_last(path.as_bytes()).unwrap_or_default();
    let start = split_last(ids).map_or(ids.len(), |(before, _)| before.len() + 1);
    start..ids.len()
}

/// Whether what follows the prefix stands below `/{server}/{session}/`, be it known or not.
pub(crate) fn is_of_session(rest: &str) -> bool {
    let mut segments = segments(rest).skip(1);
    let ids = segments.next().is_some_and(is_id) && segments.next().is_some_and(is_id);
    ids && segments.next().is_some()
}

/// Segments, of which few are looked at: bytes one by one.
fn segments(path: &str) -> impl Iterator<Item = &[u8]> {
    path.as_bytes().split(|byte| *byte == b'/')
}

/// What stands before and behind the last slash.
fn split_last(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = memchr::memrchr(b'/', path)?;
    Some((path.get(..slash)?, path.get(slash + 1..)?))
}

impl Resource {
    /// Parses what follows the prefix. Ids are taken as they stand, undecoded.
    pub fn parse(rest: &str) -> Option<Self> {
        // From its end: there stands what most requests are told apart by.
        let Some((ids, name)) = split_last(rest.as_bytes()) else {
            return rest.is_empty().then_some(Self::Greeting);
        };
        match (split_last(ids), name) {
            (Some((server, session)), _) => {
                let server = server.strip_prefix(b"/").filter(|server| !server.contains(&b'/'))?;
                let are_ids = is_id(server) && is_id(session);
                if are_ids { Self::of_session(name) } else { None }
            }
            (None, _) if !ids.is_empty() => None,
            (None, b"") => Some(Self::Greeting),
            (None, b"info") => Some(Self::Info),
            (None, b"websocket") => Some(Self::RawWebsocket),
            (None, page) => is_iframe(page).then_some(Self::Iframe),
        }
    }

    fn of_session(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"websocket" => Self::Receive(Transport::Websocket),
            b"xhr" => Self::Receive(Transport::Xhr),
            b"xhr_streaming" => Self::Receive(Transport::XhrStreaming),
            b"eventsource" => Self::Receive(Transport::EventSource),
            b"htmlfile" => Self::Receive(Transport::HtmlFile),
            b"jsonp" => Self::Receive(Transport::Jsonp),
            b"xhr_send" => Self::Send(SendPath::Xhr),
            b"jsonp_send" => Self::Send(SendPath::Jsonp),
            _ => return None,
        })
    }

    /// Whether the transports that a service offers include this resource.
    pub fn is_offered(self, transports: TransportSet) -> bool {
        match self {
            Self::Greeting | Self::Info | Self::Iframe => true,
            Self::RawWebsocket => transports.contains(Transport::RawWebsocket),
            Self::Receive(transport) => transports.contains(transport),
            Self::Send(SendPath::Xhr) => transports.offers_xhr_send(),
            Self::Send(SendPath::Jsonp) => transports.contains(Transport::Jsonp),
        }
    }

    /// Whether the path is a WebSocket's.
    pub(crate) fn is_websocket(self) -> bool {
        matches!(self, Self::RawWebsocket | Self::Receive(Transport::Websocket))
    }

    /// Whether the path names a session.
    pub(crate) fn names_session(self) -> bool {
        matches!(self, Self::Receive(..) | Self::Send(..))
    }

    /// The methods that the resource takes, and how a 405 names them.
    fn methods(self) -> (&'static [Method], &'static str) {
        match self {
            Self::Greeting | Self::Iframe => (&[Method::GET, Method::HEAD], "GET, HEAD"),
            Self::Info => (&[Method::GET, Method::HEAD, Method::OPTIONS], "GET, HEAD, OPTIONS"),
            Self::Receive(Transport::Xhr | Transport::XhrStreaming) | Self::Send(SendPath::Xhr) => {
                (&[Method::POST, Method::OPTIONS], "OPTIONS, POST")
            }
            // `OPTIONS` is answered (PROTOCOL §2) though its 405 does not name it.
            Self::Receive(Transport::EventSource) => (&[Method::GET, Method::OPTIONS], "GET"),
            Self::Send(SendPath::Jsonp) => (&[Method::POST], "POST"),
            Self::RawWebsocket | Self::Receive(..) => (&[Method::GET], "GET"),
        }
    }

    /// The methods that the resource takes, as a 405 names them.
    pub fn allow(self) -> &'static str {
        self.methods().1
    }

    /// Whether the resource takes a method; methods are case-sensitive.
    pub fn allows(self, method: &Method) -> bool {
        self.methods().0.contains(method)
    }

    /// What `OPTIONS` names as `Access-Control-Allow-Methods`.
    pub(crate) fn preflight_methods(self) -> &'static str {
        match self {
            Self::Info | Self::Receive(Transport::EventSource) => "OPTIONS, GET",
            _ => "OPTIONS, POST",
        }
    }

    /// Whether answers carry CORS headers.
    pub(crate) fn has_cors(self) -> bool {
        use Transport::{EventSource, Xhr, XhrStreaming};
        matches!(
            self,
            Self::Info
                | Self::Receive(Xhr | XhrStreaming | EventSource)
                | Self::Send(SendPath::Xhr)
        )
    }
}

fn is_id(segment: &[u8]) -> bool {
    (1..=MAX_ID_BYTES).contains(&segment.len()) && segment.iter().all(|byte| *byte != b'.')
}

fn is_iframe(segment: &[u8]) -> bool {
    segment.strip_prefix(b"iframe").and_then(|rest| rest.strip_suffix(b".html")).is_some_and(
        |version| {
            version.iter().all(|b| {
                b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-')
            })
        },
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(path: &str) -> Option<Resource> {
        Resource::parse(below("/echo", path)?)
    }

    #[test]
    fn known_paths() {
        assert_eq!(parse("/echo"), Some(Resource::Greeting));
        assert_eq!(parse("/echo/"), Some(Resource::Greeting));
        assert_eq!(parse("/echo/info"), Some(Resource::Info));
        assert_eq!(parse("/echo/websocket"), Some(Resource::RawWebsocket));
        assert_eq!(parse("/echo/%41/%2E/xhr"), Some(Resource::Receive(Transport::Xhr)));
        assert_eq!(parse("/echo/0/s/jsonp_send"), Some(Resource::Send(SendPath::Jsonp)));
        for page in ["iframe.html", "iframe-1.2.3.html", "iframe-.html", "iframe0_a.html"] {
            assert_eq!(parse(&format!("/echo/{page}")), Some(Resource::Iframe), "{page}");
        }
    }

    #[test]
    fn unknown_paths() {
        for path in [
            "/echox",
            "/echo.html",
            "/ECHO",
            "/echo/a",
            "/echo//",
            "/echo///",
            "/echo/a/a",
            "/echo/a/a/",
            "/echo/a./a/xhr",
            "/echo/a/a./xhr",
            "/echo/./.",
            "/echo//xhr",
            "/echo//a/xhr",
            "/echo/a//xhr",
            "/echo/iframe",
            "/echo/iframe.htm",
            "/echo/iframeXhtml",
            "/echo/IFRAME.HTML",
            "/echo/iframe-/.html",
            "/echo/a/a/xhr/",
            "/echo/a/a/XHR",
            "/echo/info/",
            "/echo/a/a/raw",
            "/echo/websocket/",
        ] {
            assert_eq!(parse(path), None, "{path}");
        }
    }

    #[test]
    fn what_follows_a_prefix_begins_with_a_slash() {
        for rest in ["info", "x/info", "x/", "s/s/xhr"] {
            assert_eq!(Resource::parse(rest), None, "{rest}");
        }
    }

    proptest! {
        #[test]
        fn paths_are_told_apart_by_their_segments(rest in "(/(|a|[.]|xhr|info)){0,5}") {
            let segments: Vec<&str> = rest.split('/').skip(1).collect();
            let is_id = |id: &str| !id.is_empty() && !id.contains('.');
            let resource = match segments[..] {
                [] | [""] => Some(Resource::Greeting),
                ["info"] => Some(Resource::Info),
                [server, session, "xhr"] if is_id(server) && is_id(session) => {
                    Some(Resource::Receive(Transport::Xhr))
                }
                _ => None,
            };
            prop_assert_eq!(Resource::parse(&rest), resource);
        }
    }

    #[test]
    fn ids_have_at_most_128_bytes() {
        for (len, known) in [(128, true), (129, false)] {
            let id = "x".repeat(len);
            assert_eq!(parse(&format!("/echo/{id}/s/xhr")).is_some(), known);
            assert_eq!(parse(&format!("/echo/0/{id}/xhr")).is_some(), known);
        }
    }

    #[test]
    fn ids_are_taken_as_they_stand() {
        for (path, id) in [("/echo/0/%41/xhr", "%41"), ("/a/b/echo/0/a b/xhr_send", "a b")] {
            assert_eq!(&path[session_id(path)], id);
        }
    }

    #[test]
    fn methods() {
        let of = |name| Resource::of_session(name).unwrap();
        assert!(of(b"xhr").allows(&Method::OPTIONS) && !of(b"xhr").allows(&Method::GET));
        assert!(of(b"eventsource").allows(&Method::OPTIONS));
        assert!(!of(b"htmlfile").allows(&Method::OPTIONS) && !of(b"jsonp").allows(&Method::HEAD));
        assert!(Resource::Greeting.allows(&Method::HEAD));
        assert!(!Resource::Greeting.allows(&Method::from_bytes(b"get").unwrap()));
    }
}
