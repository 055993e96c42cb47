//! Groups, and what sessions leave behind in them.

use std::sync::{Arc, Mutex, Weak};
#[cfg(feature = "tracing")]
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::rt::Timer as _;
use sockjs_driver::{
    Broadcast, Builder, CloseReason, OriginPolicy, Runtime, SessionHandle, SockJs,
};

use super::DISCONNECT;
use sockjs_driver::testing::World;

/// A service whose sessions join a group, and their handles, as an application may keep them.
struct Scene {
    world: World,
    service: SockJs<World>,
    sessions: Arc<Mutex<Vec<SessionHandle>>>,
}

impl Scene {
    fn new(groups: &[Broadcast]) -> Self {
        let (world, sessions) = (World::new(), Arc::<Mutex<Vec<_>>>::default());
        let (kept, groups) = (sessions.clone(), groups.to_vec());
        let service = Builder::new("/x", world.clone())
            .origins(OriginPolicy::Any)
            .disconnect_delay(DISCONNECT)
            .build(move |session| {
                groups.iter().for_each(|group| group.join(&session));
                kept.lock().unwrap().push(session.handle());
                async move {
                    session.closed().await;
                }
            });
        Self { world, service, sessions }
    }

    /// A client polls once, and leaves. Returns what its request brought along, as long as that is
    /// there.
    fn visit(&self, id: &str) -> Weak<()> {
        let luggage = Arc::new(());
        let mut request =
            Request::post(format!("/x/000/{id}/xhr")).body(Empty::<Bytes>::new()).unwrap();
        request.extensions_mut().insert(luggage.clone());
        let service = self.service.clone();
        self.world.spawn(Box::pin(async move {
            let body = service.respond(request).await.into_body();
            assert_eq!(body.collect().await.unwrap().to_bytes(), "o\n");
        }));
        self.world.settle();
        Arc::downgrade(&luggage)
    }

    fn forget_handles(&self) {
        self.sessions.lock().unwrap().clear();
    }

    /// Lets all sessions expire.
    fn wait(&self) {
        let until = self.world.elapsed() + 2 * DISCONNECT;
        while self.world.jump(until) {
            self.world.settle();
        }
    }
}

#[test]
fn sessions_that_come_and_go_leave_nothing_behind() {
    let groups = [(); 3].map(|()| Broadcast::new());
    let scene = Scene::new(&groups);
    let luggage: Vec<_> = (0..100).map(|number| scene.visit(&number.to_string())).collect();
    assert_eq!(groups.each_ref().map(Broadcast::len), [100; 3]);
    scene.forget_handles();
    assert!(luggage.iter().all(|one| one.strong_count() == 1), "they live");
    scene.wait();
    assert_eq!(groups.each_ref().map(Broadcast::len), [0; 3]);
    assert!(luggage.iter().all(|one| one.strong_count() == 0), "no group holds them");
}

#[test]
fn handles_outlive_membership() {
    let group = Broadcast::new();
    let scene = Scene::new(std::slice::from_ref(&group));
    let luggage = scene.visit("a");
    scene.wait();
    assert!(group.is_empty());
    assert_eq!(luggage.strong_count(), 1, "the handle that was kept");
    scene.forget_handles();
    assert_eq!(luggage.strong_count(), 0);
}

#[test]
fn a_shutdown_empties_groups() {
    let group = Broadcast::new();
    let scene = Scene::new(std::slice::from_ref(&group));
    for id in ["a", "b"] {
        scene.visit(id);
    }
    let service = scene.service.clone();
    scene.world.spawn(Box::pin(async move {
        service.shutdown(CloseReason::SERVER_GOING_AWAY, 10 * DISCONNECT).await;
    }));
    assert_eq!(group.len(), 2);
    scene.wait();
    assert!(group.is_empty());
}

#[test]
fn services_of_one_group_share_it_without_mixing_their_members_up() {
    // The first sessions of the first shards of two services: keys alone would be the same.
    let group = Broadcast::new();
    let scenes = [(); 2].map(|()| Scene::new(std::slice::from_ref(&group)));
    for scene in &scenes {
        scene.visit("a");
    }
    assert_eq!(group.send("x").count, 2);
    let first = scenes[0].sessions.lock().unwrap()[0].clone();
    assert_eq!(group.send_except("y", [&first]).count, 1);
    first.close(CloseReason::GO_AWAY);
    assert_eq!(group.send("z").count, 1);
}

/// As on a page that shows the log.
#[cfg(feature = "tracing")]
#[test]
fn what_is_told_of_an_end_may_go_to_the_group() {
    use sockjs_driver::{Local, WhenFull};
    use tracing::{Event, Metadata, Subscriber, span};

    struct Page(Broadcast, Arc<Mutex<Vec<usize>>>);

    impl Subscriber for Page {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target() == "sockjs"
        }
        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }
        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn event(&self, event: &Event<'_>) {
            self.1.lock().unwrap().push(self.0.len());
            let _ = self.0.send(event.metadata().name());
        }
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }

    let (done, is_done) = std::sync::mpsc::channel();
    #[expect(clippy::disallowed_methods, reason = "a deadlock has no other end")]
    std::thread::spawn(move || {
        let group = Broadcast::with(WhenFull::Close(CloseReason::SLOW_CONSUMER), Local);
        let scene = Scene::new(std::slice::from_ref(&group));
        scene.visit("ends");
        assert!(!scene.world.jump(DISCONNECT / 2));
        scene.visit("full");
        let full = scene.sessions.lock().unwrap()[1].clone();
        while full.try_send("x").is_ok() {}
        let members = Arc::<Mutex<Vec<_>>>::default();
        let page = Page(group.clone(), members.clone());
        let _subscriber = tracing::subscriber::set_default(page);
        // The first one's time is over, and the timer's task has not run yet: it ends within the turn that sends.
        assert!(scene.world.jump(2 * DISCONNECT));
        let _ = group.send("tick");
        assert_eq!(*members.lock().unwrap(), [0], "the other one gets nothing more either");
        done.send(()).unwrap();
    });
    is_done.recv_timeout(Duration::from_secs(20)).expect("it comes back");
}

/// Whose first response was dropped before a byte of it was asked for.
#[test]
fn a_shutdown_does_not_wait_for_a_session_that_never_opened() {
    let scene = Scene::new(&[]);
    let (service, world) = (scene.service.clone(), scene.world.clone());
    scene.world.block_on(async {
        let request = Request::post("/x/000/a/xhr_streaming").body(Empty::<Bytes>::new());
        let response = service.respond(request.unwrap()).await;
        let waiting = world.sleep(DISCONNECT);
        world.spawn(Box::pin(async move {
            waiting.await;
            drop(response);
        }));
        assert_eq!(service.shutdown(CloseReason::SERVER_GOING_AWAY, 10 * DISCONNECT).await, 0);
    });
    assert_eq!(scene.world.elapsed(), DISCONNECT);
}
