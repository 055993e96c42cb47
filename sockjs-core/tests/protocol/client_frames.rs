//! PROTOCOL §7: what WebSocket clients send, frame by frame.

use bytes::BytesMut;
use sockjs_core::{
    Action, Cause, ClientFrame, CloseReason, Endpoint, Event, FrameKind, Gone, Message, Quota,
    Receiver, Seed, Service, SessionKey, Settings, SlowConsumers,
};

use crate::common::request::{head, peer, websocket};
use crate::common::{START, secs, settings};

/// An open WebSocket session.
struct Open {
    endpoint: Endpoint,
    receiver: Receiver,
    key: SessionKey,
    /// What the endpoint has said so far.
    events: Vec<Event>,
}

fn open(path: &str, change: impl FnOnce(&mut Settings)) -> Open {
    let mut settings = settings();
    change(&mut settings);
    let service = Service::new(settings).unwrap();
    let quota = Quota::whole(&service.settings().limits);
    let mut endpoint = Endpoint::new(service.clone(), 0, quota, Seed::new(1));
    let route = service.route(head(websocket(path)), &peer(), 0, START);
    let Action::Upgrade { receiver, .. } = endpoint.handle_route(route, None, START) else {
        panic!("an upgrade")
    };
    let key = receiver.session().unwrap();
    let mut open = Open { endpoint, receiver, key, events: Vec::new() };
    open.transmit();
    open
}

impl Open {
    fn handle(&mut self, frame: ClientFrame<'_>) {
        self.endpoint.handle_frame(&mut self.receiver, frame, START);
        self.drain();
    }

    /// Lets the time come that is `at` seconds after the start.
    fn advance(&mut self, at: u64) {
        let now = START + secs(at);
        while self.endpoint.poll_timeout().is_some_and(|due| due <= now) {
            self.endpoint.handle_timeout(now);
            self.drain();
        }
    }

    /// Writes all frames that are ready, and gives their kinds.
    fn transmit(&mut self) -> Vec<FrameKind> {
        let (mut buf, mut kinds) = (BytesMut::new(), Vec::new());
        while let Some(transmit) = self.endpoint.poll_transmit(&mut self.receiver, &mut buf) {
            if let Some(chunk) = transmit.chunk {
                self.endpoint.handle_written(chunk, START);
            }
            kinds.push(transmit.frame);
        }
        self.drain();
        kinds
    }

    fn recv_all(&mut self) -> Vec<Message> {
        let all = std::iter::from_fn(|| self.endpoint.recv(self.key)).collect();
        self.drain();
        all
    }

    fn drain(&mut self) {
        self.events.extend(std::iter::from_fn(|| self.endpoint.poll_event()));
    }

    /// The cause in the report, the code, and how many messages the application had not taken.
    #[track_caller]
    fn end(&self) -> (Cause, u16, usize) {
        let report = self.events.iter().find_map(|event| match event {
            Event::Closed(_, report) => Some(report),
            _ => None,
        });
        let report = report.expect("the session has ended");
        (report.cause, report.reason.code(), report.unread.len())
    }
}

#[test]
fn messages_go_to_the_application() {
    let mut framed = open("/000/s/websocket", |_| ());
    for text in ["[\"a\",\"b\"]", "\"c\"", ""] {
        framed.handle(ClientFrame::Text(text));
    }
    assert_eq!(framed.recv_all(), ["a", "b", "c"]);
    let mut raw = open("/websocket", |_| ());
    raw.handle(ClientFrame::Text("[]"));
    raw.handle(ClientFrame::Binary(&[1, 2]));
    assert_eq!(raw.recv_all(), [Message::text("[]"), Message::binary(vec![1, 2])]);
}

#[test]
fn what_breaks_a_rule_is_answered_by_the_websockets_close_alone() {
    let too_big = CloseReason::TOO_BIG;
    for (frame, reason) in [
        (ClientFrame::Text("{}"), CloseReason::BROKEN_FRAMING),
        (ClientFrame::Binary(b"[]"), CloseReason::BINARY),
        (ClientFrame::Violation(too_big.clone()), too_big),
    ] {
        let mut open = open("/000/s/websocket", |_| ());
        open.handle(ClientFrame::Text("\"before\""));
        open.handle(frame);
        open.handle(ClientFrame::Text("\"after\""));
        assert!(!open.receiver.is_finished());
        assert_eq!(open.transmit(), [FrameKind::Close(reason.clone())]);
        assert!(open.receiver.is_finished());
        assert_eq!(open.end(), (Cause::ProtocolError, reason.code(), 1));
        assert!(open.endpoint.is_empty());
    }
}

#[test]
fn messages_that_could_never_be_held_are_too_big() {
    let mut open = open("/000/s/websocket", |settings| {
        settings.limits.message_bytes = 100;
        settings.limits.inbox_bytes = 100;
    });
    open.handle(ClientFrame::Text("[\"\",\"\",\"\",\"\"]"));
    assert_eq!(open.transmit(), [FrameKind::Close(CloseReason::TOO_BIG)]);
    assert_eq!(open.end(), (Cause::ProtocolError, 1009, 0));
}

