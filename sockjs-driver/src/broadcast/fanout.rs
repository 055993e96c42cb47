//! Who carries a group's messages: the seam for brokers.

use std::fmt;

use serde::{Deserialize, Serialize};
use sockjs_core::Message;

use super::{MemberId, Members, Reached};

/// Carries a group's messages to its members, in this process and perhaps in others.
///
/// [`Local`] delivers to the members here. One that speaks to a message broker publishes each
/// envelope there, and calls [`Members::deliver`] for whatever comes back from the broker: the
/// messages of other processes, and its own ones, which the broker thereby puts in one order for
/// all.
///
/// ```
/// use std::sync::mpsc::{Sender, channel};
/// use sockjs_driver::{Broadcast, Envelope, Fanout, Members, Reached, WhenFull};
///
/// /// Stands for a client of a broker.
/// #[derive(Debug)]
/// struct Publisher(Sender<String>);
///
/// impl Fanout for Publisher {
///     fn publish(&self, envelope: Envelope, _: &Members) -> Reached {
///         let mut reached = Reached::default();
///         let sent = serde_json::to_string(&envelope).map_err(Into::into);
///         reached.failed = sent.and_then(|text| Ok(self.0.send(text)?)).err();
///         reached
///     }
/// }
///
/// let (publish, received) = channel();
/// let news = Broadcast::with(WhenFull::Report, Publisher(publish));
/// let published = news.send("something happened");
/// assert!(published.failed.is_none());
///
/// // What a task does that listens to the broker.
/// let envelope = serde_json::from_str(&received.recv()?)?;
/// let reached = news.members().deliver(envelope);
/// assert_eq!(reached.count, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Fanout: fmt::Debug + Send + Sync {
    /// Takes a message to carry. `members` are those in this process. Returns whom it has reached
    /// so far; what is delivered later, its deliverer hears of.
    ///
    /// It runs within the application's [`send`](super::Broadcast::send), so it must not wait.
    fn publish(&self, envelope: Envelope, members: &Members) -> Reached;
}

/// Reaches the members in this process, and no others.
#[derive(Clone, Copy, Debug, Default)]
pub struct Local;

impl Fanout for Local {
    fn publish(&self, envelope: Envelope, members: &Members) -> Reached {
        members.deliver(envelope)
    }
}

/// A message to a group, as it travels between processes. Serialisable with serde.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Parcel", from = "Parcel")]
#[non_exhaustive]
pub struct Envelope {
    /// What is sent.
    pub message: Message,
    /// Members who do not get it, wherever they are.
    pub except: Vec<MemberId>,
}

impl Envelope {
    /// A message to all members, wherever they are.
    pub fn new(message: impl Into<Message>) -> Self {
        Self { message: message.into(), except: Vec::new() }
    }
}

/// The serialised form.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Parcel {
    Text(String, Vec<MemberId>),
    Bytes(Vec<u8>, Vec<MemberId>),
}

impl From<Envelope> for Parcel {
    fn from(envelope: Envelope) -> Self {
        match envelope.message.into_text() {
            Ok(text) => Self::Text(text, envelope.except),
            Err(binary) => Self::Bytes(binary.into_bytes().into(), envelope.except),
        }
    }
}

impl From<Parcel> for Envelope {
    fn from(parcel: Parcel) -> Self {
        let (message, except) = match parcel {
            Parcel::Text(text, except) => (Message::text(text), except),
            Parcel::Bytes(bytes, except) => (Message::binary(bytes), except),
        };
        Self { message, except }
    }
}
