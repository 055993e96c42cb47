//! The clients that applications are tested with: they do over each transport what a browser does.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use sockjs_driver::testing::Client;
use sockjs_driver::{Cause, CloseReason, Message, Report, SlowConsumers, Transport};

use super::*;

/// A service whose sessions echo, close on `close`, and hand in their reports.
fn echo(world: &World) -> (SockJs<World>, Arc<Mutex<Vec<Report>>>) {
    let reports = Arc::<Mutex<Vec<_>>>::default();
    let ended = reports.clone();
    let service = Builder::new("/echo", world.clone()).build(move |mut session: Session| {
        let ended = ended.clone();
        async move {
            while let Some(message) = session.recv().await {
                if message == "close" {
                    session.close(CloseReason::new(4001, "as you like"));
                }
                let _ = session.send(message).await;
            }
            let report = session.closed().await;
            ended.lock().unwrap().push(report);
        }
    });
    (service, reports)
}

/// For each transport a world of its own.
fn on_all(test: impl AsyncFn(&World, Transport)) {
    for transport in Transport::ALL {
        let world = World::new();
        world.block_on(test(&world, transport));
    }
}

#[test]
fn messages_come_and_go_in_order() {
    on_all(async |world, transport| {
        let (service, _) = echo(world);
        let mut client = Client::connect(&service, transport).await.unwrap();
        for number in 0..100 {
            client.send(format!("{number} <\"%41\u{2028}é"));
        }
        for number in 0..100 {
            let expected = format!("{number} <\"%41\u{2028}é");
            assert_eq!(client.recv().await.unwrap(), *expected, "{transport}");
        }
        assert_eq!(client.try_recv(), None, "{transport}");
        assert_eq!(world.elapsed(), Duration::ZERO, "{transport}");
    });
}

/// Others have their turn meanwhile, and its own comes again.
#[test]
fn a_handler_may_yield() {
    on_all(async |world, transport| {
        let service = Builder::new("/echo", world.clone()).build(async |session: Session| {
            for number in 0..3 {
                session.send(number.to_string()).await.unwrap();
                yield_now().await;
            }
            session.closed().await;
        });
        let mut client = Client::connect(&service, transport).await.unwrap();
        for number in 0..3 {
            assert_eq!(client.recv().await.unwrap(), *number.to_string(), "{transport}");
        }
        assert_eq!(world.elapsed(), Duration::ZERO, "{transport}");
    });
}

#[test]
fn long_messages_come_and_go() {
    on_all(async |world, transport| {
        let (service, _) = echo(world);
        let mut client = Client::connect(&service, transport).await.unwrap();
        for length in [0, 125, 126, 65_535, 65_536, 500_000] {
            let message = "x".repeat(length);
            client.send(message.clone());
            assert_eq!(client.recv().await.unwrap(), *message, "{transport}");
        }
    });
}

#[test]
fn raw_websockets_carry_bytes() {
    let world = World::new();
    let (service, _) = echo(&world);
    world.block_on(async {
        let mut client = Client::connect(&service, Transport::RawWebsocket).await.unwrap();
        client.send(Message::binary(&b"\xff"[..]));
        assert_eq!(client.recv().await, Some(Message::binary(&b"\xff"[..])));
    });
}

#[test]
fn the_close_of_the_application_is_seen() {
    on_all(async |world, transport| {
        let (service, reports) = echo(world);
        let mut client = Client::connect(&service, transport).await.unwrap();
        client.send("last");
        client.send("close");
        assert_eq!(client.recv().await.unwrap(), "last", "{transport}");
        assert_eq!(client.recv().await, None, "{transport}");
        let expected = CloseReason::new(4001, "as you like");
        assert_eq!(client.closed().await, expected, "{transport}");
        client.send("dropped");
        world.settle();
        let reports = reports.lock().unwrap();
        assert_eq!((reports.len(), reports[0].cause), (1, Cause::Application), "{transport}");
        assert_eq!((reports[0].accepted, reports[0].written), (1, 1), "{transport}");
    });
}

