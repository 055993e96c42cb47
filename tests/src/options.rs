//! The command line of the conformance server.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use sockjs_driver::Recording;

/// What the conformance server was asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// The adapter to run on.
    pub runtime: String,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Heartbeat delay of all services.
    pub heartbeat: Duration,
    /// Disconnect delay of all services.
    pub disconnect: Duration,
    /// Response limit of `/echo` and `/broadcast`.
    pub response_limit: usize,
    /// How long a request's body may take.
    pub body_timeout: Duration,
    /// How long a request's head may take.
    pub head_timeout: Duration,
    /// How long sessions may take to end after the first SIGTERM.
    pub drain: Duration,
    /// Where the iframe page finds its client.
    pub client_url: String,
    /// The node's name, for tests behind proxies: services then set `JSESSIONID`, and have clients go
    /// on at `http://{Host}/{node}{prefix}`.
    pub node: Option<String>,
    /// Where the trace of all services goes, if it is recorded.
    pub record: Option<PathBuf>,
    /// Whether text and secrets are left out of it.
    pub redacted: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            runtime: "tokio".into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 8081)),
            heartbeat: Duration::from_secs(25),
            disconnect: Duration::from_secs(5),
            response_limit: 4096,
            body_timeout: Duration::from_secs(15),
            head_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(1),
            client_url: "/sockjs.min.js".into(),
            node: None,
            record: None,
            redacted: false,
        }
    }
}

impl Options {
    /// Reads pairs of `--name value`.
    ///
    /// # Errors
    /// What is wrong, in words for the person who typed it.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name}: a value must follow"))?;
            let unreadable = || format!("{name}: cannot read {value:?}");
            match name.as_str() {
                "--runtime" => options.runtime = value,
                "--listen" => options.listen = value.parse().map_err(|_| unreadable())?,
                "--heartbeat" => options.heartbeat = duration(&value).ok_or_else(unreadable)?,
                "--disconnect" => options.disconnect = duration(&value).ok_or_else(unreadable)?,
                "--response-limit" => {
                    options.response_limit = value.parse().map_err(|_| unreadable())?;
                }
                "--body-timeout" => {
                    options.body_timeout = duration(&value).ok_or_else(unreadable)?;
                }
                "--head-timeout" => {
                    options.head_timeout = duration(&value).ok_or_else(unreadable)?;
                }
                "--drain" => options.drain = duration(&value).ok_or_else(unreadable)?,
                "--client-url" => options.client_url = value,
                "--node" => options.node = Some(value),
                "--record" => (options.record, options.redacted) = (Some(value.into()), false),
                "--record-redacted" => {
                    (options.record, options.redacted) = (Some(value.into()), true);
                }
                _ => return Err(format!("{name}: no such option")),
            }
        }
        Ok(options)
    }
}

impl Options {
    /// The recording that is asked for.
    ///
    /// # Errors
    /// If its file cannot be made.
    pub fn recording(&self) -> io::Result<Option<Recording>> {
        let Some(path) = &self.record else { return Ok(None) };
        let file = File::create(path)?;
        Ok(Some(if self.redacted { Recording::redacted(file) } else { Recording::new(file) }))
    }
}

/// `25s` or `200ms`.
fn duration(text: &str) -> Option<Duration> {
    match text.strip_suffix("ms") {
        Some(millis) => millis.parse().ok().map(Duration::from_millis),
        None => text.strip_suffix('s')?.parse().ok().map(Duration::from_secs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split(' ').map(str::to_owned))
    }

    #[test]
    fn options_are_read() {
        let options = parse("--heartbeat 200ms --disconnect 7s --response-limit 10").unwrap();
        assert_eq!(options.heartbeat, Duration::from_millis(200));
        assert_eq!(options.disconnect, Duration::from_secs(7));
        assert_eq!(options.response_limit, 10);
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(parse("--heartbeat 5").unwrap_err(), "--heartbeat: cannot read \"5\"");
        assert_eq!(parse("--nonsense 5").unwrap_err(), "--nonsense: no such option");
        assert_eq!(parse("--listen").unwrap_err(), "--listen: a value must follow");
    }
}
