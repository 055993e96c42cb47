//! Clients that never read: they fill their own budget and nothing else.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use sockjs_core::Cause;
use sockjs_tests::client::{Frame, Opcode, Request, Session, WebSocket};

use crate::faults::support::{Subject, eventually, kib, request, shake_hands, timed};

/// 200 MiB, in messages.
const OFFERED: &str = "count=3200&bytes=65536";

const MIB: usize = 1 << 20;

/// Its outbox and its window, a frame in the connection's buffers, and a message in the handler's
/// hands in both its forms.
const SESSION_BUDGET_BYTES: usize = MIB + 4 * (128 << 10);

/// What the allocator may need beside what is allocated, for its arenas.
const ALLOCATOR_BYTES: u64 = 24 << 20;

fn request_and_leave(subject: &Subject, wanted: &Request) -> TcpStream {
    let stream = subject.tight_socket();
    request(&stream, wanted);
    stream
}

#[test]
fn two_hundred_mib_for_each() {
    let subject = Subject::start(|settings| {
        settings.send_buffer_bytes = Some(64 << 10);
        settings.write_stall = Duration::from_secs(3);
    });
    let before = subject.account();
    let mut sockets = Vec::new();
    for how in ["try", "wait"] {
        let session = || Session::new(subject.address(), "/flood");
        let target = |name: &str| session().target(&format!("{name}?{OFFERED}&how={how}"));
        sockets.push(request_and_leave(&subject, &Request::post(target("xhr_streaming"))));
        sockets.push(request_and_leave(&subject, &WebSocket::request(target("websocket"))));
        // This one never comes back for its messages.
        session().exchange(&Request::post(target("xhr"))).expect_body("o\n");
    }
    timed("six clients offered 200 MiB each", || {
        eventually("all have ended", || {
            let account = subject.account();
            account.opened == before.opened + 6 && account.closed == account.opened
        });
    });
    let (peak, resident) = (subject.peak_growth_bytes(), subject.resident_growth_bytes());
    let budget = 6 * SESSION_BUDGET_BYTES;
    eprintln!(
        "the heap grew by {} of {}, resident {} KiB",
        kib(peak),
        kib(budget),
        resident / 1024
    );
    assert!(peak <= budget, "the heap grew by {peak} bytes, the budget is {budget}");
    assert!(resident <= budget as u64 + ALLOCATOR_BYTES, "the process grew by {resident} bytes");
    let account = subject.expect_recovered();
    assert_eq!(account.ended_by(Cause::SlowConsumer), 4, "{:?}", account.causes);
    assert_eq!(account.ended_by(Cause::Expired) - before.ended_by(Cause::Expired), 2);
}

/// Answers to pings are no frames of a session, so no session is found to be stalled.
#[test]
fn pings_without_end() {
    let subject = Subject::start(|settings| {
        settings.send_buffer_bytes = Some(16 << 10);
        settings.write_stall = Duration::from_secs(1);
    });
    let mut stream = subject.tight_socket();
    shake_hands(&stream, &Session::new(subject.address(), "/echo").target("websocket"));
    let pings = Frame::new(Opcode::PING, [b'x'; 125]).to_bytes().repeat(100);
    let poured = timed("pings", || {
        let mut poured = 0;
        while poured < 1 << 30 && stream.write_all(&pings).is_ok() {
            poured += pings.len();
        }
        poured
    });
    let peak = subject.peak_growth_bytes();
    eprintln!("{} of pings were taken, the heap grew by {}", kib(poured), kib(peak));
    assert!(peak < MIB, "the heap grew by {peak} bytes");
    subject.expect_recovered();
}

#[test]
fn many_within_the_total() {
    const CLIENTS: usize = 200;
    const TOTAL_BYTES: usize = 8 * MIB;
    /// Beside the queues: the window, the connection's buffers, a message in the handler's hands.
    const BESIDE_BYTES: usize = 6 * (16 << 10);

    let subject = Subject::start(|settings| {
        settings.send_buffer_bytes = Some(16 << 10);
        settings.window_bytes = 16 << 10;
        settings.total_bytes = TOTAL_BYTES;
        settings.write_stall = Duration::from_secs(3);
    });
    let before = subject.account();
    let _sockets: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let session = Session::new(subject.address(), "/flood");
            let target = session.target("xhr_streaming?count=200&bytes=16384");
            request_and_leave(&subject, &Request::post(target))
        })
        .collect();
    eventually("all are cut", || subject.account().closed == before.closed + CLIENTS as u64);
    let account = subject.account();
    let since = |cause| account.ended_by(cause) - before.ended_by(cause);
    // Of those that waited for room in the total, nothing was in flight: the system found them.
    let (slow, gone) = (since(Cause::SlowConsumer), since(Cause::ClientGone));
    assert!(slow > 0 && slow + gone == CLIENTS as u64, "{:?}", account.causes);
    let (peak, budget) = (subject.peak_growth_bytes(), TOTAL_BYTES + CLIENTS * BESIDE_BYTES);
    eprintln!("the heap grew by {} of {}", kib(peak), kib(budget));
    assert!(peak <= budget, "the heap grew by {peak} bytes, the budget is {budget}");
    subject.expect_recovered();
}
