//! The callback of htmlfile and jsonp (PROTOCOL §4, *CB*).

use super::transport::Transport;

/// Longest callback of htmlfile, in bytes (DESIGN §5).
const MAX_BYTES: usize = 64;
/// Longest callback of jsonp, in bytes (DESIGN §5).
const MAX_JSONP_BYTES: usize = 32;

/// The name of a JavaScript function of the client, safe to be written into a script.
// Invariant: every byte is one of `[A-Za-z0-9-_.]`, and there is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback(Box<str>);

/// Why a callback was refused. Its text is what the client is answered; it never holds the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallbackError {
    /// Missing or empty.
    #[error("\"callback\" parameter required")]
    Missing,
    /// Too long, or with a byte that a name may not have.
    #[error("invalid \"callback\" parameter")]
    Invalid,
}

impl Callback {
    /// Reads the callback that `transport` wants from a query: the first `c`, else the first
    /// `callback`. `None` if the transport wants none.
    ///
    /// # Errors
    /// If the transport wants one and the query has none that is safe.
    pub fn parse(query: Option<&str>, transport: Transport) -> Result<Option<Self>, CallbackError> {
        if !transport.wants_callback() {
            return Ok(None);
        }
        let query = query.unwrap_or_default();
        let value = field(query, "c").or_else(|| field(query, "callback"));
        let value = value.filter(|v| !v.is_empty()).ok_or(CallbackError::Missing)?;
        let limit = if transport == Transport::Jsonp { MAX_JSONP_BYTES } else { MAX_BYTES };
        if value.len() > limit || !value.bytes().all(is_name_byte) {
            return Err(CallbackError::Invalid);
        }
        Ok(Some(Self(value.into())))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

fn field<'q>(query: &'q str, name: &str) -> Option<std::borrow::Cow<'q, str>> {
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value)
}

const fn is_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<String, CallbackError> {
        Callback::parse(Some(query), Transport::HtmlFile).map(|c| c.unwrap().0.into())
    }

    #[test]
    fn names() {
        assert_eq!(parse("x=1&c=%63allback&c=b").unwrap(), "callback");
        assert_eq!(parse("callback=a.b-c_D9").unwrap(), "a.b-c_D9");
        assert_eq!(parse("callback=a&c=b").unwrap(), "b");
        assert_eq!(Callback::parse(None, Transport::Xhr), Ok(None));
    }

    #[test]
    fn refusals() {
        for missing in ["", "c=", "d=x", "C=x"] {
            assert_eq!(parse(missing), Err(CallbackError::Missing), "{missing}");
        }
        for invalid in ["c=a+b", "c=alert(1)", "c=%0a", "c=ä", "c=%ff", "c=a%00", "c=a;b"] {
            assert_eq!(parse(invalid), Err(CallbackError::Invalid), "{invalid}");
        }
        assert_eq!(Callback::parse(None, Transport::Jsonp), Err(CallbackError::Missing));
    }

    #[test]
    fn lengths() {
        let parse = |len, transport| {
            Callback::parse(Some(&format!("c={}", "x".repeat(len))), transport).is_ok()
        };
        assert!(parse(64, Transport::HtmlFile) && !parse(65, Transport::HtmlFile));
        assert!(parse(32, Transport::Jsonp) && !parse(33, Transport::Jsonp));
    }
}
