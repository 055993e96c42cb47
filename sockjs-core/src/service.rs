//! A service: its settings and its routing. Pure, shared, without a lock (DESIGN §2).

use core::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Response, StatusCode, request};
use serde::Serialize;

use crate::permit::{ReceivePermit, Request, SendPermit, WebsocketPermit, not_found};
use crate::refusal::Refusal;
use crate::report::Grade;
use crate::settings::{CookieSetting, Settings, SettingsError};
use crate::time::Timestamp;
use crate::web::answer::Answer;
use crate::web::caller::Caller;
use crate::web::handshake::Handshake;
use crate::web::iframe::IframePage;
use crate::wire::callback::Callback;
use crate::wire::path::{self, Resource};
use crate::wire::transport::Transport;

/// The settings of a service, checked, and what follows from them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Service(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: Settings,
    iframe: IframePage,
}

/// What is known of a connection besides the request's head.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Peer {
    /// The other end of the connection.
    pub address: Option<SocketAddr>,
    /// What [`Endpoint::handle_written`](crate::Endpoint::handle_written) will mean for this
    /// connection.
    pub grade: Grade,
}

impl Peer {
    /// A peer by its address, whose connection tells what was written in the sense of `grade`.
    pub fn new(address: Option<SocketAddr>, grade: Grade) -> Self {
        Self { address, grade }
    }
}

/// What a request asks for.
#[derive(Debug)]
pub enum Route {
    /// Answered at once; no session has to do with it.
    Respond(Box<Response<Bytes>>),
    /// For [`Endpoint::handle_receive`](crate::Endpoint::handle_receive).
    Receive(Box<ReceivePermit>),
    /// For [`Endpoint::handle_send`](crate::Endpoint::handle_send).
    Send(Box<SendPermit>),
    /// For [`Endpoint::handle_websocket`](crate::Endpoint::handle_websocket).
    Websocket(Box<WebsocketPermit>),
}

/// What a server that drains says to whoever comes anew.
pub(crate) const DRAINING: &str = "Server going away\n";

#[derive(Serialize)]
struct InfoBody {
    websocket: bool,
    origins: [&'static str; 1],
    cookie_needed: bool,
    entropy: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    base_url: Option<String>,
}

impl Service {
    /// Checks the settings.
    ///
    /// # Errors
    /// If the settings contradict themselves or the protocol.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        let iframe = IframePage::new(&settings.client_url);
        Ok(Self(Arc::new(Shared { settings, iframe })))
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Whether a path is the service's: its prefix, or below it. Whole segments count. Any path is a
    /// nested service's.
    pub fn owns(&self, path: &str) -> bool {
        self.below(path).is_some()
    }

    /// Whether a path is that of `info`, the one answer that shows entropy.
    pub fn is_info(&self, path: &str) -> bool {
        self.below(path) == Some("/info")
    }

