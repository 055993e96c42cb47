//! JavaScript's `escape` and `unescape` (ECMA-262, Annex B.2.1).

use std::fmt::Write;

/// What JavaScript's `escape(text)` returns: ASCII letters, digits and `@*_+-./` stand as they are,
/// other UTF-16 code units as `%XX` or `%uXXXX`.
///
/// ```
/// use sockjs_core::multiplex::escape;
///
/// assert_eq!(escape("news/42, ä€😀"), "news/42%2C%20%E4%u20AC%uD83D%uDE00");
/// ```
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if is_plain(c) {
            escaped.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = match *unit {
                unit @ ..=0xFF => write!(escaped, "%{unit:02X}"),
                unit => write!(escaped, "%u{unit:04X}"),
            };
        }
    }
    escaped
}

/// What JavaScript's `unescape(text)` returns; half a surrogate pair, which is no text, becomes
/// U+FFFD. What is no escape stands for itself.
///
/// ```
/// use sockjs_core::multiplex::unescape;
///
/// assert_eq!(unescape("%u20ac%E4%zz%"), "€ä%zz%");
/// ```
pub fn unescape(text: &str) -> String {
    let mut units = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let escaped = rest.strip_prefix('%').and_then(|after| {
            let (digits, after) = match after.strip_prefix('u') {
                Some(after) => after.split_at_checked(4)?,
                None => after.split_at_checked(2)?,
            };
            Some((hexadecimal(digits)?, after))
        });
        if let Some((unit, after)) = escaped {
            units.push(unit);
            rest = after;
        } else {
            units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
    }
    String::from_utf16_lossy(&units)
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '@' | '*' | '_' | '+' | '-' | '.' | '/')
}

fn hexadecimal(digits: &str) -> Option<u16> {
    // `from_str_radix` alone would take a sign.
    let is_sound = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_sound.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_latin_1_character_is_as_in_javascript() {
        for c in '\0'..='\u{ff}' {
            let is_plain =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@*_+-./".contains(c);
            let expected = if is_plain { c.to_string() } else { format!("%{:02X}", u32::from(c)) };
            assert_eq!(escape(&c.to_string()), expected);
        }
        assert_eq!(escape("\u{100}\u{ffff}\u{10ffff}"), "%u0100%uFFFF%uDBFF%uDFFF");
    }

    #[test]
    fn what_is_no_escape_stands_for_itself() {
        for text in ["%", "%4", "%u", "%u004", "%+1", "%u+041", "%U0041", "%é1", "%u00é", "é%"] {
            assert_eq!(unescape(text), text);
        }
        assert_eq!(unescape("%%41%u0041%41%"), "%AAA%");
    }

    #[test]
    fn halves_of_pairs_are_joined_or_replaced() {
        assert_eq!(unescape("%uD83D%uDE00"), "😀");
        assert_eq!(unescape("%uD83D-%uDE00"), "\u{fffd}-\u{fffd}");
    }

    proptest! {
        #[test]
        fn any_text_round_trips(text in any::<String>()) {
            let escaped = escape(&text);
            prop_assert!(escaped.is_ascii() && !escaped.contains(','));
            prop_assert_eq!(unescape(&escaped), text);
        }

        #[test]
        fn anything_can_be_unescaped(text in "([%u0-9a-fA-FD😀é]|%u|%uD8..)*") {
            let text = unescape(&text);
            prop_assert_eq!(unescape(&escape(&text)), text);
        }
    }
}
