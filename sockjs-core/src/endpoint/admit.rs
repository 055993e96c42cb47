//! Requests that open sessions or name them (PROTOCOL §5 rules 1 to 5, §6; DESIGN §5 and §6).

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Response, StatusCode};

use super::*;
use crate::binding::Principal;
use crate::event::Action;
use crate::info::ConnectionInfo;
use crate::permit::{
    BodyError, ReceivePermit, Request, SendPermit, SendReply, WebsocketPermit, not_found,
};
use crate::receiver::Attachment;
use crate::refusal::Refusal;
use crate::report::Grade;
use crate::service::{DRAINING, Route};
use crate::session::Attach;
use crate::web::answer::Answer;
use crate::wire::transport::Transport;

const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

impl Endpoint {
    /// Whether a receive request would be refused because another receiver is attached. A driver
    /// may wait a moment then, and give the network the chance to tell that the other one ended. The permit
    /// keeps in mind where its session was, for [`handle_receive`](Self::handle_receive).
    pub fn is_occupied(&self, permit: &mut ReceivePermit) -> bool {
        permit.found = self.ids.find(permit.id(), permit.found, &self.sessions);
        let holding = permit.found.and_then(|slot| self.sessions.get(slot));
        holding.is_some_and(|holding| holding.session.is_occupied())
    }

    /// Any request, as [`Service::route`] made it out: for drivers that have nothing to ask before
    /// the endpoint decides. `who` is what the application's `authorize` found.
    pub fn handle_route(&mut self, route: Route, who: Option<Principal>, now: Timestamp) -> Action {
        match route {
            Route::Respond(response) => Action::Respond(*response),
            Route::Receive(permit) => self.handle_receive(permit, who, now),
            Route::Send(permit) => self.handle_send(permit, who, now),
            Route::Websocket(permit) => self.handle_websocket(permit, who, now),
        }
    }

    /// A receive request: opens a session, attaches to one, or is refused. `who` is what the
    /// application's `authorize` found.
    pub fn handle_receive(
        &mut self,
        permit: Box<ReceivePermit>,
        who: Option<Principal>,
        now: Timestamp,
    ) -> Action {
        let now = self.advance(now);
        let transport = permit.transport;
        let rule = self.service.settings().binding;
        let (slot, answer) = match self.find(permit.id(), permit.found) {
            Some((slot, holding)) => {
                let sender = permit.request.sender(who.as_ref(), rule);
                if !holding.session.binding.admits(&sender, rule) {
                    return self.turn_away(Refusal::Binding, not_found(permit.request.answer));
                }
                (slot, permit.request.answer)
            }
            None => match self.refusal(transport) {
                Some(refusal) => {
                    return self.turn_away(refusal, unavailable(refusal, permit.request.answer));
                }
                None => self.open(transport, permit.request, who.as_ref(), now),
            },
        };
        let stage = self.attach(slot, transport, permit.grade, now);
        let mut head = receive_head(transport, answer);
        if matches!(&stage, Stage::Close(it) if it.reason == CloseReason::STILL_OPEN) {
            self.stats.refused.count(Refusal::SecondReceiver);
            head = Refusal::SecondReceiver.mark(head);
        }
        let receiver = Receiver::new(self.receiver_number(), transport, permit.callback, stage);
        if transport.is_one_frame() {
            Action::Poll { head, receiver }
        } else {
            Action::Stream { head, receiver }
        }
    }

    /// A send request, before its body is read.
    pub fn handle_send(
        &mut self,
        permit: Box<SendPermit>,
        who: Option<Principal>,
        now: Timestamp,
    ) -> Action {
        self.advance(now);
        let rule = self.service.settings().binding;
        let Some((slot, holding)) = self.find(permit.id(), None) else {
            return self.turn_away(Refusal::UnknownSession, not_found(permit.request.answer));
        };
        if !holding.session.binding.admits(&permit.request.sender(who.as_ref(), rule), rule) {
            return self.turn_away(Refusal::Binding, not_found(permit.request.answer));
        }
        if !holding.session.takes_send_requests() {
            return self.turn_away(Refusal::UnknownSession, not_found(permit.request.answer));
        }
        if std::mem::take(&mut holding.is_unconfirmed) {
            self.unconfirmed -= 1;
        }
        let limits = &self.service.settings().limits;
        let max_bytes = limits.message_bytes;
        let is_too_long = permit.announced_bytes().is_some_and(|bytes| bytes > max_bytes as u64);
        let reply = SendReply::new(permit, limits.payload_bytes());
        if is_too_long {
            return self.turn_away(Refusal::TooLarge, reply.unread(BodyError::TooLarge));
        }
        Action::Collect { session: SessionKey { shard: self.shard, slot }, max_bytes, reply }
    }