#[test]
fn they_stay_for_as_long_as_they_like() {
    on_all(async |world, transport| {
        let (service, _) = echo(world);
        let mut client = Client::connect(&service, transport).await.unwrap();
        world.pass(DAY).await;
        assert_eq!(service.stats().open(), 1, "{transport}");
        client.send("still here");
        assert_eq!(client.recv().await.unwrap(), "still here", "{transport}");
    });
}

#[test]
fn they_leave_at_once_or_with_a_goodbye() {
    on_all(async |world, transport| {
        let (service, reports) = echo(world);
        let said = Client::connect(&service, transport).await.unwrap();
        let dropped = Client::connect(&service, transport).await.unwrap();
        world.pass(Duration::from_secs(1)).await;
        said.close();
        drop(dropped);
        world.pass(Duration::from_secs(1)).await;
        let causes: Vec<_> = reports.lock().unwrap().iter().map(|report| report.cause).collect();
        assert_eq!(causes, [Cause::ClientGone; 2], "{transport}");
    });
}

#[test]
fn what_was_sent_before_the_goodbye_comes_and_nothing_is_left() {
    on_all(async |world, transport| {
        let (service, reports) = echo(world);
        let client = Client::connect(&service, transport).await.unwrap();
        client.send("before");
        client.send("the end");
        client.close();
        world.pass(DISCONNECT * 2).await;
        assert_eq!(service.stats().messages_in, 2, "{transport}");
        assert_eq!(reports.lock().unwrap().len(), 1, "{transport}");
        drop(service);
        world.pass(DAY).await;
        assert_eq!(world.task_count(), 0, "{transport}");
    });
}

#[test]
fn they_bring_headers_and_a_query_or_are_refused() {
    on_all(async |world, transport| {
        let service = Builder::new("/echo", world.clone())
            .authorize(|head| match head.headers.get("cookie") {
                Some(_) => Ok(None),
                None => Err(StatusCode::UNAUTHORIZED),
            })
            .build(|session: Session| async move {
                let user = session.info().cookie("user").unwrap_or_default().to_owned();
                let room = session.info().argument("room").unwrap_or_default();
                let _ = session.send(format!("{user} in {room}")).await;
            });
        let refused = Client::connect(&service, transport).await;
        assert_eq!(refused.unwrap_err(), StatusCode::UNAUTHORIZED, "{transport}");

        let known = || Client::connect(&service, transport).header("Cookie", "user=ann");
        let mut client = known().query("room=the%20lobby").await.unwrap();
        assert_eq!(client.recv().await.unwrap(), "ann in the lobby", "{transport}");

        let foreign = known().header("Origin", "https://evil.example").await;
        assert_eq!(foreign.unwrap_err(), StatusCode::FORBIDDEN, "{transport}");
    });
}

#[test]
fn a_session_that_is_cut_off_is_1006() {
    let world = World::new();
    let (service, _) = echo(&world);
    world.block_on(async {
        let mut client = Client::connect(&service, Transport::Xhr).await.unwrap();
        let body = "x".repeat(3 << 20);
        client.send(body);
        assert_eq!(client.closed().await.code(), 1006, "its request was refused");
    });
}

#[test]
#[should_panic(expected = "this waits for what will never happen")]
fn waiting_in_vain_is_told() {
    let world = World::new();
    world.block_on(std::future::pending::<()>());
}

/// There may be very many of them.
#[test]
fn a_session_that_polls_has_no_task_between_its_requests() {
    let world = World::new();
    let service = Builder::new("/echo", world.clone())
        .shards(1)
        .build(async |mut session: Session| while session.recv().await.is_some() {});
    world.block_on(async {
        for id in 0..100 {
            let request = Request::post(format!("/echo/000/{id}/xhr"));
            let request = request.body(Full::<Bytes>::default()).unwrap();
            let response = service.respond(request).await;
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "o\n");
        }
    });
    world.settle();
    assert_eq!((service.stats().open(), world.task_count()), (100, 1), "the timer's, and no other");
}

