//! One request and its answer: the core decides, this carries it out.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_TYPE, EXPECT, HeaderValue, UPGRADE};
use http::{Extensions, HeaderMap, Method, Request, Response, StatusCode, request};
use hyper::rt::Sleep;
use hyper::upgrade::OnUpgrade;
use pin_project_lite::pin_project;
use sockjs_core::{
    Action, ChunkId, Grade, Message, Peer, Principal, ReceivePermit, Refusal, Refused, Route,
    SendPermit, SendReply, SessionKey, Timestamp, WebsocketPermit,
};

use crate::body::Body;
use crate::claim::Claim;
use crate::guard::{Attached, Connection, Guard};
#[cfg(feature = "http2")]
use crate::http2::Use;
use crate::hub::Hub;
use crate::inbox::Inbox;
use crate::shard::{Shard, Turn};
use crate::upload::{self, Collected};
use crate::websocket::{Handshake, Upgrade, carry};

/// The other end of a request's connection, in the request's extensions; of a session it is
/// [`ConnectionInfo::peer_addr`](sockjs_core::ConnectionInfo::peer_addr).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);

/// How long a receive request waits while its session has another receiver: so long the network has
/// to tell that the other one has ended (PROTOCOL §5 rule 4).
const GRACE: Duration = Duration::from_millis(20);

/// How often a send request lets other tasks run before it waits.
const YIELDS: u8 = 3;
/// How long it waits at most for the application to ask for more.
const ANSWER_TIME: Duration = Duration::from_millis(25);

pin_project! {
    /// The answer to a request, on its way.
    pub(crate) struct Answering<F> {
        hub: Arc<Hub>,
        #[pin]
        answer: F,
    }
}

impl<F: Future<Output = Response<Body>>> Future for Answering<F> {
    type Output = Result<Response<Body>, Infallible>;

    /// Where the application's own code panics (its `authorize`, say) that request is answered 500, and
    /// no other suffers.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = AssertUnwindSafe(|| this.answer.poll(cx));
        let response = ready!(
            catch_unwind(answer).unwrap_or_else(|_| Poll::Ready(panicked().map(Body::full)))
        );
        if let Some(refusal) = response.extensions().get() {
            this.hub.app.observer.refused(*refusal);
        }
        Poll::Ready(Ok(response))
    }
}

impl Hub {
    /// Answers a request. Paths that are not the service's get a 404.
    ///
    /// Each request on its way has one such future. It is read before that begins, so that it need
    /// not be held, and what else is large is in a box.
    pub(crate) fn respond<B>(
        self: Arc<Self>,
        mut request: Request<B>,
    ) -> Answering<impl Future<Output = Response<Body>>>
    where
        B: http_body::Body,
    {
        let upgrade = upgrade_of(&mut request);
        let (mut head, body) = request.into_parts();
        let (connection, peer) = self.sender_of(&mut head.extensions);
        let expects = !body.is_end_stream() && head.headers.contains_key(EXPECT);
        // Good for the first turns too, which mostly follow in the same poll of a task.
        let now = self.now(connection.as_ref());
        let route = catch_unwind(AssertUnwindSafe(|| self.route(head, &peer, now)))
            .unwrap_or_else(|_| Route::Respond(Box::new(panicked())));
        let hub = self.clone();
        let answer = async move {
            match route {
                // In a box, here and below: rare, while each request would have room for it.
                Route::Respond(response) => Box::pin(hub.refuse(*response, body, expects)).await,
                Route::Receive(permit) => hub.receive(permit, connection, now).await,
                Route::Send(permit) => {
                    hub.receive_messages(permit, body, expects, connection, now).await
                }
                Route::Websocket(permit) => hub.upgrade(permit, upgrade, connection, now).await,
            }
        };
        Answering { hub: self, answer }
    }

    /// The connection that carries a request, if it is one of ours, and who is at its other end.
    fn sender_of(&self, extensions: &mut Extensions) -> (Option<Connection>, Peer) {
        let connection = Connection::take(extensions);
        let address = extensions.get::<PeerAddr>().map(|peer| peer.0);
        // Besides the connection and its peer there is nothing, and nobody will look.
        let is_passed_on = address.is_some() && extensions.len() == 2 && !self.shows_heads;
        match &connection {
            Some(connection) if is_passed_on => connection.pass_on(std::mem::take(extensions)),
            _ => Connection::unmark(extensions),
        }
        let grade = if connection.is_some() { Grade::Socket } else { Grade::Taken };
        (connection, Peer::new(address, grade))
    }

