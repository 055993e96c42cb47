//! A runtime that ends, with sessions in it.

use std::future::pending;
use std::sync::{Arc, Weak, mpsc};
use std::time::Instant;

use sockjs_tests::client::{PATIENCE, Transport as Way};

use super::application::support::builder;
use crate::adapter::{Server, Services, Session};

/// What handlers hold goes with the runtime: of sessions that wait for a poll, that have a stream, that have
/// ended while their handlers have not.
#[test]
fn handlers_are_dropped() {
    let (sender, held) = mpsc::channel::<Weak<()>>();
    let service = builder("/app").build(move |mut session: Session| {
        let holds = Arc::new(());
        let _ = sender.send(Arc::downgrade(&holds));
        async move {
            while session.recv().await.is_some() {}
            pending::<()>().await;
            drop(holds);
        }
    });
    let server = Server::start(Services::new([service.clone()]));
    let client = || sockjs_tests::client::Session::new(server.address(), "/app");
    let polls = client().open();
    polls.send(&["x"]);
    let stream = client().receive_first(Way::XhrStreaming, "o");
    drop(client().receive_first(Way::XhrStreaming, "o"));
    let held: Vec<_> = (0..3).map(|_| held.recv().expect("a session")).collect();
    let deadline = Instant::now() + PATIENCE;
    while service.stats().open() > 2 {
        assert!(Instant::now() < deadline, "a client that leaves ends its session");
        std::thread::yield_now();
    }
    assert!(held.iter().all(|held| held.strong_count() == 1));
    drop(server);
    assert!(
        held.iter().all(|held| held.strong_count() == 0),
        "by the time that the runtime has ended"
    );
    drop((stream, service));
}
