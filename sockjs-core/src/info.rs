//! What an application may know of its caller.

use core::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::fmt;

use http::{Extensions, request};

use crate::service::Service;
use crate::web::answer::cookie_pairs;
use crate::wire::transport::Transport;

/// The request that opened a session, in a compact copy: a session may live for days, so it keeps
/// no buffer of the connection alive.
///
/// The session's id is a secret of the client; the path is shown without it.
pub struct ConnectionInfo {
    peer: Option<Address>,
    /// Where it is not the peer's.
    remote: Option<Box<IpAddr>>,
    transport: Transport,
    /// Whose prefix is the path.
    service: Service,
    /// Lines, each ended by `\n`, which none can hold: the query after a `?`, if there is one, and headers
    /// as `name: value`. No name begins with `?`.
    lines: Box<[u8]>,
    extensions: Extensions,
}

/// The rarer kind is the longer one by far.
enum Address {
    V4(SocketAddrV4),
    V6(Box<SocketAddrV6>),
}

impl ConnectionInfo {
    pub(crate) fn new(
        head: request::Parts,
        remote: Option<IpAddr>,
        peer: Option<SocketAddr>,
        service: Service,
        transport: Transport,
    ) -> Self {
        let query = head.uri.query();
        let headers = head.headers.iter().map(|(n, v)| n.as_str().len() + v.len() + 3);
        let bytes = query.map_or(0, |query| query.len() + 2) + headers.sum::<usize>();
        let mut lines = Vec::with_capacity(bytes);
        if let Some(query) = query {
            lines.push(b'?');
            lines.extend_from_slice(query.as_bytes());
            lines.push(b'\n');
        }
        for (name, value) in &head.headers {
            lines.extend_from_slice(name.as_str().as_bytes());
            lines.extend_from_slice(b": ");
            lines.extend_from_slice(value.as_bytes());
            lines.push(b'\n');
        }
        let remote = remote.filter(|remote| peer.is_none_or(|peer| peer.ip() != *remote));
        Self {
            peer: peer.map(|peer| match peer {
                SocketAddr::V4(peer) => Address::V4(peer),
                SocketAddr::V6(peer) => Address::V6(Box::new(peer)),
            }),
            remote: remote.map(Box::new),
            transport,
            service,
            lines: lines.into(),
            extensions: head.extensions,
        }
    }

    /// The client's address: the peer's, or behind trusted proxies the one that they forward for.
    pub fn remote_addr(&self) -> Option<IpAddr> {
        let peer = || self.peer_addr().map(|peer| peer.ip());
        self.remote.as_deref().copied().or_else(peer)
    }

    /// The other end of the connection that the session was opened on: the client's, or the last
    /// proxy's. `None` where the server around the service did not tell.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        Some(match self.peer.as_ref()? {
            Address::V4(peer) => (*peer).into(),
            Address::V6(peer) => (**peer).into(),
        })
    }

    /// The transport that opened the session.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// The service's prefix, under which it was asked. What follows it in the request holds the
    /// session's id, which is a secret of the client, and is left out.
    pub fn path(&self) -> &str {
        &self.service.settings().prefix
    }

    /// The query string of the request, undecoded.
    pub fn query(&self) -> Option<&str> {
        let (first, _) = self.query_and_headers();
        str::from_utf8(first?).ok()
    }

    fn query_and_headers(&self) -> (Option<&[u8]>, &[u8]) {
        let Some(lines) = self.lines.strip_prefix(b"?") else { return (None, &self.lines) };
        let end = memchr::memchr(b'\n', lines).unwrap_or(lines.len());
        (lines.get(..end), lines.get(end + 1..).unwrap_or_default())
    }

    /// The decoded arguments of the query, in order.
    pub fn arguments(&self) -> impl Iterator<Item = (String, String)> + '_ {
        form_urlencoded::parse(self.query().unwrap_or_default().as_bytes()).into_owned()
    }

    /// The first argument of that name.
    pub fn argument(&self, name: &str) -> Option<String> {
        self.arguments().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The headers of the request, in order; names are in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let (_, headers) = self.query_and_headers();
        headers.split(|b| *b == b'\n').filter_map(|line| {
            let colon = memchr::memchr(b':', line)?;
            let name = std::str::from_utf8(line.get(..colon)?).ok()?;
            Some((name, line.get(colon + 2..)?))
        })
    }

    /// The first header of that name, in any case, if it is UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// The cookies of the request, in order.
    pub fn cookies(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers()
            .filter(|(name, _)| *name == "cookie")
            .flat_map(|(_, value)| cookie_pairs(value))
    }

    /// The first cookie of that name.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// What middleware put beside the request.
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// To take out what need not be kept as long as the session lasts.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.extensions
    }
}

/// Shows neither headers nor query, for they may hold secrets.
impl fmt::Debug for ConnectionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionInfo")
            .field("remote", &self.remote_addr())
            .field("transport", &self.transport)
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::settings::Settings;

    fn info(uri: &str, remote: Option<&str>, peer: Option<&str>) -> ConnectionInfo {
        let request = Request::builder().uri(uri);
        let request = request.header("X-Name", "v: w").header("Cookie", "a=1; b=\"2\"");
        let (head, ()) = request.header("Cookie", "c=3").body(()).unwrap().into_parts();
        let service = Service::new(Settings::new("/echo")).unwrap();
        let remote = remote.map(|remote| remote.parse().unwrap());
        let peer = peer.map(|peer| peer.parse().unwrap());
        ConnectionInfo::new(head, remote, peer, service, Transport::Xhr)
    }

    #[test]
    fn everything_of_the_request_but_the_id() {
        let info = info("/echo/000/secret/xhr?a=1&b=%20x&a=:2", None, None);
        assert_eq!(info.path(), "/echo");
        assert_eq!(info.query(), Some("a=1&b=%20x&a=:2"));
        assert_eq!(info.argument("a").as_deref(), Some("1"));
        assert_eq!(info.argument("b").as_deref(), Some(" x"));
        assert_eq!(info.arguments().count(), 3);
        assert_eq!(info.headers().count(), 3);
        assert_eq!(info.header("x-nAmE"), Some("v: w"));
        assert_eq!(info.header("missing"), None);
        assert_eq!(info.cookies().collect::<Vec<_>>(), [("a", "1"), ("b", "2"), ("c", "3")]);
        assert_eq!(info.cookie("c"), Some("3"));
        assert!(!format!("{info:?}").contains("secret"));
    }

    #[test]
    fn a_query_may_be_empty_or_missing() {
        for (uri, query) in [("/echo/0/s/xhr", None), ("/echo/0/s/xhr?", Some(""))] {
            let info = info(uri, None, None);
            assert_eq!((info.query(), info.headers().count()), (query, 3), "{uri}");
        }
    }

    #[test]
    fn the_peer_and_the_client_it_may_speak_for() {
        let (v4, v6) = (Some("1.2.3.4:5"), Some("[fe80::1%2]:6"));
        for (remote, peer) in [
            (None, None),
            (Some("1.2.3.4"), v4),
            (Some("9.9.9.9"), v4),
            (Some("fe80::1"), v6),
            (Some("9.9.9.9"), v6),
        ] {
            let info = info("/echo/0/s/xhr", remote, peer);
            let shown = info.remote_addr().map(|address| address.to_string());
            assert_eq!(shown.as_deref(), remote);
            assert_eq!(info.peer_addr(), peer.map(|peer| peer.parse().unwrap()));
        }
    }
}
