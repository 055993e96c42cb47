//! Complete answers and their headers (PROTOCOL §2, §3 and §6).

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONTENT_LENGTH,
    CONTENT_TYPE, COOKIE, EXPIRES, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, SET_COOKIE,
    VARY,
};
use http::{Response, StatusCode};

use super::caller::Caller;
use super::date::imf_fixdate;
use crate::time::Timestamp;
use crate::wire::path::Resource;

pub(crate) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=UTF-8");

const YEAR: Duration = Duration::from_secs(31_536_000);

/// Longest `Access-Control-Request-Headers` that is answered (PROTOCOL §2).
const MAX_REQUEST_HEADERS_BYTES: usize = 1024;

/// The name of the cookie that load balancers look for.
const COOKIE_NAME: &str = "JSESSIONID";

/// What nearly all answers have, once the origin and the type of their content took the place of these. It
/// costs less to copy headers than to put them together.
static FOR_PAGES: LazyLock<HeaderMap> = LazyLock::new(|| {
    let mut answer = Answer::uncached();
    answer.set(VARY, HeaderValue::from_static("Origin"));
    answer.set(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    answer.set(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    answer.set(CONTENT_TYPE, TEXT);
    answer.headers
});

/// The headers that an answer will have, whatever it says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    headers: HeaderMap,
}

impl Answer {
    /// Lets nobody keep the response.
    pub(crate) fn uncached() -> Self {
        let mut answer = Self::default();
        answer.set(
            CACHE_CONTROL,
            const {
                HeaderValue::from_static(
                    "no-store, no-cache, no-transform, must-revalidate, max-age=0",
                )
            },
        );
        answer
    }

    /// Lets a response be kept for a year.
    pub(crate) fn cached(mut self, now: Timestamp) -> Self {
        self.set(CACHE_CONTROL, const { HeaderValue::from_static("public, max-age=31536000") });
        self.set_text(EXPIRES, &imf_fixdate(now + YEAR));
        self
    }

    /// For a request whose origin is allowed, of a resource with CORS: none of these may be kept. Plain text,
    /// until it is given another type.
    pub(crate) fn cors(caller: &Caller<'_>) -> Self {
        let mut answer = Self { headers: FOR_PAGES.clone() };
        match caller.origin {
            Some(origin) => answer.exchange(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()),
            None => drop(answer.headers.remove(ACCESS_CONTROL_ALLOW_CREDENTIALS)),
        }
        if let Some(names) = caller.announced
            && is_list_of_names(names)
        {
            answer.set(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
        }
        answer
    }

    /// The cookie for load balancers that stick by it.
    pub(crate) fn jsessionid(self, request: &HeaderMap) -> Self {
        let sent = cookies(request)
            .find(|(name, value)| *name == COOKIE_NAME && is_cookie_value(value))
            .map_or("dummy", |(_, value)| value);
        let cookie = HeaderValue::try_from(format!("{COOKIE_NAME}={sent}; path=/"));
        self.cookie(cookie.ok())
    }

    /// A `Set-Cookie` of the application's own making.
    pub(crate) fn cookie(mut self, value: Option<HeaderValue>) -> Self {
        if let Some(value) = value {
            self.headers.append(SET_COOKIE, value);
        }
        self
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The answer to `OPTIONS`; `self` has the CORS headers already.
    pub(crate) fn preflight(self, resource: Resource, now: Timestamp) -> Response<Bytes> {
        let mut answer = self.cached(now);
        answer.headers.remove(CONTENT_TYPE);
        answer.set(ACCESS_CONTROL_MAX_AGE, const { HeaderValue::from_static("31536000") });
        answer.set(
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static(resource.preflight_methods()),
        );
        answer.head(StatusCode::NO_CONTENT).map(|()| Bytes::new())
    }

    /// 405, with the methods that are taken.
    pub(crate) fn method_not_allowed(self, allow: &'static str) -> Response<Bytes> {
        self.header(ALLOW, HeaderValue::from_static(allow))
            .complete(StatusCode::METHOD_NOT_ALLOWED, Bytes::new())
    }

    /// 503, to be tried again later.
    pub(crate) fn unavailable(self, line: &'static str) -> Response<Bytes> {
        self.header(RETRY_AFTER, const { HeaderValue::from_static("5") })
            .text(StatusCode::SERVICE_UNAVAILABLE, line)
    }

    /// A line of text.
    pub(crate) fn text(self, status: StatusCode, line: impl Into<Bytes>) -> Response<Bytes> {
        self.header(CONTENT_TYPE, TEXT).complete(status, line.into())
    }

    /// A complete response with its length.
    pub(crate) fn complete(mut self, status: StatusCode, body: Bytes) -> Response<Bytes> {
        self.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        self.head(status).map(|()| body)
    }

    /// A response's head without a body or a length.
    pub(crate) fn head(self, status: StatusCode) -> Response<()> {
        let mut response = Response::new(());
        *response.status_mut() = status;
        *response.headers_mut() = self.headers;
        response
    }

    /// Puts another value in place of one that there is, which costs less than to insert it.
    fn exchange(&mut self, name: HeaderName, value: HeaderValue) {
        let place = self.headers.get_mut(name);
        debug_assert!(place.is_some(), "there is nothing to be exchanged");
        if let Some(place) = place {
            *place = value;
        }
    }

    fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers.insert(name, value);
    }

    fn set_text(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::try_from(value) {
            self.headers.insert(name, value);
        }
    }
}

/// The cookies of a request, as they were sent, without quotes around their values.
pub(crate) fn cookies(request: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    request.get_all(COOKIE).iter().flat_map(|line| cookie_pairs(line.as_bytes()))
}

/// The pairs of one `Cookie` header. What is not UTF-8 spoils its own pair alone.
pub(crate) fn cookie_pairs(line: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    line.split(|byte| *byte == b';').filter_map(|pair| {
        let (name, value) = str::from_utf8(pair).ok()?.split_once('=')?;
        let value = value.trim();
        let bare = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
        Some((name.trim(), bare.unwrap_or(value)))
    })
}

/// RFC 6265, section 4.1.1: `cookie-octet`, at least one.
fn is_cookie_value(value: &str) -> bool {
    let is_octet = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b',' | b';' | b'\\');
    !value.is_empty() && value.bytes().all(is_octet)
}

fn is_list_of_names(value: &HeaderValue) -> bool {
    value.len() <= MAX_REQUEST_HEADERS_BYTES
        && value.as_bytes().split(|b| *b == b',').all(|name| {
            let name = name.trim_ascii();
            HeaderName::from_bytes(name).is_ok()
        })
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http::header::ACCESS_CONTROL_REQUEST_HEADERS;

    use super::*;

    fn request(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::try_from(value).unwrap())])
    }

    #[test]
    fn requested_headers_come_back_only_if_they_are_names() {
        let (longest, long) = ("x".repeat(1024), "x".repeat(1025));
        for (asked, answered) in [
            ("a, X-b", true),
            ("a", true),
            ("", false),
            ("a,,b", false),
            ("a b", false),
            ("a: b", false),
            (longest.as_str(), true),
            (long.as_str(), false),
        ] {
            let mut head = Request::new(()).into_parts().0;
            head.headers = request(ACCESS_CONTROL_REQUEST_HEADERS, asked);
            let answer = Answer::cors(&Caller::of(&head));
            assert_eq!(
                answer.headers.contains_key(ACCESS_CONTROL_ALLOW_HEADERS),
                answered,
                "{asked}"
            );
        }
    }

    #[test]
    fn cookies_that_could_break_the_header_become_dummy() {
        for (sent, set) in [
            ("JSESSIONID=abc", "abc"),
            ("name=\u{e4}; JSESSIONID=abc", "abc"),
            ("a=b; JSESSIONID=x=y", "x=y"),
            ("JSESSIONID=\"q\"", "q"),
            ("JSESSIONID=", "dummy"),
            ("JSESSIONID=a b", "dummy"),
            ("JSESSIONID=a,b", "dummy"),
            ("jsessionid=abc", "dummy"),
        ] {
            let answer = Answer::default().jsessionid(&request(COOKIE, sent));
            assert_eq!(answer.headers[SET_COOKIE], format!("JSESSIONID={set}; path=/"), "{sent}");
        }
    }
}
