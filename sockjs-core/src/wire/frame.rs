//! Frames, server to client (PROTOCOL §4), before a transport wraps them.

use bytes::{BufMut, BytesMut};

use super::close::CloseReason;
use super::quote;
use crate::message::Message;

/// The open frame.
pub(crate) fn write_open(out: &mut BytesMut) {
    out.put_u8(b'o');
}

/// The heartbeat frame.
pub(crate) fn write_heartbeat(out: &mut BytesMut) {
    out.put_u8(b'h');
}

/// The close frame: `c[3000,"Go away!"]`.
pub(crate) fn write_close(reason: &CloseReason, out: &mut BytesMut) {
    out.put_slice(b"c[");
    out.put_slice(itoa::Buffer::new().format(reason.code()).as_bytes());
    out.put_u8(b',');
    quote::quote(reason.text(), out);
    out.put_u8(b']');
}

/// A message frame: `a["m1","m2"]`, of all messages that fit `limit_bytes` of it, and at least one.
/// Returns how many those are.
pub(crate) fn write_messages<'m>(
    messages: impl Iterator<Item = &'m Message> + Clone,
    limit_bytes: usize,
    out: &mut BytesMut,
) -> usize {
    /// The comma before a message, its quotes, and the end of the frame.
    const PUNCTUATION_BYTES: usize = 4;
    let limit = out.len().saturating_add(limit_bytes);
    out.reserve(plain_bytes(messages.clone()).min(limit_bytes));
    out.put_slice(b"a[");
    let mut count = 0;
    for message in messages {
        let before = out.len();
        if count > 0 {
            // The JSON form is never shorter than that: most misfits are found unwritten.
            if before + message.len() + PUNCTUATION_BYTES > limit {
                break;
            }
            out.put_u8(b',');
        }
        message.write_json(out);
        if count > 0 && out.len() >= limit {
            out.truncate(before);
            break;
        }
        count += 1;
    }
    out.put_u8(b']');
    count
}

/// What a frame of these takes, with the line's end that XHR has, if all is written as it is, as most
/// is: then it exactly fills its memory. No more of them are looked at than most frames hold.
fn plain_bytes<'m>(messages: impl Iterator<Item = &'m Message>) -> usize {
    const MOST: usize = 32;
    let each = messages.take(MOST).map(|message| message.len() + 3);
    each.fold(3, usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut BytesMut)) -> String {
        let mut out = BytesMut::new();
        write(&mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn frames() {
        assert_eq!(written(write_open), "o");
        assert_eq!(written(write_heartbeat), "h");
        assert_eq!(written(|out| write_close(&CloseReason::GO_AWAY, out)), r#"c[3000,"Go away!"]"#);
        assert_eq!(
            written(|out| write_close(&CloseReason::new(7, "a\"\u{2028}"), out)),
            r#"c[7,"a\"\u2028"]"#
        );
        let messages = [Message::text("x"), Message::text(""), Message::text("\n")];
        let all = |out: &mut BytesMut| assert_eq!(write_messages(messages.iter(), 99, out), 3);
        assert_eq!(written(all), r#"a["x","","\n"]"#);
    }

    #[test]
    fn message_frames_are_cut_at_the_limit_but_hold_one_message() {
        let messages = ["1", "\n", "3"].map(Message::text);
        for (limit, count, frame) in [
            (0, 1, r#"a["1"]"#),
            (10, 1, r#"a["1"]"#),
            (11, 2, r#"a["1","\n"]"#),
            (14, 2, r#"a["1","\n"]"#),
            (15, 3, r#"a["1","\n","3"]"#),
            (usize::MAX, 3, r#"a["1","\n","3"]"#),
        ] {
            let cut =
                |out: &mut BytesMut| assert_eq!(write_messages(messages.iter(), limit, out), count);
            assert_eq!(written(cut), frame, "{limit}");
        }
    }
}
