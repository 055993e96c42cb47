//! The messages: a stamp that says whose and which it is, then filler.

use crate::Result;

/// Hexadecimal digits at the beginning of each message.
const STAMP: usize = 16;

/// What the filler is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Letters.
    Ascii,
    /// Characters of two and three bytes.
    Utf8,
    /// Characters that JSON escapes.
    Escaped,
}

impl Kind {
    pub(crate) fn parse(name: &str) -> Result<Self> {
        match name {
            "ascii" => Ok(Self::Ascii),
            "utf8" => Ok(Self::Utf8),
            "escaped" => Ok(Self::Escaped),
            _ => Err(format!("no such kind of text: {name}; known: ascii, utf8, escaped").into()),
        }
    }

    fn cycle(self) -> &'static str {
        match self {
            Self::Ascii => "the quick brown fox jumps over the lazy dog, ",
            Self::Utf8 => "жизньсмотритнавеснуприроды春夏秋冬山川草木",
            Self::Escaped => "\"\\\n",
        }
    }
}

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As they are.
    Plain,
    /// As a JSON string.
    Quoted,
}

/// All messages of a run: they differ in their stamps alone.
#[derive(Debug)]
pub(crate) struct Text {
    plain: Vec<u8>,
    quoted: Vec<u8>,
}

impl Text {
    /// Messages of this many bytes in UTF-8.
    pub(crate) fn new(kind: Kind, bytes: usize) -> Result<Self> {
        let Some(room) = bytes.checked_sub(STAMP) else {
            return Err(format!("a message has at least {STAMP} bytes").into());
        };
        let mut filler = String::with_capacity(room);
        for character in kind.cycle().chars().cycle() {
            if filler.len() + character.len_utf8() > room {
                break;
            }
            filler.push(character);
        }
        filler.extend(std::iter::repeat_n('.', room - filler.len()));
        let quoted = serde_json::to_string(&filler)?;
        Ok(Self { plain: filler.into_bytes(), quoted: quoted.as_bytes()[1..].to_vec() })
    }

    /// Appends the message with this stamp.
    pub(crate) fn write(&self, form: Form, stamp: u64, out: &mut Vec<u8>) {
        match form {
            Form::Plain => {
                out.extend_from_slice(&digits(stamp));
                out.extend_from_slice(&self.plain);
            }
            Form::Quoted => {
                out.push(b'"');
                out.extend_from_slice(&digits(stamp));
                out.extend_from_slice(&self.quoted);
            }
        }
    }

    /// Whether this is exactly the message with this stamp.
    pub(crate) fn is(&self, stamp: u64, plain: &[u8]) -> bool {
        plain.strip_prefix(&digits(stamp)).is_some_and(|filler| filler == self.plain)
    }

    /// Counts the messages of a frame `a[…]`, which must be those from this stamp on.
    pub(crate) fn count(&self, frame: &[u8], first: u64) -> Result<u32> {
        match self.count_fast(frame, first) {
            Some(count) => Ok(count),
            None => self.count_slow(frame, first),
        }
    }

    /// As long as the server escapes as we do, bytes can be compared.
    fn count_fast(&self, frame: &[u8], first: u64) -> Option<u32> {
        let mut rest = frame.strip_prefix(b"a[")?;
        for count in 0.. {
            rest = rest.strip_prefix(b"\"")?.strip_prefix(&digits(first + u64::from(count)))?;
            rest = rest.strip_prefix(self.quoted.as_slice())?;
            match rest {
                b"]" => return Some(count + 1),
                [b',', more @ ..] => rest = more,
                _ => return None,
            }
        }
        None
    }

    fn count_slow(&self, frame: &[u8], first: u64) -> Result<u32> {
        let wrong = || format!("not the messages from {first:x} on: {}", show(frame));
        let array = frame.strip_prefix(b"a").ok_or_else(wrong)?;
        let messages: Vec<String> = serde_json::from_slice(array).map_err(|_| wrong())?;
        for (stamp, message) in (first..).zip(&messages) {
            if !self.is(stamp, message.as_bytes()) {
                return Err(wrong().into());
            }
        }
        Ok(u32::try_from(messages.len())?)
    }
}

fn digits(stamp: u64) -> [u8; STAMP] {
    let mut digits = [0; STAMP];
    for (place, digit) in digits.iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(stamp >> (60 - 4 * place) & 15) as usize];
    }
    digits
}

/// The beginning of what a server sent, for messages of errors.
pub(crate) fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_exact() {
        for kind in [Kind::Ascii, Kind::Utf8, Kind::Escaped] {
            for bytes in [16, 17, 64, 1024] {
                let mut out = Vec::new();
                Text::new(kind, bytes).unwrap().write(Form::Plain, 7, &mut out);
                assert_eq!(out.len(), bytes);
            }
        }
        assert!(Text::new(Kind::Ascii, 15).is_err());
    }

    #[test]
    fn frames_are_counted_however_they_are_escaped() {
        let text = Text::new(Kind::Escaped, 20).unwrap();
        let own = b"a[\"0000000000000009\\\"\\\\\\n\\\"\",\"000000000000000a\\\"\\\\\\n\\\"\"]";
        assert_eq!(text.count(own, 9).unwrap(), 2);
        let other = b"a[\"0000000000000009\\u0022\\u005c\\u000a\\u0022\"]";
        assert_eq!(text.count(other, 9).unwrap(), 1);
    }

    #[test]
    fn faults_are_found() {
        let text = Text::new(Kind::Ascii, 18).unwrap();
        for frame in [
            &b"a[\"0000000000000008th\"]"[..],
            b"a[\"0000000000000009tx\"]",
            b"a[\"0000000000000009th\",\"0000000000000009th\"]",
            b"a[\"0000000000000009th\"",
            b"c[3000,\"Go away!\"]",
        ] {
            assert!(text.count(frame, 9).is_err(), "{}", show(frame));
        }
    }
}
