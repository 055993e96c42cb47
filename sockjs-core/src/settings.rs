//! What an operator can choose about a service.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, request};
use serde::{Deserialize, Serialize};

use crate::limits::Limits;
use crate::web::origin::OriginPolicy;
use crate::web::proxy::TrustedProxies;
use crate::wire::close::CloseReason;
use crate::wire::transport::{Transport, TransportSet};

/// The settings of a service. [`Service::new`](crate::Service::new) checks them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The path under which the service answers, e.g. `/echo`: empty, or begins with `/` and does
    /// not end in it.
    pub prefix: String,
    /// Whether requests arrive without the prefix, cut off by a router around the service. No.
    pub is_nested: bool,
    /// How long an attached receiver may be idle before it gets a heartbeat; `None` for never.
    /// 25 s.
    pub heartbeat_delay: Option<Duration>,
    /// How long a session lives without a receiver. 5 s.
    pub disconnect_delay: Duration,
    /// Bytes of frames after which a streamed response ends. 128 KiB.
    pub response_limit: usize,
    /// The transports offered. All.
    pub transports: TransportSet,
    /// The cookie that answers under a session's path set. None.
    pub cookie: CookieSetting,
    /// Where the iframe page finds sockjs-client: a path or an `http` URL. It must be the very
    /// version that the pages use. `/sockjs.min.js`.
    pub client_url: String,
    /// The base URL that `info` tells clients to use instead of the one they know. None.
    pub base_url: BaseUrl,
    /// Whose pages may use the service. Those of the same origin.
    pub origins: OriginPolicy,
    /// Whether requests that show no origin in any way may pass, as those of programs that are no
    /// browsers. Yes.
    pub admit_anonymous: bool,
    /// Hosts whose word on a client's address counts. None.
    pub proxies: TrustedProxies,
    /// What later requests must share with the one that opened the session.
    pub binding: BindingSetting,
    /// How long ids of ended sessions keep answering their close frame beyond what the protocol
    /// asks for; `None` is off. Off.
    pub tombstones: Option<Duration>,
    /// What becomes of a session whose client takes nothing. It is closed with 4500.
    pub slow_consumers: SlowConsumers,
    /// Limits on what peers can use.
    pub limits: Limits,
}

/// The cookie of a service.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum CookieSetting {
    /// No cookie; `info` says that none is needed.
    #[default]
    Off,
    /// `JSESSIONID`, for load balancers that stick by it.
    Jsessionid,
    /// The value of `Set-Cookie` is the application's; `info` says that cookies are needed.
    Custom(CookieFn),
}

/// Makes the value of `Set-Cookie` for a request.
pub type CookieFn = Arc<dyn Fn(&request::Parts) -> Option<HeaderValue> + Send + Sync>;

impl fmt::Debug for CookieSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "Off",
            Self::Jsessionid => "Jsessionid",
            Self::Custom(_) => "Custom",
        })
    }
}

/// The `base_url` of `info`.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum BaseUrl {
    /// None: clients go on with the URL they know.
    #[default]
    None,
    /// The same for all.
    Fixed(String),
    /// Made for each request.
    Computed(Arc<dyn Fn(&request::Parts) -> String + Send + Sync>),
}

impl BaseUrl {
    pub(crate) fn of(&self, head: &request::Parts) -> Option<String> {
        match self {
            Self::None => None,
            Self::Fixed(url) => Some(url.clone()),
            Self::Computed(url) => Some(url(head)),
        }
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Fixed(url) => f.debug_tuple("Fixed").field(url).finish(),
            Self::Computed(_) => f.write_str("Computed"),
        }
    }
}

/// What binds a session to the client that opened it, besides its Origin (DESIGN §6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct BindingSetting {
    /// Whether a request without credentials contradicts a session that was opened with some. No.
    pub principal_required: bool,
    /// Whether the client's address must stay within the opener's network: lengths of the prefix
    /// for IPv4 and IPv6. Off, since mobile clients change addresses.
    pub address_prefix: Option<(u8, u8)>,
}

