//! The cross-domain iframe page (PROTOCOL §3).

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use http::{Response, StatusCode};

use super::answer::Answer;
use crate::time::Timestamp;

/// The page of one service, made once.
#[derive(Clone, Debug)]
pub(crate) struct IframePage {
    html: Bytes,
    etag: HeaderValue,
}

impl IframePage {
    pub(crate) fn new(client_url: &str) -> Self {
        let html = format!(
            r#"<!DOCTYPE html>
<html>
<head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
  <script src="{}"></script>
  <script>
    document.domain = document.domain;
    SockJS.bootstrap_iframe();
  </script>
</head>
<body>
  <h2>Don't panic!</h2>
  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>
</body>
</html>"#,
            escaped(client_url)
        );
        let digest = sha1_smol::Sha1::from(html.as_bytes()).digest();
        let etag = HeaderValue::try_from(format!("\"{digest}\""))
            .unwrap_or(HeaderValue::from_static("\"iframe\""));
        Self { html: html.into(), etag }
    }

    /// The page, or 304 if the client has it.
    pub(crate) fn respond(&self, request: &HeaderMap, now: Timestamp) -> Response<Bytes> {
        let answer = Answer::default().cached(now).header(ETAG, self.etag.clone());
        if self.is_known(request) {
            return answer.head(StatusCode::NOT_MODIFIED).map(|()| Bytes::new());
        }
        answer
            .header(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=UTF-8"))
            .complete(StatusCode::OK, self.html.clone())
    }

    /// `If-None-Match` compares weakly (RFC 9110, section 13.1.2). Our tag holds no comma, so a
    /// list may be split at every one of them.
    fn is_known(&self, request: &HeaderMap) -> bool {
        let tags = request.get_all(IF_NONE_MATCH).iter();
        tags.flat_map(|value| value.as_bytes().split(|b| *b == b',')).any(|tag| {
            let tag = tag.trim_ascii();
            tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == self.etag.as_bytes()
        })
    }
}

/// Text as it may stand in an attribute's value.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut html, c| {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
        html
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_url_cannot_leave_its_attribute() {
        let page = IframePage::new("/a?b&c=\"><script>'");
        let html = std::str::from_utf8(&page.html).unwrap();
        assert!(html.contains("src=\"/a?b&amp;c=&quot;&gt;&lt;script&gt;&#39;\""));
    }

    #[test]
    fn tags_compare_weakly_in_lists() {
        let page = IframePage::new("/sockjs.min.js");
        let tag = page.etag.to_str().unwrap();
        let status = |value: &str| {
            let headers =
                HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::try_from(value).unwrap())]);
            page.respond(&headers, Timestamp::EPOCH).status()
        };
        for known in [tag.to_owned(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".into()] {
            assert_eq!(status(&known), StatusCode::NOT_MODIFIED, "{known}");
        }
        for unknown in ["\"x\"", "", tag.trim_matches('"')] {
            assert_eq!(status(unknown), StatusCode::OK, "{unknown}");
        }
    }
}