    /// The time. Connections of ours know that of their poll.
    fn now(&self, connection: Option<&Connection>) -> Timestamp {
        let look = || self.app.runtime.now();
        self.app.clock.timestamp(connection.map_or_else(look, |it| it.now(look)))
    }

    /// Who sent a request, as the application finds, and the time then; before it was `now`.
    async fn authorize(
        &self,
        head: &request::Parts,
        connection: Option<&Connection>,
        now: Timestamp,
    ) -> Result<(Option<Principal>, Timestamp), StatusCode> {
        let known = self.app.authorize(head, now).await;
        if self.app.authorizes()
            && let Some(connection) = connection
        {
            connection.look_anew();
        }
        known
    }

    fn route(&self, head: request::Parts, peer: &Peer, now: Timestamp) -> Route {
        if self.app.is_draining() {
            return self.service.route_draining(head, peer, now);
        }
        // Only info shows it, and it costs a system call. Without a source of randomness the
        // operating system is broken, and a constant then only lets caches repeat themselves.
        let is_info = self.service.is_info(head.uri.path());
        let entropy = if is_info { getrandom::u32().unwrap_or_default() } else { 0 };
        self.service.route(head, peer, entropy, now)
    }

    /// A complete answer, after what the client may still be sending.
    async fn refuse<B: http_body::Body>(
        &self,
        response: Response<Bytes>,
        body: B,
        expects: bool,
    ) -> Response<Body> {
        let patience = self.service.settings().limits.body_timeout;
        let has_ended = body.is_end_stream();
        // Who expects to be asked for the body has not sent it, and shall not.
        let can_go_on =
            has_ended || (!expects && upload::drain(body, patience, &*self.app.runtime).await);
        let mut response = response.map(Body::full);
        if !can_go_on {
            close_after(response.headers_mut());
        }
        response
    }

    async fn receive(
        &self,
        permit: Box<ReceivePermit>,
        connection: Option<Connection>,
        now: Timestamp,
    ) -> Response<Body> {
        let (who, now) = match self.authorize(permit.head(), connection.as_ref(), now).await {
            Ok(known) => known,
            Err(status) => return permit.refuse(status).map(Body::full),
        };
        let (head, guard) = {
            let shard = self.shard_of(permit.id());
            match self.attached(shard, permit, who, now).await {
                Some(Received::Answer(response)) => return response.map(Body::full),
                Some(Received::Stream(head, attached)) => {
                    let guard = Guard::new(shard.clone(), attached);
                    return head.map(|()| Body::stream(guard, connection));
                }
                Some(Received::Poll(head, attached, first)) => {
                    let guard = Guard::new(shard.clone(), attached);
                    if let Some((frame, chunk)) = first {
                        let ticket = Some(guard.ticket(chunk));
                        return head.map(|()| Body::once(frame, ticket, connection));
                    }
                    (head, guard)
                }
                None => return unexpected(),
            }
        };
        let body = poll(guard, connection).await;
        head.map(|()| body)
    }

    /// Attaches a receive request, after a moment if its session has another receiver.
    fn attached(
        &self,
        shard: &Shard,
        permit: Box<ReceivePermit>,
        who: Option<Principal>,
        now: Timestamp,
    ) -> impl Future<Output = Option<Received>> {
        let mut request = Some((permit, who));
        let mut grace: Option<Pin<Box<dyn Sleep>>> = None;
        poll_fn(move |cx| {
            loop {
                let is_late = grace.is_some();
                if let Some(sleep) = &mut grace {
                    ready!(sleep.as_mut().poll(cx));
                }
                let now = if is_late { self.app.now() } else { now };
                let received = shard.turn_at(now, |turn| {
                    let (permit, who) = request
                        .take_if(|(permit, _)| is_late || !turn.endpoint.is_occupied(permit))?;
                    attach(turn, permit, who, cx.waker())
                });
                if request.is_none() {
                    return Poll::Ready(received);
                }
                grace = Some(self.app.runtime.sleep(GRACE));
            }
        })
    }