/// What becomes of an open session whose receiver has taken nothing for
/// [`Limits::write_stall`], though there is something for it.
///
/// Its queue is full at some time, and nothing more is accepted, either way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlowConsumers {
    /// The session is closed with this reason.
    Close(CloseReason),
    /// The session stays: sends are refused as full for as long as its connection stands. What ends
    /// that is the connection's own limit of a stalled write.
    Refuse,
}

impl Default for SlowConsumers {
    fn default() -> Self {
        Self::Close(CloseReason::SLOW_CONSUMER)
    }
}

/// Settings that no service can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The prefix is not a path.
    #[error("prefix {0:?}: begin it with '/', do not end it in '/', and leave out '?' and '#'")]
    Prefix(String),
    /// The client's URL is none.
    #[error("client URL {0:?}: begin it with '/' or 'http'")]
    ClientUrl(String),
    /// A delay is zero.
    #[error("{0}: must be longer than zero")]
    ZeroDelay(&'static str),
    /// A limit is zero.
    #[error("{0}: must be more than zero")]
    ZeroLimit(&'static str),
    /// No transport is offered; the raw WebSocket path goes with the framed one.
    #[error("no transport is offered: leave one on")]
    NoTransport,
    /// An entry of an allow list could match no request.
    #[error(
        "origin {0:?}: write scheme, host and perhaps port, as in \"https://example.com:8080\""
    )]
    Origin(String),
    /// An address has fewer bits than the prefix.
    #[error("address prefix /{0}: IPv4 has 32 bits, IPv6 128")]
    AddressPrefix(u8),
    /// Tombstones are on, and none may be kept.
    #[error("tombstones are on: let the limit of tombstones be more than zero, or switch them off")]
    NoTombstones,
}

impl Settings {
    /// The defaults, under a prefix.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self {
            prefix: prefix.into(),
            is_nested: false,
            heartbeat_delay: Some(Duration::from_secs(25)),
            disconnect_delay: Duration::from_secs(5),
            response_limit: 128 * 1024,
            transports: TransportSet::all(),
            cookie: CookieSetting::Off,
            client_url: "/sockjs.min.js".into(),
            base_url: BaseUrl::None,
            origins: OriginPolicy::SameOrigin,
            admit_anonymous: true,
            proxies: TrustedProxies::default(),
            binding: BindingSetting::default(),
            tombstones: None,
            slow_consumers: SlowConsumers::default(),
            limits: Limits::default(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        let prefix = &self.prefix;
        let is_path = prefix.starts_with('/') && !prefix.ends_with('/');
        if !(prefix.is_empty() || is_path) || prefix.contains(['?', '#', ' ']) {
            return Err(SettingsError::Prefix(prefix.clone()));
        }
        if !self.client_url.starts_with('/') && !self.client_url.starts_with("http") {
            return Err(SettingsError::ClientUrl(self.client_url.clone()));
        }
        if let Some(origin) = self.origins.fault() {
            return Err(SettingsError::Origin(origin.to_owned()));
        }
        if !Transport::ALL.into_iter().any(|transport| self.transports.contains(transport)) {
            return Err(SettingsError::NoTransport);
        }
        let (v4, v6) = self.binding.address_prefix.unwrap_or_default();
        if let Some(prefix) = (v4 > 32).then_some(v4).or((v6 > 128).then_some(v6)) {
            return Err(SettingsError::AddressPrefix(prefix));
        }
        if self.tombstones.is_some() && self.limits.tombstones == 0 {
            return Err(SettingsError::NoTombstones);
        }
        self.check_zeros()
    }