/// Without heartbeats, and with slow clients left alone, a stream has no deadline.
#[test]
fn a_handler_is_woken_though_nothing_is_timed() {
    let world = World::new();
    let door = Arc::new(Mutex::new((false, None::<Waker>)));
    let opens = door.clone();
    let service = Builder::new("/echo", world.clone())
        .heartbeat_delay(None)
        .slow_consumers(SlowConsumers::Refuse)
        .build(move |session: Session| {
            let opens = opens.clone();
            async move {
                poll_fn(|cx| {
                    let mut door = opens.lock().unwrap();
                    door.1 = Some(cx.waker().clone());
                    if door.0 { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
                session.send("open").await.unwrap();
            }
        });
    world.block_on(async {
        let mut client = Client::connect(&service, Transport::XhrStreaming).await.unwrap();
        world.settle();
        let waker = {
            let mut door = door.lock().unwrap();
            door.0 = true;
            door.1.take().unwrap()
        };
        waker.wake();
        assert_eq!(client.recv().await.unwrap(), "open");
    });
    assert_eq!(world.elapsed(), Duration::ZERO);
}

/// So that the answer to a send request waits for an application in a task of its own to take it.
#[test]
fn a_long_message_is_news_as_a_short_one_is() {
    let world = World::new();
    let tasks = world.clone();
    let service = Builder::new("/echo", world.clone()).build(move |mut session: Session| {
        let handle = session.handle();
        tasks.spawn(Box::pin(async move { while session.recv().await.is_some() {} }));
        async move {
            handle.closed().await;
        }
    });
    let request = |path: &str, body: String| {
        Request::post(format!("/echo/000/s/{path}")).body(Full::<Bytes>::from(body)).unwrap()
    };
    world.block_on(async {
        let opening = service.respond(request("xhr", String::new())).await;
        assert_eq!(opening.into_body().collect().await.unwrap().to_bytes(), "o\n");
    });
    world.settle();
    let cx = &mut Context::from_waker(Waker::noop());
    for bytes in [10, 20_000] {
        let body = format!("[\"{}\"]", "x".repeat(bytes));
        let mut answer = pin!(service.respond(request("xhr_send", body)));
        assert!(answer.as_mut().poll(cx).is_pending(), "{bytes}");
        world.settle();
        assert!(answer.as_mut().poll(cx).is_ready(), "{bytes}");
    }
}

/// As short tasks do that look out for the session's end while they work.
#[test]
fn a_wait_for_the_end_that_is_given_up_leaves_nothing_behind() {
    struct Task;
    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }
    let world = World::new();
    let (service, handles) =
        (Builder::new("/echo", world.clone()), Arc::<Mutex<Vec<_>>>::default());
    let kept = handles.clone();
    let service = service.build(move |mut session: Session| {
        kept.lock().unwrap().push(session.handle());
        async move { while session.recv().await.is_some() {} }
    });
    world.block_on(async {
        let client = Client::connect(&service, Transport::Websocket).await.unwrap();
        let handle = handles.lock().unwrap().pop().unwrap();
        let (task, stays) = (Arc::new(Task), Arc::new(Task));
        let [given_up, waker] = [&task, &stays].map(|task| Waker::from(task.clone()));
        let mut waiting = pin!(handle.closed());
        for waker in [given_up, waker] {
            let mut closed = pin!(handle.closed());
            assert!(closed.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            // The same task, and another wait.
            assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        assert_eq!(Arc::strong_count(&task), 1);
        assert_eq!(Arc::strong_count(&stays), 2, "one waits");
        drop(client);
        waiting.await;
        assert_eq!(Arc::strong_count(&stays), 1);
    });
}