    async fn receive_messages<B: http_body::Body>(
        &self,
        permit: Box<SendPermit>,
        body: B,
        expects: bool,
        connection: Option<Connection>,
        now: Timestamp,
    ) -> Response<Body> {
        let (who, now) = match self.authorize(permit.head(), connection.as_ref(), now).await {
            Ok(known) => known,
            Err(status) => {
                return Box::pin(self.refuse(permit.refuse(status), body, expects)).await;
            }
        };
        let shard = self.shard_of(permit.id());
        let admitted =
            shard.turn_at(now, |turn| match turn.endpoint.handle_send(permit, who, turn.now) {
                Action::Collect { session, max_bytes, reply } => Ok((session, max_bytes, reply)),
                Action::Respond(response) => Err(Some(Box::new(response))),
                _ => Err(None),
            });
        let (session, max_bytes, reply) = match admitted {
            Ok(admitted) => admitted,
            Err(Some(response)) => return Box::pin(self.refuse(*response, body, expects)).await,
            Err(None) => return unexpected(),
        };
        let patience = self.service.settings().limits.body_timeout;
        // Held until the messages are in their queue.
        let mut claim = Claim::on(&*self.incoming);
        let runtime = &*self.app.runtime;
        match upload::collect(body, max_bytes, &mut claim, patience, runtime).await {
            Ok(Collected { body, was_there }) => {
                let now = if was_there { now } else { self.app.now() };
                deliver(shard, session, &body, reply, connection, now).await.map(Body::full)
            }
            Err(error) => {
                // What is left of the body cannot be told from a next request.
                let mut response = reply.unread(error).map(Body::full);
                close_after(response.headers_mut());
                response
            }
        }
    }

    async fn upgrade(
        &self,
        permit: Box<WebsocketPermit>,
        upgrade: Option<Upgrade>,
        connection: Option<Connection>,
        now: Timestamp,
    ) -> Response<Body> {
        let (who, now) = match self.authorize(permit.head(), connection.as_ref(), now).await {
            Ok(known) => known,
            Err(status) => return permit.refuse(status).map(Body::full),
        };
        let Some(upgrade) = upgrade else { return unexpected() };
        let shard = self.any_shard();
        let action =
            shard.turn_at(now, |turn| turn.endpoint.handle_websocket(permit, who, turn.now));
        match action {
            Action::Respond(response) => response.map(Body::full),
            Action::Upgrade { head, receiver } => {
                let guard = Guard::new(shard.clone(), Attached::new(receiver));
                let service = self.service.clone();
                let claim = Claim::on(self.incoming.clone());
                let mut answer = head.map(|()| Body::default());
                if let Some(connection) = &connection {
                    connection.hold_back(&mut answer);
                }
                let handshake = Handshake { upgrade, connection, guard, service, claim };
                self.app.runtime.spawn(Box::pin(carry(handshake)));
                answer
            }
            _ => unexpected(),
        }
    }
}

/// What became of a receive request. Whoever gets a receiver makes its guard before anything else.
enum Received {
    Answer(Response<Bytes>),
    /// With its frame, if there was one at once.
    Poll(Response<()>, Attached, Option<(Bytes, Option<ChunkId>)>),
    Stream(Response<()>, Attached),
}

/// Attaches a receive request to its session. A poll takes its frame in the same turn, or waits for one.
fn attach(
    turn: &mut Turn<'_>,
    permit: Box<ReceivePermit>,
    who: Option<Principal>,
    waker: &Waker,
) -> Option<Received> {
    match turn.endpoint.handle_receive(permit, who, turn.now) {
        Action::Respond(response) => Some(Received::Answer(response)),
        Action::Poll { head, receiver } => {
            let mut attached = Attached::new(receiver);
            let mut frame = BytesMut::new();
            let first = match attached.transmit_in(turn, &mut frame, waker) {
                Poll::Ready(Some(transmit)) => Some((frame.freeze(), transmit.chunk)),
                Poll::Ready(None) | Poll::Pending => None,
            };
            Some(Received::Poll(head, attached, first))
        }
        Action::Stream { head, receiver } => Some(Received::Stream(head, Attached::new(receiver))),
        _ => None,
    }
}

/// Waits for the frame of a one-frame response, so that head and frame leave in one write. There was none in
/// the turn that attached it, which is of this very poll of a task.
fn poll(mut guard: Guard, mut connection: Option<Connection>) -> impl Future<Output = Body> {
    guard.park(connection.as_ref());
    let mut has_looked = true;
    poll_fn(move |cx| {
        if std::mem::take(&mut has_looked) {
            return Poll::Pending;
        }
        let mut frame = Bytes::new();
        let ticket = ready!(guard.poll_frames(cx.waker(), |it| frame = it));
        Poll::Ready(Body::once(frame, ticket, connection.take()))
    })
}