    /// What follows the prefix in a path as it arrives.
    fn below<'p>(&self, path: &'p str) -> Option<&'p str> {
        let settings = self.settings();
        path::below(if settings.is_nested { "" } else { &settings.prefix }, path)
    }

    /// Reads a request. No state is touched.
    ///
    /// `entropy` must be fresh and unpredictable; only `info` shows it.
    pub fn route(&self, head: request::Parts, peer: &Peer, entropy: u32, now: Timestamp) -> Route {
        self.route_with(head, peer, Some(entropy), now)
    }

    /// As [`route`](Self::route), while the server drains: `info` sends clients elsewhere, by 503 with
    /// `Retry-After`. New sessions are the endpoint's to refuse.
    pub fn route_draining(&self, head: request::Parts, peer: &Peer, now: Timestamp) -> Route {
        self.route_with(head, peer, None, now)
    }

    fn route_with(
        &self,
        head: request::Parts,
        peer: &Peer,
        entropy: Option<u32>,
        now: Timestamp,
    ) -> Route {
        let is_head = head.method == Method::HEAD;
        match self.decide(head, peer, entropy, now) {
            // HEAD is GET without the body; its length is still told.
            Route::Respond(response) if is_head => respond(response.map(|_| Bytes::new())),
            route => route,
        }
    }

    fn decide(
        &self,
        head: request::Parts,
        peer: &Peer,
        entropy: Option<u32>,
        now: Timestamp,
    ) -> Route {
        let settings = self.settings();
        let rest = self.below(head.uri.path());
        let resource = rest.and_then(Resource::parse);
        // Without what only pages that are let in may know.
        let plain = || self.with_cookie(answer_below(rest, resource), rest, &head);
        let caller = Caller::of(&head);
        if !settings.origins.admits(&caller, settings.admit_anonymous) {
            let refused = plain().text(StatusCode::FORBIDDEN, "Origin not allowed\n");
            return respond(Refusal::Origin.mark(refused));
        }
        let Some(resource) = resource else {
            return respond(Refusal::NotFound.mark(not_found(plain())));
        };
        let answer = || match resource.has_cors() {
            true => self.with_cookie(Answer::cors(&caller), rest, &head),
            false => plain(),
        };
        if !resource.is_offered(settings.transports) {
            return respond(Refusal::NotFound.mark(not_found(answer())));
        }
        let is_handshake = resource.is_websocket() && Handshake::is_connect(&head);
        if !resource.allows(&head.method) && !is_handshake {
            let refused = plain().method_not_allowed(resource.allow());
            return respond(Refusal::Method.mark(refused));
        }
        let answer = answer();
        if head.method == Method::OPTIONS {
            return respond(answer.preflight(resource, now));
        }
        let origin = caller.origin.cloned();
        let request = |head, answer| self.request(resource, head, origin, peer, answer);
        match resource {
            Resource::Greeting => respond(answer.text(StatusCode::OK, "Welcome to SockJS!\n")),
            Resource::Info => respond(match entropy {
                Some(entropy) => self.info(&head, answer, entropy),
                None => Refusal::Draining.mark(answer.unavailable(DRAINING)),
            }),
            Resource::Iframe => respond(self.0.iframe.respond(&head.headers, now)),
            Resource::RawWebsocket => websocket(Transport::RawWebsocket, request(head, answer)),
            Resource::Receive(transport) if transport.is_websocket() => {
                websocket(transport, request(head, answer))
            }
            Resource::Receive(transport) => receive(transport, request(head, answer), peer.grade),
            Resource::Send(path) => {
                Route::Send(Box::new(SendPermit { request: request(head, answer), path }))
            }
        }
    }

    /// The service's cookie goes with every answer under a session's path but those to `OPTIONS`.
    fn with_cookie(&self, answer: Answer, rest: Option<&str>, head: &request::Parts) -> Answer {
        let goes = || rest.is_some_and(path::is_of_session) && head.method != Method::OPTIONS;
        match &self.settings().cookie {
            CookieSetting::Jsessionid if goes() => answer.jsessionid(&head.headers),
            CookieSetting::Custom(cookie) if goes() => answer.cookie(cookie(head)),
            _ => answer,
        }
    }

    fn info(&self, head: &request::Parts, answer: Answer, entropy: u32) -> Response<Bytes> {
        let settings = self.settings();
        let info = InfoBody {
            websocket: settings.transports.contains(Transport::Websocket),
            origins: ["*:*"],
            cookie_needed: !matches!(settings.cookie, CookieSetting::Off),
            entropy,
            base_url: settings.base_url.of(head),
        };
        let json = const { HeaderValue::from_static("application/json; charset=UTF-8") };
        let body = serde_json::to_vec(&info).unwrap_or_default();
        answer.header(CONTENT_TYPE, json).complete(StatusCode::OK, body.into())
    }

    fn request(
        &self,
        resource: Resource,
        head: request::Parts,
        origin: Option<HeaderValue>,
        peer: &Peer,
        answer: Answer,
    ) -> Request {
        let settings = self.settings();
        let client = peer.address.map(|peer| settings.proxies.client(peer.ip(), &head.headers));
        let id = if resource.names_session() { path::session_id(head.uri.path()) } else { 0..0 };
        Request { head, id, origin, client, peer: peer.address, answer }
    }
}

fn respond(response: Response<Bytes>) -> Route {
    Route::Respond(Box::new(response))
}

fn receive(transport: Transport, request: Request, grade: Grade) -> Route {
    match Callback::parse(request.head.uri.query(), transport) {
        Ok(callback) => {
            let found = None;
            Route::Receive(Box::new(ReceivePermit { request, transport, callback, grade, found }))
        }
        Err(error) => {
            let line = format!("{error}\n");
            let refused = request.answer.text(StatusCode::INTERNAL_SERVER_ERROR, line);
            respond(Refusal::Callback.mark(refused))
        }
    }
}

fn websocket(transport: Transport, request: Request) -> Route {
    match Handshake::check(&request.head) {
        Ok(handshake) => {
            Route::Websocket(Box::new(WebsocketPermit { request, transport, handshake }))
        }
        Err(broken) => respond(Refusal::Handshake.mark(broken.respond(request.answer))),
    }
}

/// An answer with the caching headers of its path, known or not.
fn answer_below(rest: Option<&str>, resource: Option<Resource>) -> Answer {
    let is_uncached = match resource {
        Some(resource) => resource == Resource::Info || resource.names_session(),
        None => rest.is_some_and(path::is_of_session),
    };
    if is_uncached { Answer::uncached() } else { Answer::default() }
}
