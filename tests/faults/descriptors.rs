//! More connections than the process may have descriptors.

use std::time::{Duration, Instant};

use sockjs_tests::client::frame_of;

use crate::faults::support::{Subject, eventually, reset, timed};

const LIMIT: usize = 200;

/// The part of the time that the server may be busy with nothing to do.
const BUSY: f64 = 0.25;

/// How long it is watched.
const WATCHED: Duration = Duration::from_secs(2);

#[test]
fn accepting_rests_and_recovers() {
    let subject = Subject::start(|settings| settings.descriptors = Some(LIMIT as u64));
    let mut before = subject.server().websocket_session("/echo");
    // Those that are not accepted wait in the backlog.
    let sockets: Vec<_> = (0..2 * LIMIT).map(|_| subject.socket()).collect();
    eventually("all descriptors are used", || subject.usage().descriptors >= LIMIT);

    let (start, busy) = (Instant::now(), subject.usage().processor);
    std::thread::sleep(WATCHED);
    let (watched, busy) = (start.elapsed(), subject.usage().processor - busy);
    eprintln!("at the limit: busy for {busy:?} of {watched:?}");
    assert!(busy.as_secs_f64() < BUSY * watched.as_secs_f64(), "busy for {busy:?} of {watched:?}");

    // Those that are in are served.
    before.send_text(r#"["still there?"]"#);
    before.expect_text(&frame_of(&["still there?"]));
    drop(before);
    sockets.into_iter().for_each(reset);
    timed("back from the limit", || subject.expect_recovered());
    assert!(subject.descriptors_at_start() < LIMIT / 2);
}