/// Passes a body's messages to their session, from `since` on, and has its handler take them within a poll of
/// this connection; waits while the application lags.
async fn deliver(
    shard: &Arc<Shard>,
    session: SessionKey,
    body: &[u8],
    reply: SendReply,
    connection: Option<Connection>,
    since: Timestamp,
) -> Response<Bytes> {
    // Room for what most requests bring.
    let mut batch: Vec<Message> = Vec::with_capacity(8);
    if let Err(error) = reply.read(body, &mut batch) {
        return reply.broken(error);
    }
    let is_empty = batch.is_empty();
    let mut is_first = true;
    let delivered = poll_fn(|cx| {
        let now = if std::mem::take(&mut is_first) { since } else { shard.app.now() };
        let mut receives = None;
        let (delivered, brought) = shard.turn_of_request(now, session, |turn| {
            receives = turn.waiting.known(session).and_then(|place| place.session.clone());
            match turn.endpoint.handle_messages_since(session, &mut batch, since, now) {
                Err(Refused::Full) => {
                    turn.waiting.of(session).wait_for_room(cx.waker());
                    Poll::Pending
                }
                Err(refused) => Poll::Ready(Err(refused)),
                Ok(()) => Poll::Ready(Ok(turn.endpoint.has_receiver(session))),
            }
        });
        let Some(session) = receives.filter(|_| brought.messages) else { return delivered };
        session.run();
        if let Some(connection) = &connection {
            connection.look_anew();
        }
        // Mostly it has answered by now.
        delivered.map_ok(|is_received| is_received || session.with_inbox(Inbox::is_idle))
    });
    match delivered.await {
        Ok(need_not_wait) => {
            if !need_not_wait && !is_empty {
                answered(shard, session).await;
            }
            reply.accepted()
        }
        Err(refused) => reply.refused(refused),
    }
}

/// Lets an application that answers at once do so before its client is told that its messages
/// arrived: the poll that follows then finds the answer (PROTOCOL §9). Where a receiver waits
/// already, there is no need to. Not for long, for the application may take its time.
async fn answered(shard: &Shard, session: SessionKey) {
    let mut yields = YIELDS;
    let mut patience = None;
    poll_fn(|cx| {
        let is_waiting = shard.turn(|turn| {
            let Some(place) = turn.waiting.known(session) else { return true };
            let is_waiting = place.session.as_ref().is_none_or(|it| it.with_inbox(Inbox::is_idle));
            if !is_waiting && yields == 0 {
                place.wait_for_answer(cx.waker());
            }
            is_waiting
        });
        if is_waiting {
            return Poll::Ready(());
        }
        // A task that takes the messages mostly runs next on this very thread, and no timer is needed.
        if yields > 0 {
            yields -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let patience = patience.get_or_insert_with(|| shard.app.runtime.sleep(ANSWER_TIME));
        patience.as_mut().poll(cx)
    })
    .await;
}

/// The upgrade that the server around us offers with a request, if it does. It is taken out of any request, also of
/// one that has no use for it: it would keep the connection's socket, and sessions keep what is left.
fn upgrade_of<B>(request: &mut Request<B>) -> Option<Upgrade> {
    let is_asked = request.headers().contains_key(UPGRADE) || request.method() == Method::CONNECT;
    if !is_asked {
        return None;
    }
    #[cfg(feature = "http2")]
    if let Some(protocol) = request.extensions_mut().remove::<hyper::ext::Protocol>() {
        let protocol = sockjs_core::ConnectProtocol(protocol.as_str().into());
        request.extensions_mut().insert(protocol);
    }
    #[cfg(feature = "http2")]
    let stream = request.extensions_mut().remove::<Use>().inspect(Use::begin);
    #[cfg(not(feature = "http2"))]
    let stream = None;
    let on = request.extensions_mut().remove::<OnUpgrade>()?;
    Some(Upgrade { on, stream })
}

fn close_after(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
}

/// For a request whose answer cannot be made. What of its body was read is not known.
fn panicked() -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(b"Internal error\n"));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    let text = HeaderValue::from_static("text/plain; charset=UTF-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    close_after(response.headers_mut());
    Refusal::Failed.mark(response)
}

/// An action that does not go with its request, or a server around us that cannot upgrade.
fn unexpected() -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::NOT_IMPLEMENTED;
    response
}
