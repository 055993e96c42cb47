//! A service with an application in a world of its own, and what must be left of it in the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::rt::Timer;
use sockjs_core::{CloseReason, OriginPolicy, Report};

use crate::testing::{Plug, World, connection};
use crate::{Builder, ConnectionConfig, Runtime, Session, SockJs, serve_connection};

/// Longer than any deadline of the service and its connections.
const LONG: Duration = Duration::from_secs(5 * 60);

pub(super) struct Scene {
    pub(super) world: World,
    pub(super) service: SockJs<World>,
    running: Arc<AtomicUsize>,
}

impl Scene {
    /// A service with limits so tight that random bytes meet them.
    pub(super) fn new() -> Self {
        let world = World::new();
        let running = Arc::new(AtomicUsize::new(0));
        let (clock, count) = (world.clone(), running.clone());
        let service = Builder::new("/echo", world.clone())
            .origins(OriginPolicy::Any)
            .response_limit(400)
            .shards(1)
            .limits(|limits| {
                limits.message_bytes = 1000;
                limits.inbox_bytes = 300;
                limits.outbox_bytes = 500;
                limits.window_bytes = 300;
                limits.sessions = 6;
                limits.unconfirmed_sessions = 4;
            })
            .build(move |session| application(session, clock.clone(), Running::new(&count)));
        Self { world, service, running }
    }

    /// Serves a new connection and returns its client's end.
    pub(super) fn connect(&self) -> Plug {
        let (socket, plug) = connection();
        let (service, runtime) = (self.service.clone(), Arc::new(self.world.clone()));
        let config = ConnectionConfig::default();
        let connection = serve_connection(socket, None, service, config, runtime);
        self.world.spawn(Box::pin(connection));
        plug
    }

    pub(super) fn run_for(&self, time: Duration) {
        self.world.run_until(self.world.elapsed() + time);
    }

    /// All clients have left: after a while nothing is left of them (invariant 6).
    pub(super) fn end(self) {
        self.run_for(LONG);
        let stats = self.service.stats();
        assert_eq!(stats.open(), 0, "sessions are left");
        assert_eq!(stats.queued_bytes, 0, "messages are left");
        assert_eq!(self.running.load(Ordering::Relaxed), 0, "the application goes on");
        drop(self.service);
        self.world.settle();
        assert_eq!(self.world.task_count(), 0, "tasks are left");
    }
}

/// The application at work on a session.
struct Running(Arc<AtomicUsize>);

impl Running {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Answers as the first byte of a message asks for, and checks the account in the end.
async fn application(mut session: Session, clock: World, _running: Running) {
    while let Some(message) = session.recv().await {
        match message.as_bytes().first() {
            Some(b'c') => session.close(CloseReason::GO_AWAY),
            Some(b'e') => return,
            Some(b's') => clock.sleep(Duration::from_secs(3)).await,
            Some(b'm') => {
                for number in 0..20 {
                    let _ = session.try_send(number.to_string());
                }
            }
            _ => drop(session.send(message).await),
        }
    }
    check(&session.closed().await);
}

fn check(report: &Report) {
    let unsent = report.unsent.len() as u64;
    assert!(report.confirmed + unsent <= report.accepted, "{report:?}");
    assert!(report.confirmed <= report.written, "{report:?}");
    assert!(report.written + unsent <= report.accepted, "{report:?}");
}
