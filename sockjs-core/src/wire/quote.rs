//! JSON strings as SockJS writes them (PROTOCOL §4, *String encoding*).
//!
//! More is escaped than JSON asks for, since old browsers lose or rewrite some characters.

use bytes::{BufMut, BytesMut};

/// Bytes looked at in one step while skipping what needs no escape: wide enough for the compiler
/// to use vector registers.
const STRIDE: usize = 32;

/// Whether `text` stands in a JSON string as it is.
pub fn is_plain(text: &str) -> bool {
    next_escape(text, 0, false).is_none()
}

/// Appends `text` as a JSON string, quotes included.
pub fn quote(text: &str, out: &mut BytesMut) {
    out.reserve(text.len() + 2);
    out.put_u8(b'"');
    escape(text, false, out);
    out.put_u8(b'"');
}

/// Appends the inside of a JSON string. `html` also escapes `<`, so that no `</script>` can occur.
pub(super) fn escape(text: &str, html: bool, out: &mut BytesMut) {
    let mut copied = 0;
    while let Some((at, c)) = next_escape(text, copied, html) {
        put(text, copied, at, out);
        put_escape(c, out);
        copied = at + c.len_utf8();
    }
    put(text, copied, text.len(), out);
}

fn put(text: &str, from: usize, to: usize, out: &mut BytesMut) {
    out.put_slice(text.as_bytes().get(from..to).unwrap_or_default());
}

/// The first character at or after `from` that must be escaped, with its position.
fn next_escape(text: &str, from: usize, html: bool) -> Option<(usize, char)> {
    let mut at = from;
    loop {
        let rest = text.as_bytes().get(at..)?;
        at += plain_run(rest, html)?;
        let c = text.get(at..)?.chars().next()?;
        if must_escape(c) || (html && c == '<') {
            return Some((at, c));
        }
        at += c.len_utf8();
    }
}

/// How many bytes at the start cannot begin an escaped character; `None` if none can at all.
fn plain_run(bytes: &[u8], html: bool) -> Option<usize> {
    find(bytes, |b| is_suspect(*b) | (html & (*b == b'<')))
}

/// Where the first byte is that is suspect.
pub(super) fn find(bytes: &[u8], suspect: impl Fn(&u8) -> bool + Copy) -> Option<usize> {
    let mut skipped = 0;
    let mut strides = bytes.chunks_exact(STRIDE);
    for stride in strides.by_ref() {
        // No early exit inside a stride: this is the form that vectorises.
        if stride.iter().fold(false, |found, b| found | suspect(b)) {
            return Some(skipped + stride.iter().position(suspect).unwrap_or_default());
        }
        skipped += STRIDE;
    }
    strides.remainder().iter().position(suspect).map(|at| skipped + at)
}

/// Whether a byte is escaped or starts a character that may be: 0xE2 leads U+2000–2FFF, 0xEF leads
/// U+F000–FFFF.
pub(super) const fn is_suspect(b: u8) -> bool {
    (b < 0x20) | (b == b'"') | (b == b'\\') | (b == 0xE2) | (b == 0xEF)
}

const fn must_escape(c: char) -> bool {
    matches!(
        c,
        '"' | '\\'
            | '\u{0}'..='\u{1f}'
            | '\u{200c}'..='\u{200f}'
            | '\u{2028}'..='\u{202f}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fff0}'..='\u{ffff}'
    )
}

fn put_escape(c: char, out: &mut BytesMut) {
    let short = match c {
        '"' => b"\\\"",
        '\\' => b"\\\\",
        '\u{8}' => b"\\b",
        '\t' => b"\\t",
        '\n' => b"\\n",
        '\u{c}' => b"\\f",
        '\r' => b"\\r",
        _ => {
            // Every escaped character is below U+10000, so four digits are enough.
            let digit = |shift: u32| {
                char::from_digit((u32::from(c) >> shift) & 0xF, 16).unwrap_or('0') as u8
            };
            return out.put_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
        }
    };
    out.put_slice(short);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quoted(text: &str) -> String {
        let mut out = BytesMut::new();
        quote(text, &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn short_escapes() {
        assert_eq!(quoted("a\"\\\u{8}\t\n\u{c}\rb"), r#""a\"\\\b\t\n\f\rb""#);
    }

    #[test]
    fn every_character_round_trips_and_only_the_listed_ones_are_escaped() {
        for c in '\0'..=char::MAX {
            let text = c.to_string();
            let json = quoted(&text);
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
            let escaped = json.len() != text.len() + 2;
            let listed = c == '"'
                || c == '\\'
                || matches!(u32::from(c), 0..=0x1f | 0x200c..=0x200f | 0x2028..=0x202f
                    | 0x2060..=0x206f | 0xfff0..=0xffff);
            assert_eq!(escaped, listed, "U+{:04X}", u32::from(c));
            assert_eq!(is_plain(&text), !listed);
        }
    }

    #[test]
    fn hexadecimal_digits_are_lower_case() {
        assert_eq!(quoted("\u{ffff}\u{200f}\u{1f}"), r#""\uffff\u200f\u001f""#);
    }

    #[test]
    fn html_form_has_no_less_than() {
        let mut out = BytesMut::new();
        escape("a</script>\u{2028}", true, &mut out);
        assert_eq!(out, r"a\u003c/script>\u2028");
    }

    proptest! {
        #[test]
        fn any_text_round_trips(text in "(?s).{0,200}", pad in 0usize..70) {
            let text = format!("{}{text}", "x".repeat(pad));
            let json = quoted(&text);
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }
}
