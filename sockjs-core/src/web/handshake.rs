//! The WebSocket handshake (PROTOCOL §7; RFC 6455, section 4.2), over HTTP/2 too (RFC 8441).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Method, Response, StatusCode, Version, request};

use super::answer::Answer;
use crate::report::Grade;

/// Appended to the client's key before it is hashed (RFC 6455, section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The `:protocol` of an extended CONNECT (RFC 8441, section 4). `http` has no place for it: put it
/// in the request's extensions, for [`Service::route`](crate::Service::route) to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectProtocol(pub Box<str>);

/// A checked handshake.
#[derive(Clone, Debug)]
pub(crate) enum Handshake {
    /// Over HTTP/1.1, with the value of `Sec-WebSocket-Accept`.
    Upgrade(HeaderValue),
    /// Over a stream of HTTP/2.
    Connect,
}

/// A handshake that was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotWebsocket,
    VersionMissing,
    VersionUnknown,
    BadKey,
}

impl Handshake {
    /// Whether a request is an extended CONNECT for a WebSocket (RFC 8441, section 5).
    pub(crate) fn is_connect(head: &request::Parts) -> bool {
        head.method == Method::CONNECT
            && head.version == Version::HTTP_2
            && head.extensions.get().is_some_and(|ConnectProtocol(name)| &**name == "websocket")
    }

    /// Checks a request, in the order of PROTOCOL §7. In an extended CONNECT the protocol's name
    /// stands for `Upgrade` and `Connection`, and there is no key (RFC 8441, section 5).
    pub(crate) fn check(head: &request::Parts) -> Result<Self, Refusal> {
        let headers = &head.headers;
        let is_connect = Self::is_connect(head);
        let is_upgrade = head.version == Version::HTTP_11
            && lists(headers, UPGRADE, "websocket")
            && lists(headers, CONNECTION, "upgrade");
        if !is_connect && !is_upgrade {
            return Err(Refusal::NotWebsocket);
        }
        let version = headers.get(SEC_WEBSOCKET_VERSION).ok_or(Refusal::VersionMissing)?;
        if version != "13" {
            return Err(Refusal::VersionUnknown);
        }
        if is_connect { Ok(Self::Connect) } else { accept_value(headers).map(Self::Upgrade) }
    }

    /// The head that accepts: a 101, or a 200 over HTTP/2 (RFC 8441, section 5).
    pub(crate) fn accept(self, answer: Answer) -> Response<()> {
        match self {
            Self::Connect => answer.head(StatusCode::OK),
            Self::Upgrade(accept) => answer
                .header(CONNECTION, const { HeaderValue::from_static("Upgrade") })
                .header(UPGRADE, const { HeaderValue::from_static("websocket") })
                .header(SEC_WEBSOCKET_ACCEPT, accept)
                .head(StatusCode::SWITCHING_PROTOCOLS),
        }
    }

    /// What it means that a frame was written: a stream of HTTP/2 takes frames before its connection
    /// does.
    pub(crate) fn grade(&self) -> Grade {
        match self {
            Self::Upgrade(_) => Grade::Socket,
            Self::Connect => Grade::Taken,
        }
    }
}

/// `Sec-WebSocket-Accept` for the request's key.
fn accept_value(headers: &HeaderMap) -> Result<HeaderValue, Refusal> {
    let key = headers.get(SEC_WEBSOCKET_KEY).ok_or(Refusal::BadKey)?;
    let nonce = STANDARD.decode(key).map_err(|_| Refusal::BadKey)?;
    if nonce.len() != 16 {
        return Err(Refusal::BadKey);
    }
    let mut hash = sha1_smol::Sha1::new();
    hash.update(key.as_bytes());
    hash.update(GUID);
    let accept = STANDARD.encode(hash.digest().bytes());
    HeaderValue::try_from(accept).map_err(|_| Refusal::BadKey)
}

