//! Who a session belongs to (DESIGN §6): later requests must be its opener's.

use core::net::IpAddr;
use std::fmt;
use std::sync::Arc;

use http::header::HeaderValue;
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
#[derive(Debug)]
pub(crate) struct Sender<'a> {
    principal: Option<&'a Principal>,
    origin: Option<&'a [u8]>,
    network: Option<IpNet>,
}

/// What a session remembers of its opener.
#[derive(Debug)]
pub(crate) struct Binding {
    origin: Option<Box<[u8]>>,
    /// Most have neither.
    named: Option<Box<Named>>,
}

#[derive(Debug)]
struct Named {
    principal: Option<Principal>,
    network: Option<IpNet>,
}

impl<'a> Sender<'a> {
    pub(crate) fn of(
        origin: Option<&'a HeaderValue>,
        client: Option<IpAddr>,
        principal: Option<&'a Principal>,
        rule: BindingSetting,
    ) -> Self {
        Self {
            principal,
            origin: origin.map(HeaderValue::as_bytes),
            network: network(client, rule),
        }
    }

    /// To be remembered.
    pub(crate) fn binding(self) -> Binding {
        let Self { principal, origin, network } = self;
        let is_named = principal.is_some() || network.is_some();
        let named = || Box::new(Named { principal: principal.cloned(), network });
        Binding { origin: origin.map(Into::into), named: is_named.then(named) }
    }
}

/// The part of a client's address that must stay as it is.
pub(crate) fn network(client: Option<IpAddr>, rule: BindingSetting) -> Option<IpNet> {
    let ((v4, v6), address) = rule.address_prefix.zip(client)?;
    let prefix = if address.is_ipv4() { v4.min(32) } else { v6.min(128) };
    IpNet::new(address, prefix).ok().map(|network| network.trunc())
}

impl Binding {
    /// Whether a later request of that sender is the opener's.
    pub(crate) fn admits(&self, sender: &Sender<'_>, rule: BindingSetting) -> bool {
        let named = self.named.as_deref();
        let opener = named.and_then(|named| named.principal.as_ref());
        let principal = match (opener, sender.principal) {
            (opener, Some(sender)) => opener == Some(sender),
            (Some(_), None) => !rule.principal_required,
            (None, None) => true,
        };
        let origin = match (&self.origin, sender.origin) {
            (Some(opener), Some(sender)) => **opener == *sender,
            _ => true,
        };
        principal && origin && named.and_then(|named| named.network) == sender.network
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client's principal, origin and address.
    type Client = (Option<&'static str>, Option<&'static str>, &'static str);

    /// Whether a request of the one client is admitted to a session of the other.
    fn admits(opener: Client, sender: Client, principal_required: bool) -> bool {
        let address_prefix = Some((24, 64));
        let rule = BindingSetting { address_prefix, principal_required, ..Default::default() };
        let binding = with(opener, |sender| sender.binding(), rule);
        with(sender, |sender| binding.admits(&sender, rule), rule)
    }

    fn with<R>(
        (who, origin, address): Client,
        look: impl FnOnce(Sender<'_>) -> R,
        rule: BindingSetting,
    ) -> R {
        let (origin, who) = (origin.map(HeaderValue::from_static), who.map(Principal::new));
        look(Sender::of(origin.as_ref(), address.parse().ok(), who.as_ref(), rule))
    }

    #[test]
    fn principals_origins_and_networks_must_agree() {
        let opener = (Some("ann"), Some("http://a"), "1.2.3.4");
        for (sender, admitted) in [
            ((Some("ann"), Some("http://a"), "1.2.3.99"), true),
            ((Some("ann"), None, "1.2.3.4"), true),
            ((None, Some("http://a"), "1.2.3.4"), true),
            ((Some("bob"), Some("http://a"), "1.2.3.4"), false),
            ((Some("ann"), Some("http://b"), "1.2.3.4"), false),
            ((Some("ann"), Some("http://a"), "1.2.4.4"), false),
        ] {
            assert_eq!(admits(opener, sender, false), admitted, "{sender:?}");
        }
        let anonymous = (None, None, "1.2.3.4");
        assert!(!admits(opener, anonymous, true));
        assert!(!admits(anonymous, (Some("bob"), None, "1.2.3.4"), false));
        assert!(admits(anonymous, anonymous, false));
    }
}
