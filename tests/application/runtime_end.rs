//! A runtime that ends, with sessions in it.

use std::sync::{Arc, Weak, mpsc};

use sockjs_tests::client::Transport as Way;

use super::application::support::builder;
use crate::adapter::{Server, Services, Session};

/// What handlers hold goes with the runtime: of sessions that wait for a poll, that have a stream, that were
/// woken and not polled yet.
#[test]
fn handlers_are_dropped() {
    let (sender, held) = mpsc::channel::<Weak<()>>();
    let service = builder("/app").build(move |mut session: Session| {
        let holds = Arc::new(());
        let _ = sender.send(Arc::downgrade(&holds));
        async move {
            while session.recv().await.is_some() {}
            session.closed().await;
            drop(holds);
        }
    });
    let server = Server::start(Services::new([service.clone()]));
    let client = || sockjs_tests::client::Session::new(server.address(), "/app");
    let polls = client().open();
    polls.send(&["x"]);
    let stream = client().receive_first(Way::XhrStreaming, "o");
    let held: Vec<_> = (0..2).map(|_| held.recv().expect("a session")).collect();
    assert!(held.iter().all(|held| held.strong_count() == 1));
    drop(server);
    assert!(
        held.iter().all(|held| held.strong_count() == 0),
        "by the time that the runtime has ended"
    );
    drop((stream, service));
}