impl Refusal {
    pub(crate) fn respond(self, answer: Answer) -> Response<Bytes> {
        match self {
            Self::NotWebsocket => {
                answer.text(StatusCode::BAD_REQUEST, "Not a valid websocket request\n")
            }
            Self::VersionMissing => {
                answer.text(StatusCode::BAD_REQUEST, "\"Sec-WebSocket-Version\" required\n")
            }
            Self::VersionUnknown => answer
                .header(SEC_WEBSOCKET_VERSION, const { HeaderValue::from_static("13") })
                .text(StatusCode::UPGRADE_REQUIRED, "WebSocket version 13 expected\n"),
            Self::BadKey => answer.text(StatusCode::BAD_REQUEST, "invalid \"Sec-WebSocket-Key\"\n"),
        }
    }
}

/// Whether a header, a list of tokens, holds `token` in any case.
fn lists(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    headers.get_all(name).iter().any(|value| {
        value
            .as_bytes()
            .split(|b| *b == b',')
            .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn check(change: impl FnOnce(&mut request::Parts)) -> Result<HeaderValue, Refusal> {
        let mut head = Request::builder()
            .header("Upgrade", "WebSocket")
            .header("Connection", "keep-alive, UPGRADE")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
            .body(())
            .unwrap()
            .into_parts()
            .0;
        change(&mut head);
        match Handshake::check(&head)? {
            Handshake::Upgrade(accept) => Ok(accept),
            Handshake::Connect => panic!("no CONNECT was sent"),
        }
    }

    #[test]
    fn the_example_of_the_rfc() {
        assert_eq!(check(|_| ()).unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn each_fault_has_its_answer() {
        let missing = |name: &'static str| {
            move |h: &mut request::Parts| {
                h.headers.remove(name);
            }
        };
        let set = |name: &'static str, value: &'static str| {
            move |h: &mut request::Parts| {
                h.headers.insert(name, HeaderValue::from_static(value));
            }
        };
        assert_eq!(check(missing("upgrade")), Err(Refusal::NotWebsocket));
        assert_eq!(check(set("connection", "close")), Err(Refusal::NotWebsocket));
        assert_eq!(check(|h| h.version = Version::HTTP_10), Err(Refusal::NotWebsocket));
        assert_eq!(check(missing("sec-websocket-version")), Err(Refusal::VersionMissing));
        assert_eq!(check(set("sec-websocket-version", "8")), Err(Refusal::VersionUnknown));
        assert_eq!(check(missing("sec-websocket-key")), Err(Refusal::BadKey));
        for key in ["", "dGhl", "dGhlIHNhbXBsZSBub25jZQ=", "!!!!"] {
            assert_eq!(check(set("sec-websocket-key", key)), Err(Refusal::BadKey), "{key}");
        }
    }

    #[test]
    fn over_http_2_a_protocol_stands_for_headers_and_key() {
        let check = |change: fn(&mut request::Parts)| {
            let mut head = Request::builder()
                .method(Method::CONNECT)
                .version(Version::HTTP_2)
                .header("Sec-WebSocket-Version", "13")
                .extension(ConnectProtocol("websocket".into()))
                .body(())
                .unwrap()
                .into_parts()
                .0;
            change(&mut head);
            Handshake::check(&head).map(|handshake| handshake.accept(Answer::default()))
        };
        let accepted = check(|_| ()).unwrap();
        assert_eq!((accepted.status(), accepted.headers().len()), (StatusCode::OK, 0));
        type Change = fn(&mut request::Parts);
        let refused: [(Change, Refusal); 6] = [
            (|head| head.method = Method::GET, Refusal::NotWebsocket),
            (|head| head.version = Version::HTTP_11, Refusal::NotWebsocket),
            (|head| head.extensions.clear(), Refusal::NotWebsocket),
            (
                |head| drop(head.extensions.insert(ConnectProtocol("webtransport".into()))),
                Refusal::NotWebsocket,
            ),
            (|head| head.headers.clear(), Refusal::VersionMissing),
            (
                |head| {
                    head.headers
                        .insert("sec-websocket-version", const { HeaderValue::from_static("8") });
                },
                Refusal::VersionUnknown,
            ),
        ];
        for (change, refusal) in refused {
            assert_eq!(check(change).unwrap_err(), refusal);
        }
    }
}
