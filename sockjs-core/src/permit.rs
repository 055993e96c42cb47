//! Requests that have been read and found well-formed: what the endpoint decides on.

use core::net::{IpAddr, SocketAddr};
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode, request};

use crate::binding::{Principal, Sender};
use crate::event::Slot;
use crate::refusal::Refusal;
use crate::report::Grade;
use crate::settings::BindingSetting;
use crate::web::answer::Answer;
use crate::web::handshake::Handshake;
use crate::wire::callback::Callback;
use crate::wire::path::SendPath;
use crate::wire::payload;
use crate::wire::transport::Transport;

/// What every permit holds: the request, the session it names, and the headers of its answer.
pub(crate) struct Request {
    pub(crate) head: request::Parts,
    /// Where in the request's path the session's id stands.
    pub(crate) id: Range<usize>,
    /// Of the page behind it, as the head has it.
    pub(crate) origin: Option<HeaderValue>,
    pub(crate) client: Option<IpAddr>,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) answer: Answer,
}

impl Request {
    pub(crate) fn id(&self) -> &[u8] {
        self.head.uri.path().as_bytes().get(self.id.clone()).unwrap_or_default()
    }

    /// Who sent it, where the application's `authorize` found `who`.
    pub(crate) fn sender<'a>(
        &'a self,
        who: Option<&'a Principal>,
        rule: BindingSetting,
    ) -> Sender<'a> {
        Sender::of(self.origin.as_ref(), self.client, who, rule)
    }
}

/// A request to receive over HTTP.
pub struct ReceivePermit {
    pub(crate) request: Request,
    pub(crate) transport: Transport,
    pub(crate) callback: Option<Callback>,
    pub(crate) grade: Grade,
    /// Where the endpoint last found its session.
    pub(crate) found: Option<Slot>,
}

/// A request to send, before its body is read.
pub struct SendPermit {
    pub(crate) request: Request,
    pub(crate) path: SendPath,
}

/// A WebSocket handshake that is in order.
pub struct WebsocketPermit {
    pub(crate) request: Request,
    pub(crate) transport: Transport,
    pub(crate) handshake: Handshake,
}

macro_rules! permit {
    ($($permit:ident),*) => {$(
        impl $permit {
            /// The head of the request, e.g. for the application's `authorize`.
            pub fn head(&self) -> &request::Parts {
                &self.request.head
            }

            /// The session's id as it stands in the path; empty on the raw WebSocket path. Good for
            /// choosing an endpoint; a secret of the client, so not for logs.
            pub fn id(&self) -> &[u8] {
                self.request.id()
            }

            /// The client's address, as far as it is known.
            pub fn client(&self) -> Option<IpAddr> {
                self.request.client
            }

            /// The answer when the application refuses: its status, with the headers that the
            /// protocol wants on every answer here.
            pub fn refuse(self, status: StatusCode) -> Response<Bytes> {
                let line = status.canonical_reason().unwrap_or("Refused");
                let refused = self.request.answer.text(status, format!("{line}\n"));
                Refusal::Unauthorized.mark(refused)
            }
        }

        /// Shows nothing of the request, whose path holds the session's id.
        impl fmt::Debug for $permit {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($permit)).finish_non_exhaustive()
            }
        }
    )*};
}

permit!(ReceivePermit, SendPermit, WebsocketPermit);

impl SendPermit {
    /// The length that the request announced for its body.
    pub(crate) fn announced_bytes(&self) -> Option<u64> {
        let length = self.request.head.headers.get(CONTENT_LENGTH)?;
        length.to_str().ok()?.parse().ok()
    }
}

/// How a send request's body is read and answered (PROTOCOL §6), once the endpoint took it.
pub struct SendReply {
    /// Left where it is, for it is large.
    permit: Box<SendPermit>,
    limit_bytes: usize,
}

/// Why a send request's body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// It is over the limit.
    #[error("the body is over the limit")]
    TooLarge,
    /// Too much of all clients is on its way already.
    #[error("too much is being received: try again later")]
    Busy,
    /// It did not arrive in time.
    #[error("the body did not arrive in time")]
    TimedOut,
    /// It broke off or was malformed.
    #[error("the body broke off")]
    Broken,
}

/// The status that says so, of a request's head too.
impl From<BodyError> for StatusCode {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::PAYLOAD_TOO_LARGE,
            BodyError::Busy => Self::SERVICE_UNAVAILABLE,
            BodyError::TimedOut => Self::REQUEST_TIMEOUT,
            BodyError::Broken => Self::BAD_REQUEST,
        }
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::TooLarge,
            BodyError::Busy => Self::Busy,
            BodyError::TimedOut => Self::TimedOut,
            BodyError::Broken => Self::Broken,
        }
    }
}

impl SendReply {
    /// For a body whose messages may cost `limit_bytes`.
    pub(crate) fn new(permit: Box<SendPermit>, limit_bytes: usize) -> Self {
        Self { permit, limit_bytes }
    }

    /// Whether the body is one as browsers without XMLHttpRequest send.
    fn is_form(&self) -> bool {
        let content_type = || self.permit.request.head.headers.get(CONTENT_TYPE);
        self.permit.path == SendPath::Jsonp
            && content_type().is_some_and(|v| payload::is_form(v.as_bytes()))
    }

    fn into_answer(self) -> Answer {
        self.permit.request.answer
    }

    /// Reads the body's messages into `batch`.
    ///
    /// # Errors
    /// If the body is no payload; `batch` is as it was, and the error's text is for
    /// [`broken`](Self::broken).
    pub fn read(
        &self,
        body: &[u8],
        batch: &mut Vec<crate::Message>,
    ) -> Result<(), payload::PayloadError> {
        match self.is_form() {
            true => payload::read(&payload::form_field(body)?, self.limit_bytes, batch),
            false => payload::read(body, self.limit_bytes, batch),
        }
    }

    /// The messages were taken.
    pub fn accepted(self) -> Response<Bytes> {
        match self.permit.path {
            SendPath::Xhr => self.into_answer().head(StatusCode::NO_CONTENT).map(|()| Bytes::new()),
            SendPath::Jsonp => self.into_answer().text(StatusCode::OK, "ok"),
        }
    }

    /// The body is no payload.
    pub fn broken(self, error: payload::PayloadError) -> Response<Bytes> {
        match error {
            payload::PayloadError::TooLarge => self.unread(BodyError::TooLarge),
            error => {
                let line = error.to_string();
                let refused = self.into_answer().text(StatusCode::INTERNAL_SERVER_ERROR, line);
                Refusal::Broken.mark(refused)
            }
        }
    }

    /// The body could not be read.
    pub fn unread(self, error: BodyError) -> Response<Bytes> {
        let refused = match error {
            BodyError::Busy => self.into_answer().unavailable("The server is busy\n"),
            error => self.into_answer().text(error.into(), format!("{error}\n")),
        };
        Refusal::from(error).mark(refused)
    }

    /// The session is gone, or the application lagged for too long.
    pub fn refused(self, refused: crate::Refused) -> Response<Bytes> {
        match refused {
            crate::Refused::Gone => Refusal::UnknownSession.mark(not_found(self.into_answer())),
            _ => {
                let refused = self.into_answer().unavailable("The application is busy\n");
                Refusal::SlowApplication.mark(refused)
            }
        }
    }
}

impl fmt::Debug for SendReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendReply").field("path", &self.permit.path).finish_non_exhaustive()
    }
}

/// 404, for what does not exist and what is not the client's own alike.
pub(crate) fn not_found(answer: Answer) -> Response<Bytes> {
    answer.text(StatusCode::NOT_FOUND, "Not found\n")
}
