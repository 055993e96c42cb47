//! Groups, and what sessions leave behind in them.

use std::sync::{Arc, Mutex, Weak};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
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
