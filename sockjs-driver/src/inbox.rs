//! What left the endpoint for the application and was not taken yet: a turn is worth more than one
//! message, and while the application waits none of its own.

use std::collections::VecDeque;

use sockjs_core::trace::Traced;
use sockjs_core::{CloseReason, Message, SessionKey};

/// Messages that are taken out of the endpoint ahead of the application.
const AHEAD_COUNT: usize = 32;
/// And their length: what is taken makes room for the client's next ones, and the endpoint no longer counts it.
const AHEAD_BYTES: usize = 16 * 1024;
/// Places that an idle session keeps of what a burst needed.
const KEPT: usize = 16;

/// A session's messages for the application, and how far that is.
#[derive(Default)]
pub(crate) struct Inbox {
    messages: VecDeque<Message>,
    /// The endpoint is empty, and the shard fills this when messages come: whoever finds nothing here
    /// need not look there.
    is_fed: bool,
    /// The last call of the application found nothing, and nothing came since.
    is_idle: bool,
    /// Somebody waits for it to be idle.
    is_awaited: bool,
    /// What the session is closed with when nobody takes messages any more, for its handler has returned.
    reason: Option<Box<CloseReason>>,
}

/// What the application finds.
pub(crate) enum Next {
    Message(Message),
    /// Nothing, and it will be told when there is more. Says whether somebody waits for that.
    Idle {
        is_awaited: bool,
    },
    /// Nothing here, but perhaps in the endpoint.
    Unknown,
}

impl Inbox {
    /// The next message for the application. Its task is woken when more comes, if `is_known`.
    pub(crate) fn next(&mut self, is_known: bool) -> Next {
        if let Some(message) = self.messages.pop_front() {
            self.is_idle = false;
            if self.messages.is_empty() && self.messages.capacity() > KEPT {
                self.messages = VecDeque::new();
            }
            return Next::Message(message);
        }
        if !(self.is_fed && is_known) {
            return Next::Unknown;
        }
        self.is_idle = true;
        Next::Idle { is_awaited: std::mem::take(&mut self.is_awaited) }
    }

    /// Takes messages out of the endpoint: all that there are, up to a limit. The first one is taken whatever
    /// its length if it `is_asked` for.
    pub(crate) fn fill(&mut self, is_asked: bool, endpoint: &mut Traced, key: SessionKey) {
        let mut bytes: usize = self.messages.iter().map(Message::len).sum();
        let mut count = self.messages.len();
        let wants = |next: &Message| {
            bytes = bytes.saturating_add(next.len());
            count += 1;
            (count == 1 && is_asked) || (count <= AHEAD_COUNT && bytes <= AHEAD_BYTES)
        };
        self.is_fed = endpoint.recv_while(key, wants, |message| self.push(message));
        // What was left there has come too.
        self.is_idle &= self.is_fed;
    }

    /// The session ended, with these messages unread.
    pub(crate) fn end(&mut self, unread: Vec<Message>) {
        unread.into_iter().for_each(|message| self.push(message));
        // Nothing more will come, which only its end says.
        self.is_fed = false;
        self.is_idle = false;
    }

    /// Whether the application may find something here, or behind it.
    pub(crate) fn has_news(&self) -> bool {
        !self.is_fed || !self.messages.is_empty()
    }

    fn push(&mut self, message: Message) {
        self.messages.push_back(message);
        self.is_idle = false;
    }

    /// Whether the application has taken everything and waits for more; if not, it will say when it
    /// does.
    pub(crate) fn is_idle(&mut self) -> bool {
        self.is_awaited = !self.is_idle;
        self.is_idle
    }

    /// Notes what the session is to be closed with when its handler returns.
    pub(crate) fn close_later(&mut self, reason: CloseReason) {
        self.reason = Some(Box::new(reason));
    }

    /// What was noted.
    pub(crate) fn take_reason(&mut self) -> Option<Box<CloseReason>> {
        self.reason.take()
    }

    /// What nobody has taken.
    pub(crate) fn unread(&self) -> Vec<Message> {
        self.messages.iter().cloned().collect()
    }
}
