//! What the headers of a request tell of whoever calls.

use http::header::{ACCESS_CONTROL_REQUEST_HEADERS, HOST, HeaderValue, ORIGIN};
use http::request;

/// What every route asks for. One look over all headers costs less than a search for each of these.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller<'h> {
    pub(crate) head: &'h request::Parts,
    /// The origin of the page behind the request: the first one, if there are several.
    pub(crate) origin: Option<&'h HeaderValue>,
    /// No browser sends more than one.
    pub(crate) has_more_origins: bool,
    /// `Access-Control-Request-Headers`.
    pub(crate) announced: Option<&'h HeaderValue>,
    host: Option<&'h HeaderValue>,
}

impl<'h> Caller<'h> {
    pub(crate) fn of(head: &'h request::Parts) -> Self {
        let mut caller =
            Self { head, origin: None, has_more_origins: false, announced: None, host: None };
        for (name, value) in &head.headers {
            if *name == ORIGIN {
                caller.has_more_origins |= caller.origin.is_some();
                caller.origin.get_or_insert(value);
            } else if *name == HOST {
                caller.host.get_or_insert(value);
            } else if *name == ACCESS_CONTROL_REQUEST_HEADERS {
                caller.announced.get_or_insert(value);
            }
        }
        caller
    }

    /// The host that the request names: its target's, else its `Host` header's.
    pub(crate) fn host(&self) -> Option<&'h [u8]> {
        match self.head.uri.authority() {
            Some(authority) => Some(authority.as_str().as_bytes()),
            None => self.host.map(HeaderValue::as_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn the_first_of_several_headers_counts() {
        let request = Request::builder()
            .header("Host", "a")
            .header("Origin", "http://a")
            .header("Access-Control-Request-Headers", "x-a")
            .header("Host", "b")
            .header("Origin", "http://b")
            .header("Access-Control-Request-Headers", "x-b");
        let head = request.body(()).unwrap().into_parts().0;
        let caller = Caller::of(&head);
        assert_eq!(caller.origin.unwrap(), "http://a");
        assert!(caller.has_more_origins);
        assert_eq!(caller.announced.unwrap(), "x-a");
        assert_eq!(caller.host(), Some(&b"a"[..]));
    }

    #[test]
    fn the_host_of_the_target_comes_first() {
        let request = Request::builder().uri("http://b/echo").header("Host", "a");
        let head = request.body(()).unwrap().into_parts().0;
        assert_eq!(Caller::of(&head).host(), Some(&b"b"[..]));
    }
}
