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

/// A message frame: `a["m1","m2"]`.
pub(crate) fn write_messages<'m>(
    messages: impl IntoIterator<Item = &'m Message>,
    out: &mut BytesMut,
) {
    out.put_slice(b"a[");
    for (i, message) in messages.into_iter().enumerate() {
        if i > 0 {
            out.put_u8(b',');
        }
        message.write_json(out);
    }
    out.put_u8(b']');
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
        assert_eq!(written(|out| write_messages(&messages, out)), r#"a["x","","\n"]"#);
    }
}
