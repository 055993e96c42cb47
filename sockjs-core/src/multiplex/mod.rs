//! Many channels over one session: the wire format of *websocket-multiplex*, and one session's
//! channels as a state machine.
//!
//! Each message of the session is `sub,TOPIC`, `msg,TOPIC,PAYLOAD` or `uns,TOPIC`, with the topic as
//! JavaScript's [`escape`] writes it, so that it has no comma; the payload may have some. The client
//! subscribes and unsubscribes, the server may unsubscribe it, and messages go both ways. Nothing is
//! answered, and what makes no sense is ignored: an unknown topic, a second subscription, a message
//! before the first.
//!
//! ```
//! use sockjs_core::Message;
//! use sockjs_core::multiplex::{Event, Limits, Multiplexer};
//!
//! let mut multiplexer = Multiplexer::new(Limits::default());
//! let mut handle = |text: &str| {
//!     multiplexer.handle_message(&Message::from(text), |topic| topic.name() == "news, all")
//! };
//! assert_eq!(handle("msg,news%2C%20all,too early"), None);
//! assert_eq!(handle("sub,unknown"), None);
//! let Some(Event::Subscribed(channel)) = handle("sub,news%2C%20all") else { panic!("it is known") };
//! assert_eq!(
//!     handle("msg,news%2C%20all,a,b"),
//!     Some(Event::Message(channel.clone(), Message::from("a,b")))
//! );
//! assert_eq!(
//!     multiplexer.frame(&channel, &Message::from("hello")),
//!     Some(Message::from("msg,news%2C%20all,hello"))
//! );
//! multiplexer.close(&channel);
//! assert_eq!(multiplexer.poll_transmit(), Some(Message::from("uns,news%2C%20all")));
//! ```

mod escape;

use std::collections::{BTreeMap, VecDeque};

use bytestring::ByteString;

use crate::message::Message;

pub use escape::{escape, unescape};

/// How much of a server one session may take with channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Channels at a time, and such whose handler has not ended yet. A subscription beyond it is
    /// answered by `uns`. 64.
    pub channels: usize,
    /// Length of a topic as it is on the wire. A longer one is unknown. 256.
    pub topic_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { channels: 64, topic_bytes: 256 }
    }
}

/// The name of a channel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic {
    name: ByteString,
    wire: ByteString,
}

impl Topic {
    /// A topic by its name.
    pub fn new(name: impl Into<ByteString>) -> Self {
        let name = name.into();
        let wire = escape(&name).into();
        Self { name, wire }
    }

    /// A topic as it is on the wire. `None` if [`escape`] does not write it so: the client would
    /// not know the answers for its own.
    pub fn parse(wire: &str) -> Option<Self> {
        let topic = Self::new(unescape(wire));
        (topic.wire == wire).then_some(topic)
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name as it is on the wire.
    pub fn wire(&self) -> &str {
        &self.wire
    }

    /// The message that carries `payload`, as the session sends it: the same for all sessions, so
    /// for a group of those that subscribed to the topic.
    pub fn message(&self, payload: &str) -> Message {
        Message::text(["msg,", &self.wire, ",", payload].concat())
    }

    fn unsubscription(&self) -> Message {
        Message::text(["uns,", &self.wire].concat())
    }
}

/// A channel: one subscription, from its beginning to its end. The next one to the same topic is
/// another channel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelKey {
    number: u64,
    topic: Topic,
}

impl ChannelKey {
    /// What it is about.
    pub fn topic(&self) -> &Topic {
        &self.topic
    }
}

/// What a message of the client meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A channel begins.
    Subscribed(ChannelKey),
    /// A message on a channel.
    Message(ChannelKey, Message),
    /// The client ended the channel.
    Unsubscribed(ChannelKey),
}

/// The channels of one session. Feed it every message of the client; send what
/// [`poll_transmit`](Self::poll_transmit) gives before the next one, and after
/// [`close`](Self::close) and [`release`](Self::release).
#[derive(Debug, Default)]
pub struct Multiplexer {
    limits: Limits,
    /// What the client takes to be subscribed, by topic on the wire.
    subscriptions: BTreeMap<ByteString, Subscription>,
    /// Channels that were not released.
    live: usize,
    numbers: u64,
    /// What the client has to be told.
    due: VecDeque<Due>,
}