    fn check_zeros(&self) -> Result<(), SettingsError> {
        let limits = &self.limits;
        for (name, delay) in [
            ("heartbeat delay", self.heartbeat_delay),
            ("disconnect delay", Some(self.disconnect_delay)),
            ("tombstones", self.tombstones),
            ("write stall", Some(limits.write_stall)),
            ("pong deadline", Some(limits.pong_deadline)),
            ("body timeout", Some(limits.body_timeout)),
        ] {
            if delay.is_some_and(|delay| delay.is_zero()) {
                return Err(SettingsError::ZeroDelay(name));
            }
        }
        for (name, limit) in [
            ("response limit", self.response_limit),
            ("message bytes", limits.message_bytes),
            ("window bytes", limits.window_bytes),
            ("sessions", limits.sessions),
            ("unconfirmed sessions", limits.unconfirmed_sessions),
        ] {
            if limit == 0 {
                return Err(SettingsError::ZeroLimit(name));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_sound() {
        assert_eq!(Settings::new("/echo").check(), Ok(()));
        assert_eq!(Settings::new("").check(), Ok(()));
        assert_eq!(Settings::new("/a/b/echo").check(), Ok(()));
    }

    #[test]
    fn faults_are_named() {
        for prefix in ["echo", "/", "/echo/", "/a?b"] {
            assert!(
                matches!(Settings::new(prefix).check(), Err(SettingsError::Prefix(_))),
                "{prefix}"
            );
        }
        let mut settings = Settings::new("/echo");
        settings.client_url = "javascript:x".into();
        assert!(matches!(settings.check(), Err(SettingsError::ClientUrl(_))));
    }

    #[track_caller]
    fn expect(error: SettingsError, change: impl FnOnce(&mut Settings)) {
        let mut settings = Settings::new("/echo");
        change(&mut settings);
        assert_eq!(settings.check(), Err(error));
    }

    #[test]
    fn zeros_are_refused() {
        use SettingsError::{ZeroDelay, ZeroLimit};
        let zero = Duration::ZERO;
        expect(ZeroDelay("heartbeat delay"), |it| it.heartbeat_delay = Some(zero));
        expect(ZeroDelay("disconnect delay"), |it| it.disconnect_delay = zero);
        expect(ZeroDelay("tombstones"), |it| it.tombstones = Some(zero));
        expect(ZeroDelay("write stall"), |it| it.limits.write_stall = zero);
        expect(ZeroDelay("pong deadline"), |it| it.limits.pong_deadline = zero);
        expect(ZeroDelay("body timeout"), |it| it.limits.body_timeout = zero);
        expect(ZeroLimit("response limit"), |it| it.response_limit = 0);
        expect(ZeroLimit("message bytes"), |it| it.limits.message_bytes = 0);
        expect(ZeroLimit("window bytes"), |it| it.limits.window_bytes = 0);
        expect(ZeroLimit("sessions"), |it| it.limits.sessions = 0);
        expect(ZeroLimit("unconfirmed sessions"), |it| it.limits.unconfirmed_sessions = 0);
    }

    #[test]
    fn contradictions_are_refused() {
        expect(SettingsError::NoTransport, |it| it.transports = TransportSet::none());
        expect(SettingsError::NoTransport, |it| {
            it.transports = TransportSet::none().with(Transport::RawWebsocket);
        });
        expect(SettingsError::NoTombstones, |it| {
            it.tombstones = Some(Duration::from_secs(60));
            it.limits.tombstones = 0;
        });
        for (v4, v6, wrong) in [(33, 64, 33), (24, 129, 129)] {
            expect(SettingsError::AddressPrefix(wrong), |it| {
                it.binding.address_prefix = Some((v4, v6));
            });
        }
    }

    #[test]
    fn origins_that_match_nothing_are_refused() {
        let list = |origin: &str| {
            OriginPolicy::AllowList(vec!["https://example.com".into(), origin.into()])
        };
        for origin in [
            "",
            "*",
            "null",
            "example.com",
            "https://",
            "https://*.example.com",
            "https://example.com/page",
            "https://example.com?a",
            "https://user@example.com",
            "ftp://example.com",
            " https://example.com",
        ] {
            expect(SettingsError::Origin(origin.into()), |it| it.origins = list(origin));
        }
        for origin in ["http://localhost:8080", "https://example.com/", "https://[::1]:1"] {
            let mut settings = Settings::new("/echo");
            settings.origins = list(origin);
            assert_eq!(settings.check(), Ok(()), "{origin}");
        }
    }
}
