//! Messages that flow cost no allocation: buffers are the caller's, contents are shared, and queues
//! keep their room.

use std::time::Duration;

use allocation_counter::measure;
use bytes::BytesMut;
use sockjs_core::testing::{START, request, settings};
use sockjs_core::{
    Action, Endpoint, Event, Message, Quota, Receiver, Route, Seed, Service, SessionKey, Timestamp,
};

const ROUNDS: u32 = 1_000;

/// What needs escapes, in SockJS's JSON and once more in each transport's wrapping.
const TEXT: &str = "a \"message\" of 100 % <b>\u{2028}\n";

/// A session with its receiver, and buffers as a driver has them.
struct Flow {
    endpoint: Endpoint,
    receiver: Receiver,
    key: SessionKey,
    now: Timestamp,
    buf: BytesMut,
    batch: Vec<Message>,
}

impl Flow {
    fn open(path: &str) -> Self {
        let mut settings = settings();
        settings.response_limit = usize::MAX;
        let quota = Quota::whole(&settings.limits);
        let service = Service::new(settings).unwrap();
        let mut endpoint = Endpoint::new(service.clone(), 0, quota, Seed::new(1));
        let head = request::head(request::for_path(path));
        let action = match service.route(head, &request::peer(), 0, START) {
            Route::Receive(permit) => endpoint.handle_receive(permit, None, START),
            Route::Websocket(permit) => endpoint.handle_websocket(permit, None, START),
            other => panic!("{other:?}"),
        };
        let (Action::Stream { receiver, .. } | Action::Upgrade { receiver, .. }) = action else {
            panic!("{action:?}");
        };
        let key = receiver.session().unwrap();
        let buf = BytesMut::with_capacity(8 * 1024);
        let mut flow = Self { endpoint, receiver, key, now: START, buf, batch: Vec::new() };
        flow.turn();
        assert_eq!(flow.endpoint.stats().open(), 1);
        // A first heartbeat or ping, for which a queue makes room.
        flow.now = flow.now + Duration::from_secs(25);
        flow.turn();
        flow
    }

    /// A turn as a driver takes it. Returns how many frames were handed.
    fn turn(&mut self) -> u32 {
        let mut frames = 0;
        self.now = self.now + Duration::from_millis(7);
        self.endpoint.handle_timeout(self.now);
        loop {
            let transmit = self.endpoint.poll_transmit(&mut self.receiver, &mut self.buf);
            let mut is_quiet = transmit.is_none();
            while let Some(event) = self.endpoint.poll_event() {
                is_quiet = false;
                assert!(!matches!(event, Event::Closed(..)));
            }
            if is_quiet {
                break;
            }
            frames += u32::from(transmit.is_some());
            self.buf.clear();
            if let Some(chunk) = transmit.and_then(|transmit| transmit.chunk) {
                self.endpoint.handle_written(chunk, self.now);
            }
        }
        self.endpoint.handle_pong(self.key, self.now);
        while self.endpoint.poll_event().is_some() {}
        assert!(self.endpoint.poll_timeout().is_some_and(|at| at > self.now));
        frames
    }

    /// Does something many times over, first so that queues grow to what they need.
    fn allocations(mut self, round: impl Fn(&mut Self)) -> u64 {
        (0..ROUNDS).for_each(|_| round(&mut self));
        measure(|| (0..ROUNDS).for_each(|_| round(&mut self))).count_total
    }
}

const PATHS: [&str; 5] = [
    "/000/s/websocket",
    "/websocket",
    "/000/s/xhr_streaming",
    "/000/s/eventsource",
    "/000/s/htmlfile",
];

#[test]
fn sending_allocates_nothing() {
    for encoded in [false, true] {
        for path in PATHS {
            let message = Message::text(TEXT);
            let message = if encoded { message.encode() } else { message };
            let allocations = Flow::open(path).allocations(|flow| {
                flow.endpoint.send(flow.key, message.clone()).unwrap();
                assert_eq!(flow.turn(), 1);
            });
            assert_eq!(allocations, 0, "{path}, encoded: {encoded}");
        }
    }
}

