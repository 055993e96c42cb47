//! Close codes and reasons (PROTOCOL §5 rule 5, §7).

use std::borrow::Cow;

/// Longest reason in bytes of UTF-8: what a WebSocket close frame carries (RFC 6455, section 5.5).
pub const MAX_REASON_BYTES: usize = 123;

/// Why a session ended, as the client is told: a code and a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseReason {
    code: u16,
    text: Cow<'static, str>,
}

impl CloseReason {
    /// 3000 `Go away!`: the application closed and gave no other reason.
    pub const GO_AWAY: Self = Self::fixed(3000, "Go away!");
    /// 1001 `Server going away`: the server drains.
    pub const SERVER_GOING_AWAY: Self = Self::fixed(1001, "Server going away");
    /// 1002 `Connection interrupted`: the receiver broke off, or frames were lost on their way.
    pub const INTERRUPTED: Self = Self::fixed(1002, "Connection interrupted");
    /// 1003 `Binary message`: bytes where SockJS carries text.
    pub const BINARY: Self = Self::fixed(1003, "Binary message");
    /// 1007 `Text is not UTF-8`: a text message that is none.
    pub const BAD_TEXT: Self = Self::fixed(1007, "Text is not UTF-8");
    /// 1008 `Message too slow`: a long message that comes in too slowly.
    pub const TOO_SLOW: Self = Self::fixed(1008, "Message too slow");
    /// 1009 `Message too big`: a message over the limit.
    pub const TOO_BIG: Self = Self::fixed(1009, "Message too big");
    /// 1011 `Internal error`: the application's handler panicked.
    pub const INTERNAL_ERROR: Self = Self::fixed(1011, "Internal error");
    /// 1013 `Server is busy`: too much of all clients is being received.
    pub const BUSY: Self = Self::fixed(1013, "Server is busy");
    /// 2010 `Another connection still open`: a second receiver for a session.
    pub const STILL_OPEN: Self = Self::fixed(2010, "Another connection still open");
    /// 3000 `Broken framing.`: a WebSocket message that is no payload.
    pub const BROKEN_FRAMING: Self = Self::fixed(3000, "Broken framing.");
    /// 3000 `No response from heartbeat`: no pong within the pong deadline.
    pub const NO_HEARTBEAT: Self = Self::fixed(3000, "No response from heartbeat");
    /// 4500 `Slow consumer`: the receiver made no progress for the write stall limit.
    pub const SLOW_CONSUMER: Self = Self::fixed(4500, "Slow consumer");

    const fn fixed(code: u16, text: &'static str) -> Self {
        Self { code, text: Cow::Borrowed(text) }
    }

    /// A code and a text, which is cut to [`MAX_REASON_BYTES`] of whole characters.
    pub fn new(code: u16, text: impl Into<Cow<'static, str>>) -> Self {
        let mut text = text.into();
        if text.len() > MAX_REASON_BYTES {
            let fits = |end: &usize| text.is_char_boundary(*end);
            let end = (0..=MAX_REASON_BYTES).rev().find(fits).unwrap_or_default();
            text = Cow::Owned(text.get(..end).unwrap_or_default().to_owned());
        }
        Self { code, text }
    }

    /// The code.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The text, at most [`MAX_REASON_BYTES`] long.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The code as a WebSocket close frame may carry it: one that RFC 6455, section 7.4 reserves
    /// or leaves undefined becomes 1000.
    pub fn websocket_code(&self) -> u16 {
        match self.code {
            1000..=1003 | 1007..=1009 | 1011..=1014 | 3000..=4999 => self.code,
            _ => 1000,
        }
    }
}

impl Default for CloseReason {
    fn default() -> Self {
        Self::GO_AWAY
    }
}

impl std::fmt::Display for CloseReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_reasons_are_cut_at_a_character() {
        let reason = CloseReason::new(3000, "ä".repeat(62));
        assert_eq!(reason.text().len(), 122);
        assert_eq!(CloseReason::new(3000, "x".repeat(123)).text().len(), 123);
    }

    #[test]
    fn codes_that_a_websocket_may_not_carry_become_1000() {
        for code in [0, 999, 1004, 1005, 1006, 1010, 1015, 2010, 2999, 5000, u16::MAX] {
            assert_eq!(CloseReason::new(code, "").websocket_code(), 1000, "{code}");
        }
        for code in [1000, 1003, 1007, 1009, 1011, 1014, 3000, 4999] {
            assert_eq!(CloseReason::new(code, "").websocket_code(), code);
        }
    }
}
