//! What may happen at the same time.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use http::StatusCode;
use shuttle::future::block_on;
use shuttle::sync::mpsc::channel;
use sockjs_driver::{Broadcast, Cause, CloseReason, Session, SessionHandle};

use crate::client::{all, messages, poll_to_the_end, post, stream, stream_of};
use crate::task::spawn;
use crate::{NEVER, Scene, check, check_often};

const GO_AWAY: &str = r#"c[3000,"Go away!"]"#;

/// Where handlers leave their sessions for the model.
type Sessions = Arc<Mutex<Vec<SessionHandle>>>;

async fn send(session: SessionHandle, messages: &[&'static str]) {
    for message in messages {
        if session.send(*message).await.is_err() {
            break;
        }
    }
}

/// Two tasks send while the client streams: all arrives, each task's in its order.
#[test]
fn what_is_sent_while_a_client_streams_arrives() {
    check(|| {
        let scene = Scene::new(
            |builder| builder,
            |session: Session| async move {
                let other = spawn(send(session.handle(), &["a1", "a2"]));
                send(session.handle(), &["b1", "b2"]).await;
                other.await;
            },
        );
        let frames = block_on(stream(&scene.service, |frame| frame == GO_AWAY));
        let messages = messages(&frames);
        assert_eq!(messages.len(), 4, "{frames:?}");
        for task in ["a", "b"] {
            let of_task: Vec<_> = messages.iter().filter(|m| m.starts_with(task)).collect();
            assert_eq!(of_task, [&format!("{task}1"), &format!("{task}2")]);
        }
        scene.check_trace();
    });
}

/// The queue holds one message: each of two senders waits for room, and is woken.
#[test]
fn senders_that_wait_for_room_are_woken() {
    check(|| {
        let scene = Scene::new(
            |builder| builder.limits(|limits| limits.outbox_bytes = 1),
            |session: Session| async move {
                let other = spawn(send(session.handle(), &["1", "2"]));
                send(session.handle(), &["3"]).await;
                other.await;
            },
        );
        let frames = block_on(stream(&scene.service, |frame| frame == GO_AWAY));
        assert_eq!(messages(&frames).len(), 3, "{frames:?}");
        scene.check_trace();
    });
}

/// A sender waits for room while the session is closed: it learns that.
#[test]
fn a_sender_that_waits_learns_of_the_close() {
    check(|| {
        let scene = Scene::new(
            |builder| builder.limits(|limits| limits.outbox_bytes = 1),
            |session: Session| async move {
                let sending = spawn(send(session.handle(), &["1", "2", "3"]));
                session.close(CloseReason::GO_AWAY);
                sending.await;
            },
        );
        let frames = block_on(poll_to_the_end(&scene.service));
        assert_eq!(frames.last().unwrap(), GO_AWAY, "{frames:?}");
        scene.check_trace();
    });
}

/// The application closes while a poll comes: that or the next one is told, and all who wait for the
/// end get the same report.
#[test]
fn a_close_meets_a_receiver_that_comes() {
    check(|| {
        let sessions = Sessions::default();
        let handed = sessions.clone();
        let scene = Scene::new(
            |builder| builder,
            move |session: Session| {
                handed.lock().unwrap().push(session.handle());
                async move {
                    let waiting = session.handle();
                    let waiting = spawn(async move { waiting.closed().await });
                    session.close(CloseReason::new(4001, "done"));
                    assert_eq!(waiting.await, session.closed().await);
                }
            },
        );
        let frames = block_on(poll_to_the_end(&scene.service));
        assert_eq!(frames, ["o", r#"c[4001,"done"]"#]);
        let session = sessions.lock().unwrap()[0].clone();
        assert_eq!(block_on(session.closed()).cause, Cause::Application);
        scene.check_trace();
    });
}

/// Two receivers come at once: one is the session's, the other one is told so.
#[test]
fn of_two_receivers_one_is_refused() {
    check(|| {
        let scene = Scene::new(
            |builder| builder,
            |session: Session| async move {
                session.closed().await;
            },
        );
        block_on(async {
            let opened = post(&scene.service, "xhr", "").await;
            assert_eq!(all(opened.into_body()).await, "o\n");
            let polls = [(); 2].map(|()| {
                let service = scene.service.clone();
                spawn(async move { all(post(&service, "xhr", "").await.into_body()).await })
            });
            let refused = "c[2010,\"Another connection still open\"]\n";
            let service = scene.service.clone();
            let ending = spawn(async move {
                // Once one of them was refused, the other one is attached.
                service.shutdown(CloseReason::GO_AWAY, NEVER).await
            });
            let mut frames = Vec::new();
            for poll in polls {
                frames.push(poll.await);
            }
            assert_eq!(ending.await, 0);
            let told = format!("{GO_AWAY}\n");
            assert!(frames.contains(&told), "{frames:?}");
            assert!(frames.iter().all(|frame| frame == refused || *frame == told), "{frames:?}");
        });
        scene.check_trace();
    });
}

/// A deadline comes that is earlier than the one that the timer task sleeps for, or is about to.
#[test]
fn an_earlier_deadline_wakes_the_timer() {
    check_often(16, || {
        let (ended, end) = channel();
        let scene = Scene::new(
            |builder| builder.disconnect_delay(Duration::from_secs(5)).heartbeat_delay(NEVER),
            move |session: Session| {
                let ended = ended.clone();
                async move { ended.send(session.closed().await.cause).unwrap() }
            },
        );
        // While the poll is attached, nothing is due for long; five seconds after it the session ends.
        let opened =
            block_on(async { all(post(&scene.service, "xhr", "").await.into_body()).await });
        assert_eq!(opened, "o\n");
        scene.world.advance(Duration::from_secs(6));
        // Nobody but the timer takes a turn now.
        assert_eq!(end.recv().unwrap(), Cause::Expired);
        scene.check_trace();
    });
}

/// Sessions open while the server shuts down: none is left, and every client is told.
#[test]
fn a_shutdown_meets_a_session_that_opens() {
    check(|| {
        let scene = Scene::new(
            |builder| builder,
            |mut session: Session| async move { while session.recv().await.is_some() {} },
        );
        let service = scene.service.clone();
        let client = spawn(async move { poll_to_the_end(&service).await });
        let left = block_on(scene.service.shutdown(CloseReason::GO_AWAY, NEVER));
        assert_eq!(left, 0);
        let frames = block_on(client);
        let last = frames.last().unwrap();
        assert!(last == GO_AWAY || last == "503", "{frames:?}");
        scene.check_trace();
    });
}

/// The client's messages wait for an application that takes one at a time; each request is answered
/// once its messages are taken in.
#[test]
fn requests_that_wait_for_the_application_are_answered() {
    check(|| {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let taking = taken.clone();
        let scene = Scene::new(
            |builder| builder.limits(|limits| limits.inbox_bytes = 1),
            move |mut session: Session| {
                let taking = taking.clone();
                async move {
                    while let Some(message) = session.recv().await {
                        taking.lock().unwrap().push(message.into_text().unwrap());
                    }
                }
            },
        );
        block_on(async {
            all(post(&scene.service, "xhr", "").await.into_body()).await;
            let service = scene.service.clone();
            let other = spawn(async move { post(&service, "xhr_send", r#"["3"]"#).await.status() });
            for body in [r#"["1"]"#, r#"["2"]"#] {
                let response = post(&scene.service, "xhr_send", body).await;
                assert_eq!(response.status(), StatusCode::NO_CONTENT);
            }
            assert_eq!(other.await, StatusCode::NO_CONTENT);
            let service = scene.service.clone();
            let ending = spawn(async move { service.shutdown(CloseReason::GO_AWAY, NEVER).await });
            poll_to_the_end(&scene.service).await;
            assert_eq!(ending.await, 0);
        });
        let mut taken = taken.lock().unwrap().clone();
        taken.retain(|message| message != "3");
        assert!(taken.is_empty() || taken[0] == "1", "{taken:?}");
        scene.check_trace();
    });
}

/// The client leaves while messages are sent and waited for: the account is exact, and all who wait
/// go on.
#[test]
fn a_client_that_leaves_is_noticed_by_all_who_wait() {
    check(|| {
        let scene = Scene::new(
            |builder| builder.limits(|limits| limits.outbox_bytes = 1),
            |mut session: Session| async move {
                let sending = spawn(send(session.handle(), &["1", "2", "3", "4"]));
                assert!(session.recv().await.is_none());
                sending.await;
                let report = session.closed().await;
                assert_eq!(report.cause, Cause::ClientGone);
                let sum = report.confirmed + report.uncertain() + report.unsent.len() as u64;
                assert_eq!(report.accepted, sum);
            },
        );
        block_on(async {
            // It leaves after its first message; dropping a body is leaving.
            stream(&scene.service, |frame| frame.starts_with('a')).await;
            assert_eq!(scene.service.shutdown(CloseReason::GO_AWAY, NEVER).await, 0);
        });
        scene.check_trace();
    });
}

/// Two tasks broadcast at once: all members see the same order.
#[test]
fn broadcasts_come_in_one_order() {
    check(|| {
        let everyone = Arc::new(Broadcast::new());
        let joining = everyone.clone();
        let scene = Scene::new(
            |builder| builder,
            move |session: Session| {
                joining.join(&session);
                async move {
                    session.closed().await;
                }
            },
        );
        block_on(async {
            let clients = ["s", "t"].map(|id| {
                let service = scene.service.clone();
                spawn(async move { stream_of(&service, id, |frame| frame == GO_AWAY).await })
            });
            while everyone.len() < 2 {
                shuttle::future::yield_now().await;
            }
            let senders = ["1", "2"].map(|message| {
                let everyone = everyone.clone();
                spawn(async move { everyone.send(message).count })
            });
            for sender in senders {
                assert_eq!(sender.await, 2);
            }
            assert_eq!(scene.service.shutdown(CloseReason::GO_AWAY, NEVER).await, 0);
            let mut seen = Vec::new();
            for client in clients {
                seen.push(messages(&client.await));
            }
            assert_eq!(seen[0], seen[1]);
            assert_eq!(seen[0].len(), 2);
        });
        scene.check_trace();
    });
}

/// A request brings the handler a message while another task ends that it waits for: it notices both.
#[test]
fn a_handler_is_called_by_requests_and_by_others() {
    check(|| {
        let scene = Scene::new(
            |builder| builder,
            |mut session: Session| async move {
                let mut other = spawn(async {});
                let (mut message, mut has_ended) = (None, false);
                poll_fn(|cx| {
                    if message.is_none()
                        && let Poll::Ready(received) = session.poll_recv(cx)
                    {
                        message = received;
                    }
                    has_ended = has_ended || Pin::new(&mut other).poll(cx).is_ready();
                    if has_ended && message.is_some() { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
                send(session.handle(), &["both"]).await;
            },
        );
        let service = scene.service.clone();
        assert_eq!(
            block_on(async { all(post(&service, "xhr", "").await.into_body()).await }),
            "o\n"
        );
        let sending = spawn(async move { post(&service, "xhr_send", r#"["x"]"#).await.status() });
        let frames = block_on(stream(&scene.service, |frame| frame == GO_AWAY));
        assert_eq!(messages(&frames), ["both"]);
        assert_eq!(block_on(sending), StatusCode::NO_CONTENT);
        scene.check_trace();
    });
}