#[derive(Debug)]
struct Subscription {
    channel: ChannelKey,
    /// The application closed it, and the client has not been told.
    is_closing: bool,
}

#[derive(Debug)]
enum Due {
    /// A subscription was one too many.
    Refused(Topic),
    /// The application closed a channel.
    Closed(ChannelKey),
}

impl Multiplexer {
    /// Without channels.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Takes in a message of the client. `is_known` says whether there is such a topic.
    pub fn handle_message(
        &mut self,
        message: &Message,
        is_known: impl FnOnce(&Topic) -> bool,
    ) -> Option<Event> {
        let text = message.text_content()?;
        let (kind, rest) = text.split_once(',')?;
        let (wire, payload) = rest.split_once(',').unwrap_or((rest, ""));
        match kind {
            "sub" => self.subscribe(wire, is_known),
            "msg" => {
                let subscription = self.subscriptions.get(wire).filter(|it| !it.is_closing)?;
                let payload = Message::text(text.slice_ref(payload));
                Some(Event::Message(subscription.channel.clone(), payload))
            }
            "uns" => {
                let subscription = self.subscriptions.remove(wire)?;
                (!subscription.is_closing).then_some(Event::Unsubscribed(subscription.channel))
            }
            _ => None,
        }
    }

    fn subscribe(&mut self, wire: &str, is_known: impl FnOnce(&Topic) -> bool) -> Option<Event> {
        if wire.len() > self.limits.topic_bytes || self.subscriptions.contains_key(wire) {
            return None;
        }
        let topic = Topic::parse(wire).filter(is_known)?;
        if self.live.max(self.subscriptions.len()) >= self.limits.channels {
            self.due.push_back(Due::Refused(topic));
            return None;
        }
        self.live += 1;
        self.numbers += 1;
        let channel = ChannelKey { number: self.numbers, topic };
        let subscription = Subscription { channel: channel.clone(), is_closing: false };
        self.subscriptions.insert(channel.topic.wire.clone(), subscription);
        Some(Event::Subscribed(channel))
    }

    /// Whether neither side has ended a channel.
    pub fn is_open(&self, channel: &ChannelKey) -> bool {
        let subscription = self.subscriptions.get(&channel.topic.wire);
        subscription.is_some_and(|it| it.channel.number == channel.number && !it.is_closing)
    }

    /// The message to send for a payload on a channel. `None` if the channel has ended, or if the
    /// payload is bytes.
    pub fn frame(&self, channel: &ChannelKey, payload: &Message) -> Option<Message> {
        let payload = payload.as_text()?;
        self.is_open(channel).then(|| channel.topic.message(payload))
    }

    /// Ends a channel. Closing again changes nothing.
    pub fn close(&mut self, channel: &ChannelKey) {
        if let Some(subscription) = self.subscriptions.get_mut(&channel.topic.wire)
            && subscription.channel.number == channel.number
            && !std::mem::replace(&mut subscription.is_closing, true)
        {
            self.due.push_back(Due::Closed(channel.clone()));
        }
    }

    /// The application is done with a channel: closes it, and makes room for another one. To be
    /// called once for each that was subscribed.
    pub fn release(&mut self, channel: &ChannelKey) {
        self.close(channel);
        self.live = self.live.saturating_sub(1);
    }

    /// What is to be sent to the client now.
    pub fn poll_transmit(&mut self) -> Option<Message> {
        while let Some(due) = self.due.pop_front() {
            match due {
                Due::Refused(topic) => return Some(topic.unsubscription()),
                Due::Closed(ChannelKey { number, topic }) => {
                    // Unless the client has ended it meanwhile, and perhaps begun another one.
                    let known = self.subscriptions.get(&topic.wire);
                    if known.is_some_and(|it| it.channel.number == number) {
                        self.subscriptions.remove(&topic.wire);
                        return Some(topic.unsubscription());
                    }
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
