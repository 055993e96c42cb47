//! The server side of the [SockJS] protocol as a pure state machine: requests, messages and the time
//! go in, responses, frames and events come out, and nothing else happens.
//!
//! No socket, clock, thread, lock, task or hidden randomness: every input is an argument, so the same
//! inputs give the same outputs, tests need not wait, and any runtime will do.
//!
//! # Three layers
//! 1. **Wire**, in [`wire`]: frames, JSON, paths, transports, and the answers to requests. Pure
//!    functions and values.
//! 2. **Session**: the life of one session and the account of its messages. It shows as [`Event`]s
//!    and ends in a [`Report`].
//! 3. **[`Service`] and [`Endpoint`]**: a service routes requests without touching any state; an
//!    endpoint owns sessions, their deadlines, and the limits among them.
//!
//! # The drain contract
//! `handle_*` tells the endpoint what happened out there; a plain verb is what the application
//! wants; `poll_*` takes what is ready and never blocks. After any call on an endpoint,
//! [`poll_transmit`](Endpoint::poll_transmit) and [`recv`](Endpoint::recv) included: drain
//! [`poll_event`](Endpoint::poll_event), transmit for the receivers that [`Event::Transmit`] names,
//! then read [`poll_timeout`](Endpoint::poll_timeout) again. Nothing else changes what they return.
//!
//! # Example
//! A session over `xhr` with an application that answers, all in virtual time:
//!
//! ```
//! use bytes::BytesMut;
//! use http::Request;
//! use sockjs_core::{
//!     Action, Endpoint, Event, Grade, Message, Peer, Quota, Receiver, Route, Seed, Service,
//!     SessionKey, Settings, Timestamp,
//! };
//! use std::time::Duration;
//!
//! /// What the client asks for; `POST`, as `xhr` and `xhr_send` have it.
//! fn post(service: &Service, path: &str, now: Timestamp) -> http::Result<Route> {
//!     let (head, ()) = Request::post(path).body(())?.into_parts();
//!     let entropy = 4; // fresh and unpredictable, outside of examples
//!     Ok(service.route(head, &Peer::new(None, Grade::Socket), entropy, now))
//! }
//!
//! /// Opens a session or attaches to it.
//! fn poll(endpoint: &mut Endpoint, route: Route, now: Timestamp) -> Receiver {
//!     let Route::Receive(permit) = route else { panic!("no receive request") };
//!     match endpoint.handle_receive(permit, None, now) {
//!         Action::Poll { head, receiver } => {
//!             assert_eq!(head.status(), 200);
//!             receiver
//!         }
//!         other => panic!("no poll: {other:?}"),
//!     }
//! }
//!
//! /// The drain contract, for an application that answers each message.
//! fn drain(endpoint: &mut Endpoint, receiver: &mut Receiver, now: Timestamp) -> BytesMut {
//!     let mut body = BytesMut::new();
//!     loop {
//!         while let Some(event) = endpoint.poll_event() {
//!             match event {
//!                 Event::Opened(key, _) | Event::Readable(key) => answer(endpoint, key),
//!                 Event::Closed(_, report) => println!("{:?}", report.cause),
//!                 _ => {}
//!             }
//!         }
//!         let Some(transmit) = endpoint.poll_transmit(receiver, &mut body) else { break };
//!         // Here the body would be written; then the endpoint is told.
//!         if let Some(chunk) = transmit.chunk {
//!             endpoint.handle_written(chunk, now);
//!         }
//!     }
//!     body
//! }
//!
//! fn answer(endpoint: &mut Endpoint, key: SessionKey) {
//!     while let Some(message) = endpoint.recv(key) {
//!         let text = message.as_text().unwrap_or_default();
//!         if endpoint.send(key, Message::text(format!("{text} to you"))).is_err() {
//!             break;
//!         }
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let service = Service::new(Settings::new("/echo"))?;
//! let quota = Quota::whole(&service.settings().limits);
//! let mut endpoint = Endpoint::new(service.clone(), 0, quota, Seed::new(1));
//! let mut now = Timestamp::from_micros(0);
//!
//! // The first poll opens the session.
//! let route = post(&service, "/echo/000/id/xhr", now)?;
//! let mut receiver = poll(&mut endpoint, route, now);
//! assert_eq!(drain(&mut endpoint, &mut receiver, now), "o\n");
//! assert!(receiver.is_finished());
//!
//! // The second one waits.
//! let route = post(&service, "/echo/000/id/xhr", now)?;
//! let mut receiver = poll(&mut endpoint, route, now);
//! assert_eq!(drain(&mut endpoint, &mut receiver, now), "");
//!
//! // A second later the client sends, by a request of its own.
//! now = now + Duration::from_secs(1);
//! let Route::Send(permit) = post(&service, "/echo/000/id/xhr_send", now)? else {
//!     panic!("no send request")
//! };
//! let Action::Collect { session, reply, .. } = endpoint.handle_send(permit, None, now) else {
//!     panic!("the session is known")
//! };
//! let mut batch = Vec::new();
//! reply.read(br#"["hello"]"#, &mut batch)?;
//! endpoint.handle_messages(session, &mut batch, now)?;
//! assert_eq!(reply.accepted().status(), 204);
//! assert_eq!(drain(&mut endpoint, &mut receiver, now), "a[\"hello to you\"]\n");
//!
//! // Nobody polls again: after five seconds the session is gone.
//! while let Some(deadline) = endpoint.poll_timeout() {
//!     now = deadline;
//!     endpoint.handle_timeout(now);
//!     drain(&mut endpoint, &mut receiver, now);
//! }
//! assert!(endpoint.is_empty());
//! assert_eq!(now, Timestamp::from_micros(6_000_000));
//! # Ok(())
//! # }
//! ```
//!
//! [SockJS]: https://github.com/sockjs/sockjs-client

#![cfg_attr(
    not(test),
    deny(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::iter_over_hash_type,
        clippy::panic,
        clippy::unwrap_used,
    )
)]

mod binding;
mod endpoint;
mod event;
mod info;
pub mod limits;
mod message;
pub mod multiplex;
mod permit;
mod receiver;
mod refusal;
pub mod report;
mod service;
mod session;
pub mod settings;
mod tally;
#[cfg(feature = "testing")]
pub mod testing;
mod time;
#[cfg(feature = "trace")]
pub mod trace;
mod web;
pub mod wire;

pub use binding::Principal;
pub use endpoint::Endpoint;
pub use endpoint::ids::Seed;
pub use endpoint::stats::{RATE_WINDOW_SECS, Rates, Stats};
pub use event::{
    Action, ChunkId, ClientFrame, Event, FrameKind, Gone, Refused, SendError, SessionKey, Transmit,
};
pub use info::ConnectionInfo;
pub use limits::{Limits, Quota};
pub use message::{MESSAGE_OVERHEAD_BYTES, Message, NotJsonString};
pub use permit::{BodyError, ReceivePermit, SendPermit, SendReply, WebsocketPermit};
pub use receiver::Receiver;
pub use refusal::Refusal;
pub use report::{Cause, Grade, Report};
pub use service::{Peer, Route, Service};
pub use settings::{
    BaseUrl, BindingSetting, CookieSetting, Settings, SettingsError, SlowConsumers,
};
pub use tally::{Kind, Tally};
pub use time::Timestamp;
pub use web::handshake::ConnectProtocol;
pub use web::origin::OriginPolicy;
pub use web::proxy::TrustedProxies;
pub use wire::close::CloseReason;
pub use wire::transport::{Transport, TransportSet};
