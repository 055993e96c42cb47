//! The command line.

use std::time::Duration;

use lexopt::prelude::*;

use crate::Result;
use crate::dialect::Dialect;
use crate::session::{Target, Transport};
use crate::text::Kind;

/// What the generator can do.
pub const USAGE: &str = "\
sockjs-bench WORKLOAD --url http://HOST:PORT/PREFIX [OPTION VALUE]...

Workloads:
  echo       each session sends messages and expects them back
  broadcast  the first session sends messages, each session expects them all
  churn      sessions are opened and closed; with --transport xhr, of a service that closes at once
  idle       sessions are opened and left in a --state; the server's memory is measured

Options:
  --transport  websocket, xhr_streaming, xhr, or post (a request answered with its body)  [websocket]
  --dialect    sockjs, engineio, or plain (no framing above WebSocket or HTTP)  [sockjs]
  --sessions   how many  [100]
  --in-flight  messages of one session, or broadcasts, under way at a time  [1]
  --window     echo: messages of all sessions under way at a time, sessions taking turns
  --rate       echo: messages a second of all sessions, sent when due, whatever is under way
  --size       bytes of a message  [64]
  --text       ascii, utf8, or escaped (JSON escapes each character)  [ascii]
  --warmup     seconds before it counts  [1]
  --seconds    seconds that count; with idle, how long sessions are kept  [3]
               Both are of the server's processor time, if --server-pid is given and --rate is not
  --state      idle: open, used (has echoed one message), parked (a poll waits),
               detached (opened by a poll, no request waits)  [open]
  --server-pid the server's process, on this machine: its processor time and memory are reported
  --json       write the report as JSON: this option has no value
";

/// Which load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    Echo,
    Broadcast,
    Churn,
    Idle,
}

/// What an idle session has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    Used,
    Parked,
    Detached,
}

/// What to do.
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) workload: Workload,
    pub(crate) target: Target,
    pub(crate) sessions: usize,
    pub(crate) in_flight: usize,
    pub(crate) window: Option<usize>,
    pub(crate) rate: Option<f64>,
    pub(crate) bytes: usize,
    pub(crate) kind: Kind,
    pub(crate) warmup: Duration,
    pub(crate) duration: Duration,
    pub(crate) state: State,
    pub(crate) server: Option<i32>,
    pub(crate) json: bool,
}

impl Options {
    /// Whether the report is to be written as JSON.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Reads the command line.
    ///
    /// # Errors
    /// What is wrong, in words for the person who typed it.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut parser = lexopt::Parser::from_args(arguments);
        let mut options = Self::default();
        let mut has_workload = false;
        while let Some(argument) = parser.next()? {
            match argument {
                Value(name) if !has_workload => {
                    options.workload = workload(&name.string()?)?;
                    has_workload = true;
                }
                Long("json") => options.json = true,
                Long(name) => {
                    let name = name.to_owned();
                    options.set(&name, &parser.value()?.string()?)?;
                }
                _ => return Err(argument.unexpected().into()),
            }
        }
        if !has_workload || options.target.host.is_empty() {
            return Err(format!("a workload and --url are needed\n\n{USAGE}").into());
        }
        options.target.keeps_polling = options.state != State::Detached;
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "url" => (self.target.host, self.target.path) = url(value)?,
            "transport" => self.target.transport = Transport::parse(value)?,
            "dialect" => self.target.dialect = Dialect::parse(value)?,
            "sessions" => self.sessions = value.parse()?,
            "in-flight" => self.in_flight = value.parse()?,
            "window" => self.window = Some(value.parse()?),
            "rate" => self.rate = Some(value.parse()?),
            "size" => self.bytes = value.parse()?,
            "text" => self.kind = Kind::parse(value)?,
            "warmup" => self.warmup = Duration::try_from_secs_f64(value.parse()?)?,
            "seconds" => self.duration = Duration::try_from_secs_f64(value.parse()?)?,
            "state" => self.state = state(value)?,
            "server-pid" => self.server = Some(value.parse()?),
            _ => return Err(format!("--{name}: no such option").into()),
        }
        Ok(())
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workload: Workload::Echo,
            target: Target {
                host: String::new(),
                path: String::new(),
                dialect: Dialect::SockJs,
                transport: Transport::Websocket,
                keeps_polling: true,
            },
            sessions: 100,
            in_flight: 1,
            window: None,
            rate: None,
            bytes: 64,
            kind: Kind::Ascii,
            warmup: Duration::from_secs(1),
            duration: Duration::from_secs(3),
            state: State::Open,
            server: None,
            json: false,
        }
    }
}

fn workload(name: &str) -> Result<Workload> {
    match name {
        "echo" => Ok(Workload::Echo),
        "broadcast" => Ok(Workload::Broadcast),
        "churn" => Ok(Workload::Churn),
        "idle" => Ok(Workload::Idle),
        _ => Err(format!("no such workload: {name}; known: echo, broadcast, churn, idle").into()),
    }
}

fn state(name: &str) -> Result<State> {
    match name {
        "open" => Ok(State::Open),
        "used" => Ok(State::Used),
        "parked" => Ok(State::Parked),
        "detached" => Ok(State::Detached),
        _ => Err(format!("no such state: {name}; known: open, used, parked, detached").into()),
    }
}

/// Host with port, and path.
fn url(url: &str) -> Result<(String, String)> {
    let rest = url.strip_prefix("http://").ok_or("the URL must begin with http://")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let path = path.trim_end_matches('/');
    let path = if path.is_empty() { String::new() } else { format!("/{path}") };
    Ok((host.to_owned(), path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(line.split(' ').map(str::to_owned))
    }

    #[test]
    fn options_are_read() {
        let options = parse("churn --url http://h:1/a/b/ --sessions 7").unwrap();
        assert_eq!(options.workload, Workload::Churn);
        assert_eq!((options.target.host.as_str(), options.target.path.as_str()), ("h:1", "/a/b"));
        assert_eq!(options.sessions, 7);
    }

    #[test]
    fn mistakes_are_named() {
        assert!(parse("echo").is_err());
        assert!(parse("dance --url http://h:1/echo").is_err());
        let unknown = parse("echo --url http://h:1/echo --nonsense 1").unwrap_err();
        assert_eq!(unknown.to_string(), "--nonsense: no such option");
    }
}
