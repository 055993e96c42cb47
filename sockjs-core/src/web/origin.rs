//! The origin policy: one gate before every route, WebSockets included (DESIGN §6).

use http::Uri;
use http::header::{HeaderName, REFERER};

use super::caller::Caller;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whose pages may use a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OriginPolicy {
    /// Pages of the host that the request names, and callers that are no browsers.
    #[default]
    SameOrigin,
    /// Pages of these origins (`https://example.com`, with the port if it is not the scheme's
    /// own), besides same-origin ones.
    AllowList(Vec<String>),
    /// Any page, with its user's credentials: sockjs-client always sends them.
    Any,
}

impl OriginPolicy {
    /// Whether a request may pass. `anonymous` says what becomes of one that names no origin in
    /// any way, as a caller that is no browser does.
    pub(crate) fn admits(&self, caller: &Caller<'_>, anonymous: bool) -> bool {
        if *self == Self::Any {
            return true;
        }
        match caller.origin {
            Some(_) if caller.has_more_origins => false,
            Some(origin) => self.admits_origin(origin.as_bytes(), caller),
            // Browsers send no Origin with same-origin GETs and with navigations.
            None => self.admits_without_origin(caller, anonymous),
        }
    }

    /// The first entry of an allow list that is no origin.
    pub(crate) fn fault(&self) -> Option<&str> {
        let Self::AllowList(list) = self else { return None };
        let is_origin = |item: &str| {
            let (host, path) = item.split_once("://").map_or(("", ""), |(_, rest)| {
                rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()))
            });
            Origin::parse(item).is_some() && !host.contains(['*', '@']) && matches!(path, "" | "/")
        };
        list.iter().map(String::as_str).find(|item| !is_origin(item))
    }

    fn admits_without_origin(&self, caller: &Caller<'_>, anonymous: bool) -> bool {
        let headers = &caller.head.headers;
        if let Some(site) = headers.get(SEC_FETCH_SITE) {
            return site == "same-origin" || site == "none";
        }
        match headers.get(REFERER) {
            Some(referer) => self.admits_origin(referer.as_bytes(), caller),
            None => anonymous,
        }
    }

    /// Whether the origin of a URL is allowed.
    fn admits_origin(&self, url: &[u8], caller: &Caller<'_>) -> bool {
        if caller.host().is_some_and(|host| is_root_of(url, host)) {
            return true;
        }
        let url = str::from_utf8(url).ok();
        let Some(origin) = url.and_then(Origin::parse) else { return false };
        let listed = match self {
            Self::AllowList(list) => {
                list.iter().filter_map(|item| Origin::parse(item)).any(|item| item == origin)
            }
            _ => false,
        };
        listed || caller.host().is_some_and(|host| origin.is_of_host(host))
    }
}

/// Whether a URL is the root of a web server at that very host: what nearly all requests show, and
/// nothing that needs parsing.
fn is_root_of(url: &[u8], host: &[u8]) -> bool {
    let is_plain = |byte: &u8| IS_PLAIN.get(usize::from(*byte)) == Some(&true);
    let at = url.strip_prefix(b"http://").or_else(|| url.strip_prefix(b"https://"));
    at == Some(host) && !host.is_empty() && host.iter().all(is_plain)
}

/// The bytes of which names and ports consist.
#[expect(clippy::indexing_slicing, reason = "at compile time")]
static IS_PLAIN: [bool; 256] = {
    let mut is_plain = [false; 256];
    let mut byte = 0;
    while byte < is_plain.len() {
        let it = byte as u8;
        is_plain[byte] = it.is_ascii_alphanumeric() || matches!(it, b'.' | b'-' | b':');
        byte += 1;
    }
    is_plain
};

/// Scheme, host and port of a page (RFC 6454, section 4).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    /// The origin of an absolute URL; `null` and anything opaque has none.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let scheme = uri.scheme_str()?.to_ascii_lowercase();
        let port = uri.port_u16().or_else(|| default_port(&scheme))?;
        Some(Self { host: uri.host()?.to_ascii_lowercase(), port, scheme })
    }

    /// Whether a `Host` header's value names this origin. A server behind a proxy cannot know its
    /// own scheme, so a port that is left out is the default of the origin's scheme.
    fn is_of_host(&self, host: &[u8]) -> bool {
        let Ok(authority) = http::uri::Authority::try_from(host) else { return false };
        let port = authority.port_u16().or_else(|| default_port(&self.scheme));
        authority.host().eq_ignore_ascii_case(&self.host) && port == Some(self.port)
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn admits(policy: &OriginPolicy, headers: &[(&str, &str)]) -> bool {
        let mut request = Request::builder().header("Host", "example.com");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        policy.admits(&Caller::of(&request.body(()).unwrap().into_parts().0), true)
    }

    #[test]
    fn same_origin() {
        let policy = OriginPolicy::SameOrigin;
        for (name, value, admitted) in [
            ("Origin", "http://example.com", true),
            ("Origin", "https://EXAMPLE.com", true),
            ("Origin", "https://example.com:443", true),
            ("Origin", "http://example.com:8080", false),
            ("Origin", "http://evil.com", false),
            ("Origin", "http://example.com.evil.com", false),
            ("Origin", "null", false),
            ("Origin", "", false),
            ("Sec-Fetch-Site", "same-origin", true),
            ("Sec-Fetch-Site", "none", true),
            ("Sec-Fetch-Site", "same-site", false),
            ("Sec-Fetch-Site", "cross-site", false),
            ("Referer", "http://example.com/page?x", true),
            ("Referer", "http://evil.com/http://example.com", false),
            ("Accept", "*/*", true),
        ] {
            assert_eq!(admits(&policy, &[(name, value)]), admitted, "{name}: {value}");
        }
        let twice = [("Origin", "http://example.com"), ("Origin", "http://example.com")];
        assert!(!admits(&policy, &twice));
    }

    #[test]
    fn a_host_with_a_port() {
        let request = Request::builder().header("Host", "[::1]:8080");
        let head = request.header("Origin", "http://[::1]:8080").body(()).unwrap().into_parts().0;
        assert!(OriginPolicy::SameOrigin.admits(&Caller::of(&head), false));
    }

    #[test]
    fn anonymous_callers_can_be_refused() {
        let head = Request::builder().header("Host", "a").body(()).unwrap().into_parts().0;
        assert!(!OriginPolicy::SameOrigin.admits(&Caller::of(&head), false));
        assert!(OriginPolicy::Any.admits(&Caller::of(&head), false));
    }

    #[test]
    fn allow_lists_compare_whole_origins() {
        let policy = OriginPolicy::AllowList(vec!["https://app.example.org".into()]);
        assert!(admits(&policy, &[("Origin", "https://app.example.org")]));
        assert!(admits(&policy, &[("Origin", "http://example.com")]));
        for origin in ["http://app.example.org", "https://example.org", "https://app.example.org:1"]
        {
            assert!(!admits(&policy, &[("Origin", origin)]), "{origin}");
        }
    }
}
