//! The files of the pages, compiled into the program.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::routing::get;

struct File {
    path: &'static str,
    content_type: &'static str,
    content: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// A file of this directory, served under `/demo/` by its name.
macro_rules! file {
    ($name:literal, $content_type:expr) => {
        File {
            path: concat!("/demo/", $name),
            content_type: $content_type,
            content: include_bytes!($name),
        }
    };
}

const FILES: [File; 22] = [
    File { path: "/", content_type: HTML, content: include_bytes!("index.html") },
    File { path: "/stats", content_type: HTML, content: include_bytes!("stats.html") },
    file!("style.css", CSS),
    file!("chat.css", CSS),
    file!("connection.css", CSS),
    file!("frames.css", CSS),
    file!("stats.css", CSS),
    file!("transports.css", CSS),
    file!("main.js", SCRIPT),
    file!("chart.js", SCRIPT),
    file!("chat.js", SCRIPT),
    file!("connection.js", SCRIPT),
    file!("frames.js", SCRIPT),
    file!("plot.js", SCRIPT),
    file!("stats.js", SCRIPT),
    file!("stick.js", SCRIPT),
    file!("taps.js", SCRIPT),
    file!("transports.js", SCRIPT),
    file!("icon.svg", SVG),
    file!("vendor/sockjs.min.js", SCRIPT),
    file!("vendor/LICENSE.sockjs-client", TEXT),
    file!("vendor/README.md", TEXT),
];

/// Serves the pages at `/` and `/stats`, and what they need under `/demo/`.
pub(crate) fn router() -> Router {
    FILES.iter().fold(Router::new(), |router, file| {
        let headers = [(CONTENT_TYPE, file.content_type), (CACHE_CONTROL, "no-cache")];
        router.route(file.path, get(move || async move { (headers, file.content) }))
    })
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest, Sha384};

    use super::*;

    const PAGES: [&str; 2] = [include_str!("index.html"), include_str!("stats.html")];
    const CLIENT: &str = "demo/vendor/sockjs.min.js";

    fn content_of(path: &str) -> Option<&'static [u8]> {
        FILES.iter().find(|file| file.path.trim_start_matches('/') == path).map(|file| file.content)
    }

    #[test]
    fn the_client_is_the_one_that_the_pages_expect() {
        let digest = Sha384::digest(content_of(CLIENT).unwrap());
        let tag = format!("src=\"{CLIENT}\" integrity=\"sha384-{}\"", STANDARD.encode(digest));
        assert!(PAGES.iter().all(|page| page.contains(&tag)), "{tag} is not in each page");
    }

    #[test]
    fn all_that_the_pages_name_is_served() {
        let texts = PAGES.iter().flat_map(|page| page.split('"'));
        let named: Vec<_> = texts.filter(|text| text.starts_with("demo/")).collect();
        assert!(named.len() >= 12, "{named:?}");
        for path in named {
            assert!(content_of(path).is_some(), "{path}");
        }
    }

    #[test]
    fn all_modules_are_served() {
        let scripts = FILES
            .iter()
            .filter(|file| file.path.starts_with("/demo/") && file.path.ends_with(".js"));
        for file in scripts.filter(|file| !file.path.contains("/vendor/")) {
            let script = std::str::from_utf8(file.content).unwrap();
            for import in script.lines().filter(|line| line.starts_with("import ")) {
                let module = import.split('\'').nth(1).unwrap().replace("./", "demo/");
                assert!(content_of(&module).is_some(), "{} imports {module}", file.path);
            }
        }
    }
}
