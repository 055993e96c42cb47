//! Servers shared by the tests, and what many answers have in common.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use sockjs_tests::client::{Head, PATIENCE, Receiver, Session, Transport};
use sockjs_tests::server::Server;

use crate::adapter;

/// An echo service with the default response limit of 128 KiB.
pub(crate) const WIDE_ECHO: &str = "/disabled_websocket_echo";

/// The response limit of `/echo`.
pub(crate) const LIMIT_BYTES: usize = 4096;

/// Bytes that one request body or WebSocket message may have.
pub(crate) const BODY_LIMIT_BYTES: usize = 2 * 1024 * 1024;

/// The close frame of a session whose receiver broke off.
pub(crate) const INTERRUPTED: &str = r#"c[1002,"Connection interrupted"]"#;

/// What a second receiver is told.
pub(crate) const STILL_OPEN: &str = r#"c[2010,"Another connection still open"]"#;

/// The close frame of `/close`.
pub(crate) const GO_AWAY: &str = r#"c[3000,"Go away!"]"#;

const NO_CACHING: &str = "no-store, no-cache, no-transform, must-revalidate, max-age=0";
const STRONG_CACHING: &str = "public, max-age=31536000";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The usual server. Its disconnect delay is far beyond any deadline here, so that a session never
/// ends because a machine is busy, and an end that is noticed was not just an expiry.
pub(crate) fn server() -> Arc<Server> {
    server_with(&["--disconnect", "60s"])
}

/// The server with these options, shared by all tests that run with them at the same time.
pub(crate) fn server_with(options: &[&str]) -> Arc<Server> {
    static SERVERS: Mutex<BTreeMap<String, Weak<Server>>> = Mutex::new(BTreeMap::new());
    let mut servers = SERVERS.lock().unwrap_or_else(PoisonError::into_inner);
    let shared = servers.entry(options.join(" ")).or_default();
    shared.upgrade().unwrap_or_else(|| {
        let server = Arc::new(own_server(options));
        *shared = Arc::downgrade(&server);
        server
    })
}

/// A server that no other test sees.
pub(crate) fn own_server(options: &[&str]) -> Server {
    let limit = LIMIT_BYTES.to_string();
    let mut arguments = vec!["--runtime", adapter::RUNTIME, "--listen", "127.0.0.1:0"];
    arguments.extend(["--response-limit", limit.as_str()]);
    arguments.extend(options);
    Server::start(adapter::PROGRAM, &arguments)
}

/// Asks again and again until the answer is yes.
#[track_caller]
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A poll that is surely attached: of two, one is told so.
#[track_caller]
pub(crate) fn waiting_poll(session: &Session, transport: Transport) -> Receiver {
    session.waiting_poll(transport)
}

/// Waits until sends say that the session is gone, which they may not delay; returns when.
#[track_caller]
pub(crate) fn wait_until_gone(session: &Session) -> Instant {
    eventually("the session is gone", || match session.xhr_send("[]").status() {
        204 => false,
        404 => true,
        status => panic!("a send was answered {status}"),
    });
    Instant::now()
}

/// §2, no caching.
#[track_caller]
pub(crate) fn expect_no_caching(head: &Head) {
    head.expect_header("Cache-Control", NO_CACHING)
        .expect_no_header("Expires")
        .expect_no_header("Last-Modified");
}

/// §2, strong caching.
#[track_caller]
pub(crate) fn expect_strong_caching(head: &Head) {
    head.expect_header("Cache-Control", STRONG_CACHING).expect_no_header("Last-Modified");
    let expires = head.get("Expires").unwrap_or_else(|| panic!("no Expires in\n{head}"));
    let expires = read_date(expires).unwrap_or_else(|| panic!("no IMF-fixdate: {expires:?}"));
    let ahead = expires.saturating_sub(now());
    assert!(ahead > 364 * DAY && ahead < 367 * DAY, "Expires is {ahead:?} ahead in\n{head}");
}

/// §2, CORS for a request with this `Origin`.
#[track_caller]
pub(crate) fn expect_cors(head: &Head, origin: Option<&str>) {
    head.expect_header("Vary", "Origin");
    head.expect_header("Access-Control-Allow-Origin", origin.unwrap_or("*"));
    match origin {
        Some(_) => head.expect_header("Access-Control-Allow-Credentials", "true"),
        None => head.expect_no_header("Access-Control-Allow-Credentials"),
    };
}

/// No header of CORS at all.
#[track_caller]
pub(crate) fn expect_no_cors(head: &Head) {
    for (name, _) in head.headers() {
        let is_cors = name.to_ascii_lowercase().starts_with("access-control-");
        assert!(!is_cors, "{name} in\n{head}");
    }
}

/// An empty 405 with this `Allow`.
#[track_caller]
pub(crate) fn expect_method_not_allowed(head: &Head, allow: &str) {
    head.expect_status(405)
        .expect_header("Allow", allow)
        .expect_header("Content-Length", "0")
        .expect_no_header("Content-Type");
    expect_no_cors(head);
}

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970")
}

/// An IMF-fixdate, `Sun, 06 Nov 1994 08:49:37 GMT`, since the epoch.
fn read_date(text: &str) -> Option<Duration> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    if text.len() != 29 || !text.ends_with(" GMT") || text.get(3..5) != Some(", ") {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let month = MONTHS.find(text.get(8..11)?).filter(|at| at % 3 == 0)? as u64 / 3 + 1;
    let (day, year) = (number(5, 7)?, number(12, 16)?);
    let days = days_since_epoch(year, month, day);
    let weekday = WEEKDAYS.get(usize::try_from(days % 7).ok()?)?;
    let seconds = number(17, 19)? * 3600 + number(20, 22)? * 60 + number(23, 25)?;
    text.starts_with(weekday)
        .then(|| DAY * u32::try_from(days).unwrap_or(0))
        .map(|date| date + Duration::from_secs(seconds))
}

/// Days from 1970-01-01 in the Gregorian calendar, years counted from March.
fn days_since_epoch(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[test]
fn dates_are_read() {
    assert_eq!(read_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(784_111_777)));
    assert_eq!(read_date("Mon, 06 Nov 1994 08:49:37 GMT"), None);
    assert_eq!(read_date("Sunday, 06-Nov-94 08:49:37 GMT"), None);
}
