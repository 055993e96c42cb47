//! Messages as values of types (feature `json`).
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use sockjs_driver::Session;
//!
//! #[derive(Deserialize)]
//! struct Question {
//!     numbers: Vec<u32>,
//! }
//!
//! #[derive(Serialize)]
//! #[serde(rename_all = "lowercase")]
//! enum Answer {
//!     Sum(u32),
//!     Error(String),
//! }
//!
//! async fn add(session: Session) {
//!     let mut session = session.json::<Question>();
//!     while let Some(received) = session.recv().await {
//!         let answer = match received {
//!             Ok(question) => Answer::Sum(question.numbers.iter().sum()),
//!             // For `{"numbers":[1,"x"]}`: numbers[1]: invalid type: string "x", expected u32
//!             Err(error) => Answer::Error(error.to_string()),
//!         };
//!         if session.send(&answer).await.is_err() {
//!             break;
//!         }
//!     }
//! }
//! ```

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Track};
use sockjs_core::{CloseReason, Message, SendError};

use crate::session::{Session, SessionHandle};

/// A session whose messages are JSON, and those of its client of type `T`.
///
/// It is also a `Stream`; other tasks send with a [`SessionHandle`] and [`message`].
pub struct JsonSession<T> {
    session: Session,
    kind: PhantomData<fn() -> T>,
}

/// A message that is not what was expected.
#[derive(thiserror::Error)]
#[error("{}{cause}", At(path))]
pub struct JsonError {
    path: String,
    #[source]
    cause: serde_json::Error,
    message: Message,
}

/// A value that has no JSON form: a map whose keys are no strings, for instance.
#[derive(Debug, thiserror::Error)]
#[error("{}{cause}", At(path))]
pub struct NotJson {
    path: String,
    #[source]
    cause: serde_json::Error,
}

/// Why a value was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonSendError {
    /// It has no JSON form.
    #[error(transparent)]
    NotJson(#[from] NotJson),
    /// The session did not take the message, which is in here.
    #[error(transparent)]
    Refused(#[from] SendError),
}

/// Reads a message, such as one of a [`Channel`](crate::Channel).
///
/// # Errors
/// If it is not JSON, or not of that type.
pub fn read<T: DeserializeOwned>(message: Message) -> Result<T, JsonError> {
    match serde_json::from_slice(message.as_bytes()) {
        Ok(value) => Ok(value),
        Err(cause) => Err(JsonError { path: path_to_fault::<T>(&message), cause, message }),
    }
}

/// The message that says a value: for a [`Broadcast`](crate::Broadcast), for instance.
///
/// # Errors
/// If it has no JSON form.
pub fn message<T: Serialize + ?Sized>(value: &T) -> Result<Message, NotJson> {
    match serde_json::to_string(value) {
        Ok(text) => Ok(Message::text(text)),
        Err(cause) => Err(NotJson { path: path_to_unsaid(value), cause }),
    }
}

impl Session {
    /// Takes the client's messages as JSON of type `T`, and sends values as JSON. See
    /// [`json`](crate::json).
    pub fn json<T: DeserializeOwned>(self) -> JsonSession<T> {
        JsonSession { session: self, kind: PhantomData }
    }
}

impl<T: DeserializeOwned> JsonSession<T> {
    /// As [`Session::recv`]. A message that cannot be read does not end the session.
    pub async fn recv(&mut self) -> Option<Result<T, JsonError>> {
        self.session.recv().await.map(read)
    }

    /// As [`SessionHandle::send`]: any value that has a JSON form, of whatever type.
    ///
    /// # Errors
    /// If it has none, or as there.
    pub fn send<'s, S: Serialize + ?Sized>(
        &'s self,
        value: &S,
    ) -> impl Future<Output = Result<(), JsonSendError>> + use<'s, T, S> {
        let message = message(value);
        async move { Ok(self.session.send(message?).await?) }
    }

    /// As [`SessionHandle::try_send`].
    ///
    /// # Errors
    /// If the value has no JSON form, or as there.
    pub fn try_send<S: Serialize + ?Sized>(&self, value: &S) -> Result<(), JsonSendError> {
        Ok(self.session.try_send(message(value)?)?)
    }

    /// As [`SessionHandle::close`].
    pub fn close(&self, reason: CloseReason) {
        self.session.close(reason);
    }

    /// The session as it was.
    pub fn into_inner(self) -> Session {
        self.session
    }
}

impl<T> Deref for JsonSession<T> {
    type Target = SessionHandle;

    fn deref(&self) -> &SessionHandle {
        &self.session
    }
}

impl<T: DeserializeOwned> Stream for JsonSession<T> {
    type Item = Result<T, JsonError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.session.poll_recv(cx).map(|message| message.map(read))
    }
}

impl<T> fmt::Debug for JsonSession<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.session.fmt(f)
    }
}

impl JsonError {
    /// Where in the value the fault is: `user.tags[2]`. Empty if it is the value itself, or if the
    /// message is no JSON at all.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The message as it came.
    pub fn raw(&self) -> &Message {
        &self.message
    }

    /// The message as it came.
    pub fn into_raw(self) -> Message {
        self.message
    }
}

/// Without the message, which is its client's secret; the cause may cite a word of it.
impl fmt::Debug for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, cause, message: _ } = self;
        f.debug_struct("JsonError")
            .field("path", path)
            .field("cause", cause)
            .finish_non_exhaustive()
    }
}

impl NotJson {
    /// Where in the value the fault is. Empty if it is the value itself.
    pub fn path(&self) -> &str {
        &self.path
    }
}

// Following the path costs something, so it is done only once it is known that there is a fault.

fn path_to_fault<T: DeserializeOwned>(message: &Message) -> String {
    let mut json = serde_json::Deserializer::from_slice(message.as_bytes());
    match serde_path_to_error::deserialize::<_, T>(&mut json) {
        Err(error) if !error.inner().is_syntax() && !error.inner().is_eof() => name(error.path()),
        _ => String::new(),
    }
}

fn path_to_unsaid<T: Serialize + ?Sized>(value: &T) -> String {
    let mut track = Track::new();
    let mut json = serde_json::Serializer::new(std::io::sink());
    let _ = value.serialize(serde_path_to_error::Serializer::new(&mut json, &mut track));
    name(&track.path())
}

fn name(path: &Path) -> String {
    if path.iter().next().is_none() { String::new() } else { path.to_string() }
}

/// A path before what is wrong there.
struct At<'a>(&'a str);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "{}: ", self.0) }
    }
}
