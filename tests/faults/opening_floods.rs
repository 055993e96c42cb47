//! Openings by the hundred thousand, and connections, from one address.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};

use sockjs_tests::client::{Request, Session};

use crate::faults::support::{Subject, eventually, kib, reset, timed};

const OPENINGS: usize = 100_000;

/// Connections that are opened and reset.
const RESETS: usize = 20_000;

/// Clients at a time.
const CONNECTIONS: usize = 8;

/// Requests on their way on each.
const PIPELINED: usize = 50;

/// `Limits::unconfirmed_sessions` by default.
const UNCONFIRMED: u64 = 4_096;

/// What a session may cost that only one request has named.
const SESSION_BYTES: usize = 8 << 10;

/// Statuses of the answers to so many openings.
#[derive(Default)]
struct Answers {
    opened: usize,
    refused: usize,
}

/// Reads one answer: its status.
fn read_status(answers: &mut BufReader<TcpStream>) -> u16 {
    let (mut status, mut length, mut retry_after) = (0, 0, false);
    loop {
        let mut line = String::new();
        answers.read_line(&mut line).expect("an answer comes");
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(rest) = line.strip_prefix("http/1.1 ") {
            status = rest.get(..3).and_then(|code| code.parse().ok()).unwrap_or_default();
        } else if let Some(rest) = line.strip_prefix("content-length:") {
            length = rest.trim().parse().expect("a length");
        }
        retry_after |= line.starts_with("retry-after:");
        if line.is_empty() {
            break;
        }
    }
    answers.read_exact(&mut vec![0; length]).expect("a body");
    assert!(status != 503 || retry_after, "a 503 says when to come again");
    status
}

fn open_sessions(subject: &Subject, count: usize) -> Answers {
    let mut stream = subject.socket();
    let mut answers = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut seen = Answers::default();
    for _ in 0..count / PIPELINED {
        let requests: Vec<u8> = (0..PIPELINED)
            .flat_map(|_| {
                let session = Session::new(subject.address(), "/echo");
                Request::post(session.target("xhr")).to_bytes()
            })
            .collect();
        stream.write_all(&requests).expect("requests are sent");
        for _ in 0..PIPELINED {
            match read_status(&mut answers) {
                200 => seen.opened += 1,
                503 => seen.refused += 1,
                status => panic!("an opening was answered {status}"),
            }
        }
    }
    seen
}

#[test]
fn a_hundred_thousand_sessions() {
    let subject = Subject::start(|_| ());
    let is_over = AtomicBool::new(false);
    let (answers, most) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut most = 0;
            while !is_over.load(Ordering::Relaxed) {
                most = most.max(subject.account().stats.open());
            }
            most
        });
        let answers = timed("100,000 openings", || {
            let open = || open_sessions(&subject, OPENINGS / CONNECTIONS);
            let threads = [(); CONNECTIONS].map(|()| scope.spawn(open));
            threads.into_iter().fold(Answers::default(), |sum, thread| {
                let part = thread.join().expect("all are answered");
                let (opened, refused) = (sum.opened + part.opened, sum.refused + part.refused);
                Answers { opened, refused }
            })
        });
        // WebSockets are not in the limit of those that cost nothing.
        subject.median_service_time();
        is_over.store(true, Ordering::Relaxed);
        (answers, watch.join().expect("it watched"))
    });
    let (peak, budget) = (subject.peak_growth_bytes(), UNCONFIRMED as usize * SESSION_BYTES);
    let Answers { opened, refused } = answers;
    eprintln!("{opened} opened, {refused} refused, at most {most} at a time; {}", kib(peak));
    assert_eq!(opened + refused, OPENINGS);
    assert!(refused > 0 && most <= UNCONFIRMED + 10, "{most} sessions at a time");
    assert!(peak <= budget, "the heap grew by {peak} bytes, the budget is {budget}");
    eventually("all have expired", || subject.account().stats.open() == 0);
    subject.expect_recovered();
}

#[test]
fn twenty_thousand_connections() {
    let subject = Subject::start(|_| ());
    timed("20,000 connections", || {
        std::thread::scope(|scope| {
            for _ in 0..CONNECTIONS {
                scope.spawn(|| {
                    for number in 0..RESETS / CONNECTIONS {
                        let mut stream = subject.socket();
                        // A third says nothing, a third a part, a third all of an opening.
                        let session = Session::new(subject.address(), "/echo");
                        let request = Request::post(session.target("xhr_streaming")).to_bytes();
                        let said = request.len() * (number % 3) / 2;
                        stream.write_all(request.get(..said).unwrap_or(&request)).expect("sent");
                        reset(stream);
                    }
                });
            }
        });
    });
    let peak = subject.peak_growth_bytes();
    eprintln!("the heap grew by {}", kib(peak));
    subject.expect_recovered();
}