#[test]
fn nothing_is_transmitted_after_the_clients_close() {
    for (reason, code) in [(Some(CloseReason::new(4001, "done")), 4001), (None, 1005)] {
        let mut open = open("/000/s/websocket", |_| ());
        open.endpoint.send(open.key, Message::text("unsent")).unwrap();
        open.handle(ClientFrame::Close(reason));
        assert!(open.receiver.is_finished());
        assert_eq!(open.transmit(), []);
        assert_eq!(open.end(), (Cause::ClientGone, code, 0));
    }
}

#[test]
fn who_is_heard_of_after_a_ping_keeps_the_session() {
    let said =
        [(Some(ClientFrame::Pong), false), (Some(ClientFrame::Text("")), false), (None, true)];
    for (frame, ends) in said {
        let mut open = open("/000/s/websocket", |_| ());
        open.advance(25);
        assert_eq!(open.transmit().last(), Some(&FrameKind::Ping));
        if let Some(frame) = frame {
            open.endpoint.handle_frame(&mut open.receiver, frame, START + secs(34));
        }
        open.advance(36);
        let close = FrameKind::Close(CloseReason::NO_HEARTBEAT);
        assert_eq!(open.transmit().contains(&close), ends);
    }
}

#[test]
fn what_finds_no_room_is_held_until_there_is() {
    let mut open = open("/000/s/websocket", |settings| settings.limits.inbox_bytes = 65);
    open.handle(ClientFrame::Text("\"1\""));
    assert!(!open.receiver.is_holding());
    open.handle(ClientFrame::Text("[\"2\",\"3\"]"));
    assert!(open.receiver.is_holding());
    open.transmit();
    assert!(open.receiver.is_holding(), "there is still no room");
    assert_eq!(open.recv_all(), ["1"]);
    assert!(open.events.iter().any(|event| matches!(event, Event::Resume(_))));
    open.transmit();
    assert!(!open.receiver.is_holding());
    assert_eq!(open.recv_all(), ["2", "3"]);
}

#[test]
fn what_is_held_counts_when_the_client_leaves() {
    let limit = |settings: &mut Settings| settings.limits.inbox_bytes = 65;
    let fill = |open: &mut Open| {
        open.handle(ClientFrame::Text("\"1\""));
        open.handle(ClientFrame::Text("\"2\""));
    };
    let mut closed = open("/000/s/websocket", limit);
    fill(&mut closed);
    closed.handle(ClientFrame::Close(None));
    assert_eq!(closed.end(), (Cause::ClientGone, 1005, 2));
    let mut broken = open("/000/s/websocket", limit);
    fill(&mut broken);
    broken.handle(ClientFrame::Text("{}"));
    assert_eq!(broken.end(), (Cause::ProtocolError, 3000, 2));
    let mut gone = open("/000/s/websocket", limit);
    fill(&mut gone);
    let Open { mut endpoint, receiver, .. } = gone;
    endpoint.handle_gone(receiver, Gone::Disconnected, START);
    let Some(Event::Closed(_, report)) = std::iter::from_fn(|| endpoint.poll_event()).last() else {
        panic!("no end")
    };
    assert_eq!(report.unread.len(), 2);
}

#[test]
fn what_is_held_for_a_session_that_has_ended_is_dropped() {
    let mut open = open("/000/s/websocket", |settings| settings.limits.inbox_bytes = 65);
    open.handle(ClientFrame::Text("\"1\""));
    open.handle(ClientFrame::Text("\"2\""));
    open.endpoint.close(open.key, CloseReason::GO_AWAY);
    let close = FrameKind::Close(CloseReason::GO_AWAY);
    assert_eq!(open.transmit(), [FrameKind::Text, close]);
    assert!(!open.receiver.is_holding());
    assert_eq!(open.end(), (Cause::Application, 3000, 1));
}

#[test]
fn what_is_held_does_not_outlive_its_session() {
    let mut open = open("/000/s/websocket", |settings| {
        settings.limits.inbox_bytes = 65;
        settings.slow_consumers = SlowConsumers::Close(CloseReason::SLOW_CONSUMER);
    });
    open.handle(ClientFrame::Text("\"1\""));
    open.handle(ClientFrame::Text("\"2\""));
    open.endpoint.send(open.key, Message::text("never written")).unwrap();
    let handed = open.endpoint.poll_transmit(&mut open.receiver, &mut BytesMut::new());
    assert!(handed.is_some() && open.receiver.is_holding());
    open.drain();
    open.advance(10);
    assert_eq!(open.end(), (Cause::SlowConsumer, 4500, 1));
    assert_eq!(open.transmit().len(), 2, "the close frame and the close");
    assert!(open.receiver.is_finished() && !open.receiver.is_holding());
}
