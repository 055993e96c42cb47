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
    ///
    /// Of `Forwarded` (RFC 7239) and `X-Forwarded-For` proxies mostly write one, and pass on what
    /// clients write into the other. So where a request has both they must agree.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        let told = |name: HeaderName, read: fn(&str) -> Option<IpAddr>| {
            let is_there = headers.contains_key(&name);
            is_there.then(|| self.last_stranger(peer, hops(headers, name, read)))
        };
        let standard = told(FORWARDED, |element| parse_node(forwarded_for(element)?));
        match (standard, told(X_FORWARDED_FOR, parse_node)) {
            (Some(client), None) | (None, Some(client)) => client,
            (Some(client), Some(other)) if client == other => client,
            _ => peer,
        }
    }

    fn last_stranger(&self, peer: IpAddr, hops: impl Iterator<Item = Option<IpAddr>>) -> IpAddr {
        let mut client = peer;
        for hop in hops.take(MAX_HOPS) {
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
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// The forwarders' words on whom they forward for, nearest hop first.
fn hops(
    headers: &HeaderMap,
    name: HeaderName,
    read: fn(&str) -> Option<IpAddr>,
) -> impl Iterator<Item = Option<IpAddr>> {
    let lines: Vec<_> = headers.get_all(name).iter().collect();
    lines.into_iter().rev().flat_map(move |line| {
        line.as_bytes()
            .rsplit(|b| *b == b',')
            .map(move |element| read(std::str::from_utf8(element).ok()?))
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
    let node = node.trim();
    let node = match node.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"')?,
        None => node,
    };
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
    fn of_two_headers_that_contradict_each_other_neither_is_believed() {
        let both = |forwarded: &'static str| {
            client("10.0.0.1", &[(X_FORWARDED_FOR, "1.2.3.4"), (FORWARDED, forwarded)])
        };
        assert_eq!(both("for=1.2.3.4"), "1.2.3.4");
        assert_eq!(both("for=6.6.6.6"), "10.0.0.1");
        assert_eq!(both("for=6.6.6.6, for=1.2.3.4"), "1.2.3.4");
        assert_eq!(both("proto=https"), "10.0.0.1");
    }

    #[test]
    fn an_address_is_the_same_in_whatever_form_it_comes() {
        assert_eq!(client("::ffff:9.9.9.9", &[]), "9.9.9.9");
        assert_eq!(client("10.0.0.1", &[(X_FORWARDED_FOR, "::ffff:1.2.3.4")]), "1.2.3.4");
    }

    #[test]
    fn a_chain_is_followed_for_so_many_hops() {
        let chain = |ours: usize| format!("1.2.3.4{}", ", 10.0.0.9".repeat(ours));
        let asked = |ours| client("10.0.0.1", &[(X_FORWARDED_FOR, &chain(ours))]);
        assert_eq!(asked(MAX_HOPS - 1), "1.2.3.4");
        assert_eq!(asked(MAX_HOPS), "10.0.0.9");
    }

    #[test]
    fn what_is_no_address_ends_the_chain() {
        for node in ["unknown", "_secret", "1.2.3.4.5", "\"[::1\"", "", "1.2.3.4 6.6.6.6", "\u{e9}"]
        {
            assert_eq!(client("10.0.0.1", &[(X_FORWARDED_FOR, node)]), "10.0.0.1", "{node}");
            let forwarded = format!("for={node}");
            assert_eq!(client("10.0.0.1", &[(FORWARDED, &forwarded)]), "10.0.0.1", "{node}");
        }
        let quoted = [(FORWARDED, "for=\"1.2.3.4, for=6.6.6.6\"")];
        assert_eq!(client("10.0.0.1", &quoted), "10.0.0.1", "half of a quoted string is none");
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
