//! What an application may know of its caller.

use core::net::{IpAddr, SocketAddr};
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
    remote: Option<IpAddr>,
    peer: Option<SocketAddr>,
    transport: Transport,
    /// Whose prefix is the path.
    service: Service,
    query: Option<Box<str>>,
    /// `name: value` lines, each ended by `\n`, which no value can hold.
    headers: Box<[u8]>,
    extensions: Extensions,
}

impl ConnectionInfo {
    pub(crate) fn new(
        head: request::Parts,
        remote: Option<IpAddr>,
        peer: Option<SocketAddr>,
        service: Service,
        transport: Transport,
    ) -> Self {
        let mut headers = Vec::with_capacity(
            head.headers.iter().map(|(n, v)| n.as_str().len() + v.len() + 3).sum(),
        );
        for (name, value) in &head.headers {
            headers.extend_from_slice(name.as_str().as_bytes());
            headers.extend_from_slice(b": ");
            headers.extend_from_slice(value.as_bytes());
            headers.push(b'\n');
        }
        Self {
            remote,
            peer,
            transport,
            service,
            query: head.uri.query().map(Into::into),
            headers: headers.into(),
            extensions: head.extensions,
        }
    }

    /// The client's address: the peer's, or behind trusted proxies the one that they forward for.
    pub fn remote_addr(&self) -> Option<IpAddr> {
        self.remote
    }

    /// The other end of the connection that the session was opened on: the client's, or the last
    /// proxy's. `None` where the server around the service did not tell.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer
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
        self.query.as_deref()
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
        self.headers.split(|b| *b == b'\n').filter_map(|line| {
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
            .field("remote", &self.remote)
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

    #[test]
    fn everything_of_the_request_but_the_id() {
        let (head, ()) = Request::builder()
            .uri("/echo/000/secret/xhr?a=1&b=%20x&a=2")
            .header("X-Name", "v: w")
            .header("Cookie", "a=1; b=\"2\"")
            .header("Cookie", "c=3")
            .body(())
            .unwrap()
            .into_parts();
        let service = Service::new(Settings::new("/echo")).unwrap();
        let peer = Some(([127, 0, 0, 1], 9).into());
        let info = ConnectionInfo::new(head, None, peer, service, Transport::Xhr);
        assert_eq!((info.remote_addr(), info.peer_addr()), (None, peer));
        assert_eq!(info.path(), "/echo");
        assert_eq!(info.argument("a").as_deref(), Some("1"));
        assert_eq!(info.argument("b").as_deref(), Some(" x"));
        assert_eq!(info.arguments().count(), 3);
        assert_eq!(info.header("x-nAmE"), Some("v: w"));
        assert_eq!(info.header("missing"), None);
        assert_eq!(info.cookies().collect::<Vec<_>>(), [("a", "1"), ("b", "2"), ("c", "3")]);
        assert_eq!(info.cookie("c"), Some("3"));
        assert!(!format!("{info:?}").contains("secret"));
    }
}
