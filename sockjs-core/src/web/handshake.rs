//! The WebSocket handshake (PROTOCOL §7; RFC 6455, section 4.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Response, StatusCode, Version, request};

use super::answer::Answer;

/// Appended to the client's key before it is hashed (RFC 6455, section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A checked handshake: the value of `Sec-WebSocket-Accept`.
#[derive(Clone, Debug)]
pub(crate) struct Handshake(HeaderValue);

/// A handshake that was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotWebsocket,
    VersionMissing,
    VersionUnknown,
    BadKey,
}

impl Handshake {
    /// Checks a request, in the order of PROTOCOL §7.
    pub(crate) fn check(head: &request::Parts) -> Result<Self, Refusal> {
        let headers = &head.headers;
        if head.version != Version::HTTP_11
            || !lists(headers, UPGRADE, "websocket")
            || !lists(headers, CONNECTION, "upgrade")
        {
            return Err(Refusal::NotWebsocket);
        }
        let version = headers.get(SEC_WEBSOCKET_VERSION).ok_or(Refusal::VersionMissing)?;
        if version != "13" {
            return Err(Refusal::VersionUnknown);
        }
        let key = headers.get(SEC_WEBSOCKET_KEY).ok_or(Refusal::BadKey)?;
        let nonce = STANDARD.decode(key).map_err(|_| Refusal::BadKey)?;
        if nonce.len() != 16 {
            return Err(Refusal::BadKey);
        }
        let mut hash = sha1_smol::Sha1::new();
        hash.update(key.as_bytes());
        hash.update(GUID);
        let accept = STANDARD.encode(hash.digest().bytes());
        HeaderValue::try_from(accept).map(Self).map_err(|_| Refusal::BadKey)
    }

    /// The head of the 101.
    pub(crate) fn accept(self, answer: Answer) -> Response<()> {
        answer
            .header(CONNECTION, HeaderValue::from_static("Upgrade"))
            .header(UPGRADE, HeaderValue::from_static("websocket"))
            .header(SEC_WEBSOCKET_ACCEPT, self.0)
            .head(StatusCode::SWITCHING_PROTOCOLS)
    }
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
                .header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
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
        Handshake::check(&head).map(|handshake| handshake.0)
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
}
