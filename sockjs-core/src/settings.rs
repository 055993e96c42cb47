//! What an operator can choose about a service.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, request};
use serde::{Deserialize, Serialize};

use crate::limits::Limits;
use crate::web::origin::OriginPolicy;
use crate::web::proxy::TrustedProxies;
use crate::wire::transport::TransportSet;

/// The settings of a service. [`Service::new`](crate::Service::new) checks them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The path under which the service answers, e.g. `/echo`: empty, or begins with `/` and does
    /// not end in it.
    pub prefix: String,
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
}

impl Settings {
    /// The defaults, under a prefix.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self {
            prefix: prefix.into(),
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
        if self.heartbeat_delay.is_some_and(|delay| delay.is_zero()) {
            return Err(SettingsError::ZeroDelay("heartbeat delay"));
        }
        for (name, delay) in [
            ("disconnect delay", self.disconnect_delay),
            ("write stall", self.limits.write_stall),
            ("pong deadline", self.limits.pong_deadline),
            ("body timeout", self.limits.body_timeout),
        ] {
            if delay.is_zero() {
                return Err(SettingsError::ZeroDelay(name));
            }
        }
        for (name, limit) in [
            ("message bytes", self.limits.message_bytes),
            ("window bytes", self.limits.window_bytes),
            ("sessions", self.limits.sessions),
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
        let mut settings = Settings::new("/echo");
        settings.heartbeat_delay = Some(Duration::ZERO);
        assert_eq!(settings.check(), Err(SettingsError::ZeroDelay("heartbeat delay")));
    }
}
