//! PROTOCOL §4, string encoding: written a second time, independently of the server.

/// A string as the server must encode it.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{8}' => quoted.push_str("\\b"),
            '\t' => quoted.push_str("\\t"),
            '\n' => quoted.push_str("\\n"),
            '\u{c}' => quoted.push_str("\\f"),
            '\r' => quoted.push_str("\\r"),
            '\0'..='\u{1f}'
            | '\u{200c}'..='\u{200f}'
            | '\u{2028}'..='\u{202f}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fff0}'..='\u{ffff}' => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// The frame that carries exactly these messages.
pub fn frame_of<S: AsRef<str>>(messages: &[S]) -> String {
    let quoted: Vec<String> = messages.iter().map(|message| quote(message.as_ref())).collect();
    format!("a[{}]", quoted.join(","))
}

/// The messages of an `a` frame; any other frame fails the test.
#[track_caller]
pub fn messages_in(frame: &str) -> Vec<String> {
    let array = frame.strip_prefix('a').unwrap_or_else(|| panic!("no message frame: {frame:?}"));
    let messages: Vec<String> =
        serde_json::from_str(array).unwrap_or_else(|error| panic!("{error}: {frame:?}"));
    assert!(!messages.is_empty(), "a message frame without messages");
    assert_eq!(frame, frame_of(&messages), "encoding of a message frame");
    messages
}
