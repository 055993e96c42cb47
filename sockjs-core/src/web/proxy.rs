//! The client's address behind proxies (DESIGN §6): believed only from peers that are listed.

use core::net::{IpAddr, SocketAddr};

use http::header::{FORWARDED, HeaderMap, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Hops looked at before the search for the client ends: more than any real chain has.
const MAX_HOPS: usize = 16;

/// The networks whose hosts are proxies of the service's operator.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Believes what hosts in these networks say of their clients.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self(networks.into_iter().collect())
    }

    /// The address of the client: the last one in the chain of forwarders that is no proxy of
    /// ours. The peer's own, if that is not trusted or says nothing that can be read.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        for hop in hops(headers).take(MAX_HOPS) {
            if !self.trusts(client) {
                break;
            }
            // An unreadable hop hides what is behind it: the proxy that wrote it is all we know.
            let Some(address) = hop else { break };
            client = address;
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// The forwarders' words on whom they forward for, nearest hop first: `Forwarded` (RFC 7239) where
/// there is one, else `X-Forwarded-For`.
fn hops(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    let standard = headers.contains_key(FORWARDED);
    let name = if standard { FORWARDED } else { X_FORWARDED_FOR };
    let lines: Vec<_> = headers.get_all(name).iter().collect();
    lines.into_iter().rev().flat_map(move |line| {
        line.as_bytes().rsplit(|b| *b == b',').map(move |element| {
            let text = std::str::from_utf8(element).ok()?;
            parse_node(if standard { forwarded_for(text)? } else { text })
        })
    })
}

/// The `for` parameter of one element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<&str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value)
    })
}

/// An address, with or without a port, quotes and brackets.
fn parse_node(node: &str) -> Option<IpAddr> {
    let node = node.trim().trim_matches('"');
    let bare = node.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(node);
    let address = bare.parse().or_else(|_| node.parse().map(|node: SocketAddr| node.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(peer: &str, lines: &[(HeaderName, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::try_from(*value).unwrap());
        }
        let proxies =
            TrustedProxies::new(["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn only_listed_peers_are_believed() {
        assert_eq!(client("9.9.9.9", &[(X_FORWARDED_FOR, "1.2.3.4")]), "9.9.9.9");
        assert_eq!(client("10.0.0.1", &[(X_FORWARDED_FOR, "1.2.3.4")]), "1.2.3.4");
        assert_eq!(client("::ffff:10.0.0.1", &[(X_FORWARDED_FOR, "1.2.3.4")]), "1.2.3.4");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn what_the_client_itself_claims_is_not_believed() {
        let chain = [(X_FORWARDED_FOR, "6.6.6.6, 1.2.3.4, 10.0.0.2")];
        assert_eq!(client("10.0.0.1", &chain), "1.2.3.4");
        let lines = [(X_FORWARDED_FOR, "6.6.6.6"), (X_FORWARDED_FOR, "1.2.3.4")];
        assert_eq!(client("10.0.0.1", &lines), "1.2.3.4");
    }

    #[test]
    fn forms_of_addresses() {
        let forwarded = |value| client("10.0.0.1", &[(FORWARDED, value)]);
        assert_eq!(forwarded("for=\"[2001:db8::1]:4711\";proto=https"), "2001:db8::1");
        assert_eq!(forwarded("proto=http; For=1.2.3.4:80"), "1.2.3.4");
        assert_eq!(forwarded("for=1.1.1.1, for=_hidden"), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &[(X_FORWARDED_FOR, "1.2.3.4:99")]), "1.2.3.4");
        assert_eq!(client("10.0.0.1", &[(X_FORWARDED_FOR, "unknown")]), "10.0.0.1");
    }
}