#[test]
fn sending_a_burst_allocates_nothing() {
    let message = Message::text(TEXT);
    for path in PATHS {
        let allocations = Flow::open(path).allocations(|flow| {
            for _ in 0..20 {
                flow.endpoint.send(flow.key, message.clone()).unwrap();
            }
            assert!(flow.turn() >= 1);
        });
        assert_eq!(allocations, 0, "{path}");
    }
}

#[test]
fn receiving_allocates_nothing() {
    let message = Message::text(TEXT);
    for path in PATHS {
        let allocations = Flow::open(path).allocations(|flow| {
            flow.batch.extend([message.clone(), message.clone(), message.clone()]);
            flow.endpoint.handle_messages(flow.key, &mut flow.batch, flow.now).unwrap();
            flow.turn();
            for _ in 0..3 {
                assert_eq!(flow.endpoint.recv(flow.key).as_ref(), Some(&message));
            }
            assert_eq!(flow.endpoint.recv(flow.key), None);
            flow.turn();
        });
        assert_eq!(allocations, 0, "{path}");
    }
}

/// Seven seconds a round, so heartbeats and pings are due now and then.
#[test]
fn time_that_passes_allocates_nothing() {
    for path in PATHS {
        let allocations = Flow::open(path).allocations(|flow| {
            flow.now = flow.now + Duration::from_secs(7);
            flow.turn();
            flow.endpoint.handle_timeout(flow.now);
            assert!(flow.endpoint.poll_event().is_none());
        });
        assert_eq!(allocations, 0, "{path}");
    }
}

/// Polling sessions of one endpoint.
struct Polls {
    service: Service,
    endpoint: Endpoint,
}

impl Polls {
    fn new() -> Self {
        let settings = settings();
        let quota = Quota::whole(&settings.limits);
        let service = Service::new(settings).unwrap();
        let endpoint = Endpoint::new(service.clone(), 0, quota, Seed::new(1));
        Self { service, endpoint }
    }

    fn route(&self, request: http::request::Builder) -> Route {
        self.service.route(request::head(request), &request::peer(), 0, START)
    }

    /// A poll that finds something.
    fn poll(&mut self, number: u32) {
        let route = self.route(request::post(&format!("/000/{number}/xhr")));
        let action = self.endpoint.handle_route(route, None, START);
        let Action::Poll { mut receiver, .. } = action else { panic!("{action:?}") };
        let transmit = self.endpoint.poll_transmit(&mut receiver, &mut BytesMut::new()).unwrap();
        assert!(transmit.fin);
        self.endpoint.handle_written(transmit.chunk.unwrap(), START);
        while self.endpoint.poll_event().is_some() {}
    }

    /// A message there and back.
    fn echo(&mut self, number: u32) {
        let route = self.route(request::post(&format!("/000/{number}/xhr_send")));
        let action = self.endpoint.handle_route(route, None, START);
        let Action::Collect { session, .. } = action else { panic!("{action:?}") };
        let mut batch = vec![Message::text(String::from(TEXT))];
        self.endpoint.handle_messages(session, &mut batch, START).unwrap();
        let message = self.endpoint.recv(session).unwrap();
        self.endpoint.send(session, message).unwrap();
        self.poll(number);
    }
}

/// What an endpoint has spare for all of them does not count.
#[test]
fn a_session_that_rests_holds_no_queues() {
    let mut polls = Polls::new();
    for number in 0..ROUNDS {
        polls.poll(number);
    }
    let kept = measure(|| (0..ROUNDS).for_each(|number| polls.echo(number))).bytes_current;
    assert!(kept < i64::from(ROUNDS) * 32, "{kept} bytes");
}

/// The counter counts.
#[test]
fn a_message_of_ones_own_is_an_allocation() {
    let allocations = Flow::open("/websocket").allocations(|flow| {
        flow.endpoint.send(flow.key, Message::text(String::from(TEXT))).unwrap();
        flow.turn();
    });
    assert!(allocations >= u64::from(ROUNDS), "{allocations}");
}