    /// A WebSocket handshake: always a session of its own, whatever its id.
    pub fn handle_websocket(
        &mut self,
        permit: Box<WebsocketPermit>,
        who: Option<Principal>,
        now: Timestamp,
    ) -> Action {
        let now = self.advance(now);
        let WebsocketPermit { request, transport, handshake } = *permit;
        if let Some(refusal) = self.refusal(transport) {
            return self.turn_away(refusal, unavailable(refusal, request.answer));
        }
        let (slot, answer) = self.open(transport, request, who.as_ref(), now);
        let stage = self.attach(slot, transport, handshake.grade(), now);
        let receiver = Receiver::new(self.receiver_number(), transport, None, stage);
        Action::Upgrade { head: handshake.accept(answer), receiver }
    }

    /// The session that a request names.
    fn find(&mut self, id: &[u8], found: Option<Slot>) -> Option<(Slot, &mut Holding)> {
        let slot = self.ids.find(id, found, &self.sessions)?;
        Some((slot, self.sessions.get_mut(slot)?))
    }

    fn attach(&mut self, slot: Slot, transport: Transport, grade: Grade, now: Timestamp) -> Stage {
        let Some(holding) = self.sessions.get_mut(slot) else { return Stage::Finished };
        let stage = match holding.session.attach(transport, grade, self.service.settings(), now) {
            Attach::Refused(reason) => Stage::close(reason, None),
            Attach::Attached(number) => {
                if number > 1 && std::mem::take(&mut holding.is_unconfirmed) {
                    self.unconfirmed -= 1;
                }
                let session = SessionKey { shard: self.shard, slot };
                Stage::Frames(Attachment { session, number })
            }
        };
        self.touch(slot);
        stage
    }

    fn receiver_number(&mut self) -> u64 {
        let number = self.receivers;
        self.receivers += 1;
        number
    }

    /// Why no session can be opened now, if so.
    fn refusal(&self, transport: Transport) -> Option<Refusal> {
        // A session whose opener holds no connection costs an attacker nothing to leave behind.
        let leaves = transport.is_one_frame();
        if self.draining {
            Some(Refusal::Draining)
        } else if self.live >= self.quota.sessions {
            Some(Refusal::Sessions)
        } else if leaves && self.unconfirmed >= self.quota.unconfirmed_sessions {
            Some(Refusal::UnconfirmedSessions)
        } else {
            None
        }
    }

    fn turn_away(&mut self, refusal: Refusal, response: Response<Bytes>) -> Action {
        self.stats.refused.count(refusal);
        Action::Respond(refusal.mark(response))
    }

    fn open(
        &mut self,
        transport: Transport,
        request: Request,
        who: Option<&Principal>,
        now: Timestamp,
    ) -> (Slot, Answer) {
        let binding = request.sender(who, self.service.settings().binding).binding();
        // Whatever the id of a WebSocket, no other request finds its session.
        let id = if transport.is_websocket() { &[] } else { request.id() };
        let id = SessionId::new(id);
        let Request { head, client, peer, answer, .. } = request;
        let info = ConnectionInfo::new(head, client, peer, self.service.clone(), transport);
        let is_unconfirmed = transport.is_one_frame();
        let slot = self.sessions.insert(Box::new(Holding {
            session: Session::new(transport, binding, info, now),
            id,
            scheduled: Timestamp::MAX,
            tallied_bytes: 0,
            has_freed: false,
            is_live: true,
            is_opened: false,
            is_unconfirmed,
            is_ready: false,
            is_starved: false,
        }));
        self.live += 1;
        self.unconfirmed += usize::from(is_unconfirmed);
        self.ids.insert(slot, &self.sessions);
        (slot, answer)
    }
}

fn unavailable(refusal: Refusal, answer: Answer) -> Response<Bytes> {
    answer.unavailable(match refusal {
        Refusal::Draining => DRAINING,
        _ => "Too many sessions\n",
    })
}

/// The head of a receive request's response (PROTOCOL §4).
fn receive_head(transport: Transport, mut answer: Answer) -> Response<()> {
    if let Some(content_type) = transport.content_type() {
        answer = answer.header(CONTENT_TYPE, content_type);
    }
    if transport == Transport::Jsonp {
        answer =
            answer.header(X_CONTENT_TYPE_OPTIONS, const { HeaderValue::from_static("nosniff") });
    }
    if !transport.is_one_frame() {
        answer = answer.header(X_ACCEL_BUFFERING, const { HeaderValue::from_static("no") });
    }
    answer.head(StatusCode::OK)
}
