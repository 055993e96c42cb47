//! The chat service. `connection.js` has the messages of both sides and what they mean.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Number;
use sockjs_tokio::{
    Broadcast, CloseReason, Local, Message, Session, SessionHandle, Transport, WhenFull,
};

const MAX_NAME_CHARS: usize = 32;
const MAX_TEXT_CHARS: usize = 2_000;
const MAX_ID_CHARS: usize = 64;

/// What clients say.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Request {
    Hello { name: String },
    Say { text: String, id: Option<String> },
    Ping { id: Number },
}

/// What clients are told.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Notice<'a> {
    Roster {
        online: usize,
        names: Vec<&'a str>,
    },
    Joined {
        name: &'a str,
        transport: &'static str,
        online: usize,
    },
    Said {
        from: &'a str,
        text: &'a str,
        /// Milliseconds since the epoch.
        at: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
    },
    Left {
        name: &'a str,
        online: usize,
    },
    Pong {
        id: Number,
    },
}

impl Request {
    /// A message within all limits; anything else is nothing.
    fn parse(message: &Message) -> Option<Self> {
        let request = serde_json::from_slice(message.as_bytes()).ok()?;
        let is_sound = match &request {
            Self::Hello { name } => (1..=MAX_NAME_CHARS).contains(&name.trim().chars().count()),
            Self::Say { text, id } => {
                (1..=MAX_TEXT_CHARS).contains(&text.chars().count())
                    && id.as_ref().is_none_or(|id| id.chars().count() <= MAX_ID_CHARS)
            }
            Self::Ping { .. } => true,
        };
        is_sound.then_some(request)
    }
}

impl From<Notice<'_>> for Message {
    fn from(notice: Notice<'_>) -> Self {
        // Strings and numbers always become JSON.
        Self::text(serde_json::to_string(&notice).unwrap_or_default())
    }
}

/// Those who said hello. A clone is the same room.
#[derive(Clone)]
pub(crate) struct Room {
    everyone: Broadcast,
    members: Arc<Mutex<Vec<Member>>>,
}

struct Member {
    name: String,
    session: SessionHandle,
}

/// Members that cannot follow are closed, and will come back: the page must not show a conversation
/// with gaps.
impl Default for Room {
    fn default() -> Self {
        let when_full = WhenFull::Close(CloseReason::SLOW_CONSUMER);
        Self { everyone: Broadcast::with(when_full, Local), members: Arc::default() }
    }
}

impl Room {
    /// Talks with one client until it leaves.
    pub(crate) async fn serve(self, mut session: Session) {
        let mut name = None;
        while let Some(message) = session.recv().await {
            match (Request::parse(&message), &name) {
                (Some(Request::Hello { name: given }), None) => {
                    let given = given.trim().to_owned();
                    self.enter(&given, &session);
                    name = Some(given);
                }
                (Some(Request::Say { text, id }), Some(from)) => {
                    let (text, id) = (text.as_str(), id.as_deref());
                    self.tell(Notice::Said { from, text, at: now_millis(), id });
                }
                (Some(Request::Ping { id }), _) => {
                    // If it is closed, so `recv` will say.
                    let _ = session.send(Notice::Pong { id }).await;
                }
                _ => {}
            }
        }
        if let Some(name) = name {
            self.leave(&name, &session);
        }
    }

    fn enter(&self, name: &str, session: &SessionHandle) {
        let mut members = self.lock();
        let online = members.len() + 1;
        let transport = name_of(session.transport());
        self.tell(Notice::Joined { name, transport, online });
        self.everyone.join(session);
        members.push(Member { name: name.to_owned(), session: session.clone() });
        let names = members.iter().map(|member| member.name.as_str()).collect();
        if session.try_send(Notice::Roster { online, names }).is_err() {
            session.close(CloseReason::SLOW_CONSUMER);
        }
    }

    fn leave(&self, name: &str, session: &SessionHandle) {
        let mut members = self.lock();
        members.retain(|member| member.session != *session);
        self.tell(Notice::Left { name, online: members.len() });
    }

    fn tell(&self, notice: Notice<'_>) {
        // Whoever did not get it was closed.
        let _ = self.everyone.send(notice);
    }

    /// Locked while those who come and go are announced, too, so that all see the same counts.
    /// Nothing waits meanwhile.
    fn lock(&self) -> MutexGuard<'_, Vec<Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A transport as sockjs-client calls it.
fn name_of(transport: Transport) -> &'static str {
    match transport {
        Transport::Xhr => "xhr-polling",
        Transport::XhrStreaming => "xhr-streaming",
        Transport::Jsonp => "jsonp-polling",
        other => other.name(),
    }
}

pub(crate) fn now_millis() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<Request> {
        Request::parse(&Message::from(text))
    }

    #[test]
    fn requests_are_read() {
        let name = " Ann ".to_owned();
        assert_eq!(parse(r#"{"type":"hello","name":" Ann "}"#), Some(Request::Hello { name }));
        let say = |id: Option<&str>| Request::Say { text: "x".into(), id: id.map(Into::into) };
        assert_eq!(parse(r#"{"type":"say","text":"x"}"#), Some(say(None)));
        assert_eq!(parse(r#"{"type":"say","text":"x","id":"7"}"#), Some(say(Some("7"))));
        let id = Number::from_f64(1.5).unwrap();
        assert_eq!(parse(r#"{"type":"ping","id":1.5}"#), Some(Request::Ping { id }));
    }

    #[test]
    fn what_breaks_a_limit_is_nothing() {
        let hello = |name: &str| parse(&format!(r#"{{"type":"hello","name":"{name}"}}"#));
        assert!(hello(&"é".repeat(32)).is_some());
        assert_eq!(hello(&"é".repeat(33)), None);
        assert_eq!(hello(" \\t "), None);
        let say = |text: &str, id: &str| {
            parse(&format!(r#"{{"type":"say","text":"{text}","id":"{id}"}}"#))
        };
        assert!(say(&"😀".repeat(2_000), &"i".repeat(64)).is_some());
        assert_eq!(say(&"x".repeat(2_001), "i"), None);
        assert_eq!(say("", "i"), None);
        assert_eq!(say("x", &"i".repeat(65)), None);
        for broken in
            ["", "{}", "[]", r#"{"type":"shout","text":"x"}"#, r#"{"type":"ping","id":"7"}"#]
        {
            assert_eq!(parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn notices_are_as_the_page_expects() {
        let said = Notice::Said { from: "Ann", text: "<x>", at: 7, id: Some("k-1") };
        let expected = r#"{"type":"said","from":"Ann","text":"<x>","at":7,"id":"k-1"}"#;
        assert_eq!(Message::from(said), expected);
        let joined = Notice::Joined { name: "Ann", transport: name_of(Transport::Xhr), online: 1 };
        let expected = r#"{"type":"joined","name":"Ann","transport":"xhr-polling","online":1}"#;
        assert_eq!(Message::from(joined), expected);
    }
}
