//! Thousands of sockets whose requests never get complete.

use std::io::Write;
use std::time::Duration;

use crate::faults::support::{Subject, eventually, read_to_end, timed};

const SOCKETS: usize = 5_000;

/// What a new client may have to wait meanwhile.
const SERVICE_TIME: Duration = Duration::from_millis(100);

#[test]
fn five_thousand_do_not_delay_a_new_client() {
    // Long enough for all of them to be there at once.
    let subject = Subject::start(|settings| settings.head_timeout = Duration::from_secs(10));
    let sockets: Vec<_> = timed("5,000 sockets open", || {
        let open = |_| {
            let mut socket = subject.socket();
            socket.write_all(b"GET /echo/info HTTP/1.1\r\nHost: loc").expect("sent");
            socket
        };
        (0..SOCKETS).map(open).collect()
    });
    eventually("all are accepted", || subject.account().connections == SOCKETS as u64);
    let each = subject.account().heap.bytes / SOCKETS;
    // Each byte wakes its connection.
    for mut socket in &sockets {
        socket.write_all(b"a").expect("sent");
    }
    let median = subject.median_service_time();
    eprintln!("{each} bytes each; a new client waits {median:?}");
    assert!(median < SERVICE_TIME, "a new client waits {median:?}");
    timed("5,000 sockets are dismissed", || {
        for socket in &sockets {
            let answer = read_to_end(socket);
            assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", answer.escape_ascii());
        }
    });
    subject.expect_recovered();
}
