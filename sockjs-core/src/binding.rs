//! Who a session belongs to (DESIGN §6): later requests must be its opener's.

use core::net::IpAddr;
use std::fmt;
use std::sync::Arc;

use http::header::{HeaderMap, ORIGIN};
use ipnet::IpNet;

use crate::settings::BindingSetting;

/// The identity that the application's `authorize` found behind a request. Two are the same if
/// their texts are.
#[derive(Clone, PartialEq, Eq)]
pub struct Principal(Arc<str>);

impl Principal {
    /// A principal by its name: a user's id, a tenant, the hash of a token.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// A name may be a token, so it is not shown.
impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Principal(…)")
    }
}

/// What a request shows of its sender.
#[derive(Clone, Debug, Default)]
pub(crate) struct Binding {
    pub(crate) principal: Option<Principal>,
    origin: Option<Box<[u8]>>,
    pub(crate) network: Option<IpNet>,
}

impl Binding {
    pub(crate) fn of(headers: &HeaderMap, client: Option<IpAddr>, rule: BindingSetting) -> Self {
        let network = rule.address_prefix.zip(client).and_then(|((v4, v6), address)| {
            let prefix = if address.is_ipv4() { v4.min(32) } else { v6.min(128) };
            IpNet::new(address, prefix).ok().map(|network| network.trunc())
        });
        let origin = headers.get(ORIGIN).map(|origin| origin.as_bytes().into());
        Self { principal: None, origin, network }
    }

    /// Whether a later request with `other` is the opener's.
    pub(crate) fn admits(&self, other: &Self, rule: BindingSetting) -> bool {
        let principal = match (&self.principal, &other.principal) {
            (opener, Some(sender)) => opener.as_ref() == Some(sender),
            (Some(_), None) => !rule.principal_required,
            (None, None) => true,
        };
        let origin = match (&self.origin, &other.origin) {
            (Some(opener), Some(sender)) => opener == sender,
            _ => true,
        };
        principal && origin && self.network == other.network
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn binding(principal: Option<&str>, origin: Option<&str>, address: &str) -> Binding {
        let mut headers = HeaderMap::new();
        if let Some(origin) = origin {
            headers.insert(ORIGIN, HeaderValue::try_from(origin).unwrap());
        }
        let rule = BindingSetting { address_prefix: Some((24, 64)), ..Default::default() };
        let mut binding = Binding::of(&headers, Some(address.parse().unwrap()), rule);
        binding.principal = principal.map(Principal::new);
        binding
    }

    #[test]
    fn principals_origins_and_networks_must_agree() {
        let rule = BindingSetting::default();
        let strict = BindingSetting { principal_required: true, ..rule };
        let opener = binding(Some("ann"), Some("http://a"), "1.2.3.4");
        for (sender, admitted) in [
            (binding(Some("ann"), Some("http://a"), "1.2.3.99"), true),
            (binding(Some("ann"), None, "1.2.3.4"), true),
            (binding(None, Some("http://a"), "1.2.3.4"), true),
            (binding(Some("bob"), Some("http://a"), "1.2.3.4"), false),
            (binding(Some("ann"), Some("http://b"), "1.2.3.4"), false),
            (binding(Some("ann"), Some("http://a"), "1.2.4.4"), false),
        ] {
            assert_eq!(opener.admits(&sender, rule), admitted, "{sender:?}");
        }
        assert!(!opener.admits(&binding(None, None, "1.2.3.4"), strict));
        let anonymous = binding(None, None, "1.2.3.4");
        assert!(!anonymous.admits(&binding(Some("bob"), None, "1.2.3.4"), rule));
    }
}
