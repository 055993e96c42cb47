//! What those who watch are told, by the features `tracing` and `metrics`: and what they are not.

use http::StatusCode;
use sockjs_driver::{Cause, Refusal, Transport};

use super::*;

/// In ids, messages, headers, queries, and the reasons of closes.
const SECRET: &str = "s3cr3t";

/// A service that echoes, panics when it is told to, and refuses whoever is `bad`.
fn scene() -> Scene {
    let world = World::new();
    let service = Builder::new("/echo", world.clone())
        .shards(2)
        .authorize(|head| match head.uri.path().contains("bad") {
            true => Err(StatusCode::FORBIDDEN),
            false => Ok(None),
        })
        .build(|mut session: Session| async move {
            #[cfg(feature = "tracing")]
            tracing::info!("the handler runs");
            while let Some(message) = session.recv().await {
                assert_ne!(message, "panic");
                let _ = session.send(message).await;
            }
        });
    Scene { world, service, clients: Vec::new(), transcript: Transcript::default() }
}

impl Scene {
    fn request(&mut self, method: &str, path: &str, body: &str) {
        let length = body.len();
        let request = format!(
            "{method} /echo/000/{SECRET}{path}?token={SECRET} HTTP/1.1\r\nHost: server\r\n\
             Cookie: JSESSIONID={SECRET}\r\nAuthorization: {SECRET}\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        self.clients.push(Client::sending("http", self.connect(), &request));
        self.run_for(Duration::from_millis(1));
    }

    /// Each of what is to be told, once or more.
    fn play(&mut self) {
        self.request("POST", "1/xhr_streaming", "");
        self.request("POST", "1/xhr_send", &format!(r#"["{SECRET}"]"#));
        self.request("POST", "1/xhr_send", SECRET);
        self.request("POST", "1/xhr", "");
        self.request("POST", "2/xhr_send", "[]");
        self.request("GET", "2/nonsense", "");
        self.request("POST", "bad/xhr", "");
        self.open_websocket("panics");
        self.run_for(Duration::from_millis(1));
        self.clients.last().unwrap().send_frame(1, br#"["panic"]"#);
        self.run_for(Duration::from_millis(1));
        self.open_websocket("leaves");
        self.run_for(Duration::from_millis(1));
        let leaving = self.clients.last().unwrap();
        leaving.send_frame(1, format!(r#"["{SECRET}","{SECRET}"]"#).as_bytes());
        let close = [&3333_u16.to_be_bytes(), SECRET.as_bytes()].concat();
        leaving.send_frame(8, &close);
        self.run_for(Duration::from_millis(50));
    }
}

#[test]
fn the_service_counts_by_reason() {
    let mut scene = scene();
    scene.play();
    let stats = scene.service.stats();
    let refused = [
        (Refusal::Broken, 1),
        (Refusal::SecondReceiver, 1),
        (Refusal::UnknownSession, 1),
        (Refusal::NotFound, 1),
        (Refusal::Unauthorized, 1),
    ];
    for (reason, count) in refused {
        assert_eq!(stats.refused[reason], count, "{reason:?}");
    }
    assert_eq!(stats.refused.total(), 5);
    assert_eq!(stats.closed[Cause::HandlerPanic], 1);
    assert_eq!(stats.closed[Cause::ClientGone], 1);
    assert_eq!(stats.opened[Transport::Websocket], 2);
}

#[cfg(feature = "tracing")]
mod tracing_events {
    use super::*;
    use std::cell::RefCell;
    use std::io;
    use std::sync::Once;

    thread_local! {
        /// What was written on this thread: worlds have no other.
        static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }

    struct Log;

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            LOG.with_borrow_mut(|log| log.extend_from_slice(bytes));
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// One subscriber for the process: with one a thread, `tracing` may find an event at first where
    /// nobody listens, and remember that.
    fn lines_of(play: impl FnOnce()) -> Vec<String> {
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            tracing_subscriber::fmt()
                .with_max_level(tracing::Level::TRACE)
                .with_ansi(false)
                .without_time()
                .with_writer(|| Log)
                .init();
        });
        LOG.take();
        play();
        let text = String::from_utf8(LOG.take()).unwrap();
        text.lines().map(|line| line.trim().to_owned()).collect()
    }

    #[test]
    fn sessions_and_refusals_are_told_and_no_secret() {
        let lines = lines_of(|| {
            let mut scene = scene();
            scene.play();
        });
        let text = lines.join("\n");
        let stream = r#"session{service="/echo" transport="xhr_streaming"}: "#;
        let socket = r#"session{service="/echo" transport="websocket"}: "#;
        for expected in [
            format!("DEBUG {stream}sockjs: session opened"),
            format!("INFO {stream}deterministic::observing: the handler runs"),
            format!("DEBUG {socket}sockjs: session opened"),
            format!(
                r#"ERROR {socket}sockjs: session closed cause="handler_panic" code=1011 accepted=0 written=0 confirmed=0 uncertain=0 unsent=0"#
            ),
            r#"DEBUG sockjs: request refused service="/echo" reason="second_receiver""#.to_owned(),
            r#"DEBUG sockjs: request refused service="/echo" reason="unknown_session""#.to_owned(),
        ] {
            assert!(lines.contains(&expected), "no {expected} in\n{text}");
        }
        let left =
            format!(r#"DEBUG {socket}sockjs: session closed cause="client_gone" code=3333 "#);
        assert!(text.contains(&left), "no {left} in\n{text}");
        assert!(!text.to_lowercase().contains(SECRET), "{text}");
        assert!(!text.contains("JSESSIONID") && !text.contains("000"), "{text}");
    }

    #[test]
    fn a_log_that_told_too_much_would_be_seen() {
        let lines = lines_of(|| tracing::trace!(id = SECRET));
        assert!(lines[0].contains(SECRET));
    }
}

#[cfg(feature = "metrics")]
mod meters {
    use super::*;
    use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
    use std::collections::BTreeMap;

    /// Names with their labels, and their values.
    type Values = BTreeMap<String, DebugValue>;

    /// The recorder is there while the service is built, and on no thread that serves.
    fn watched() -> (Scene, Snapshotter) {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        (metrics::with_local_recorder(&recorder, scene), snapshotter)
    }

    fn values(snapshotter: &Snapshotter) -> Values {
        let entries = snapshotter.snapshot().into_vec().into_iter();
        let named = entries.map(|(key, _, _, value)| {
            let mut name = key.key().name().to_owned();
            for label in key.key().labels().filter(|label| label.key() != "service") {
                name = format!("{name} {}", label.value());
            }
            assert!(key.key().labels().any(|label| label.value() == "/echo"), "{key:?}");
            (name, value)
        });
        named.collect()
    }

    fn gauge(value: f64) -> DebugValue {
        DebugValue::Gauge(value.into())
    }

    #[test]
    fn sessions_refusals_messages_and_bytes() {
        let (mut scene, snapshotter) = watched();
        scene.play();
        let values = values(&snapshotter);
        let stats = scene.service.stats();
        let count = |name: &str| match values.get(name) {
            Some(DebugValue::Counter(count)) => *count,
            other => panic!("{name}: {other:?}"),
        };
        for (transport, open) in stats.sessions.iter() {
            let name = transport.name();
            assert_eq!(values[&format!("sockjs_sessions {name}")], gauge(open as f64));
            let opened = count(&format!("sockjs_sessions_opened_total {name}"));
            assert_eq!(opened, stats.opened[transport]);
        }
        for (cause, closed) in stats.closed.iter() {
            let name = format!("sockjs_sessions_closed_total {}", cause.name());
            assert_eq!(count(&name), closed);
        }
        for (reason, refused) in stats.refused.iter() {
            let name = format!("sockjs_requests_refused_total {}", reason.name());
            assert_eq!(count(&name), refused);
        }
        assert_eq!(count("sockjs_messages_total in"), stats.messages_in);
        assert_eq!(count("sockjs_messages_total out"), stats.messages_out);
        assert_eq!(count("sockjs_message_bytes_total in"), stats.bytes_in);
        assert_eq!(count("sockjs_message_bytes_total out"), stats.bytes_out);
        assert!(stats.messages_in >= 4 && stats.messages_out > 0 && stats.refused.total() >= 4);
        assert_eq!(values["sockjs_queued_bytes"], gauge(stats.queued_bytes as f64));
    }

    fn flush_times(snapshotter: &Snapshotter) -> Vec<f64> {
        match &values(snapshotter)["sockjs_flush_seconds"] {
            DebugValue::Histogram(times) => times.iter().map(|time| time.0).collect(),
            other => panic!("{other:?}"),
        }
    }

    /// A client that takes nothing for three seconds.
    fn expect_flush_after_a_while(open: impl FnOnce(&mut Scene)) {
        let (mut scene, snapshotter) = watched();
        open(&mut scene);
        scene.run_for(Duration::from_millis(1));
        let times = flush_times(&snapshotter);
        assert!(!times.is_empty() && times.iter().all(|time| *time == 0.0), "{times:?}");
        scene.clients[0].stall(true);
        scene.run_until(HEARTBEAT);
        scene.run_for(Duration::from_secs(3));
        assert!(flush_times(&snapshotter).is_empty());
        scene.clients[0].stall(false);
        scene.run_for(Duration::from_millis(1));
        assert_eq!(flush_times(&snapshotter), [3.0]);
    }

    #[test]
    fn flushes_take_as_long_as_the_socket_lets_them() {
        expect_flush_after_a_while(|scene| scene.open_websocket("socket"));
        expect_flush_after_a_while(|scene| scene.receive("stream", "/echo/000/1/xhr_streaming"));
    }

    #[test]
    fn what_waits_is_counted_while_it_waits() {
        let (mut scene, snapshotter) = watched();
        scene.request("POST", "1/xhr", "");
        scene.request("POST", "1/xhr_send", r#"["four"]"#);
        let queued = gauge(scene.service.stats().queued_bytes as f64);
        assert_eq!(values(&snapshotter)["sockjs_queued_bytes"], queued);
        assert_eq!(queued, gauge(68.0));
        scene.request("POST", "1/xhr", "");
        // What was written is told a little later.
        scene.run_for(Duration::from_millis(30));
        // This recorder's values begin anew with each snapshot.
        assert_eq!(values(&snapshotter)["sockjs_queued_bytes"], gauge(-68.0));
    }
}
