//! What is written in place of secrets: nothing that could be read, and nothing that an endpoint
//! would take another way.

use core::net::{IpAddr, Ipv6Addr};
use std::hash::{BuildHasher, Hash, Hasher};

use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, ORIGIN, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};

use crate::Seed;

/// The headers besides those replaced that an endpoint or the routing before it looks at, and that
/// hold no secret.
const KEPT: [HeaderName; 5] =
    [CONTENT_TYPE, CONTENT_LENGTH, UPGRADE, CONNECTION, SEC_WEBSOCKET_VERSION];

/// A key of WebSocket handshakes, from RFC 6455, section 1.3.
const WEBSOCKET_KEY: &[u8] = b"dGhlIHNhbXBsZSBub25jZQ==";

/// Replaces secrets: equal ones by equal ones. Which they were cannot be told without the seed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Redaction(pub(super) Seed);

impl Redaction {
    /// In place of an id, a name, an origin.
    pub(super) fn name(self, secret: impl Hash) -> String {
        format!("{:016x}", self.0.hash_one(secret))
    }

    /// In place of a client's address: its network, as far as sessions are bound to networks.
    pub(super) fn address(self, network: impl Hash) -> IpAddr {
        let (high, low) = (self.0.hash_one((0, &network)), self.0.hash_one((1, &network)));
        IpAddr::V6(Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)))
    }

    pub(super) fn headers(self, headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
        let kept = KEPT.iter().flat_map(|name| {
            let values = headers.get_all(name).iter();
            values.map(|value| (name.to_string(), value.as_bytes().to_vec()))
        });
        let origin = headers.get(ORIGIN).map(|origin| {
            let name = self.name(origin.as_bytes());
            (ORIGIN.to_string(), format!("http://{name}").into_bytes())
        });
        let key = headers.get(SEC_WEBSOCKET_KEY);
        let key = key.map(|_| (SEC_WEBSOCKET_KEY.to_string(), WEBSOCKET_KEY.to_vec()));
        kept.chain(origin).chain(key).collect()
    }
}

/// Text of the same length, of which the same characters are escaped to the same lengths by every
/// transport.
pub(super) fn text(text: &str) -> String {
    text.chars().map(stand_in).collect()
}

fn stand_in(c: char) -> char {
    match c {
        '"' | '\\' | '<' | '%' => c,
        '\u{8}' | '\t' | '\n' | '\u{c}' | '\r' => '\n',
        '\0'..='\u{1f}' => '\u{1}',
        '\u{20}'..='\u{7f}' => 'x',
        c if crate::wire::quote::is_plain(c.encode_utf8(&mut [0; 4])) => match c.len_utf8() {
            2 => 'é',
            3 => '€',
            _ => '😀',
        },
        _ => '\u{2028}',
    }
}

/// What a frame's bytes have in common with those of the frame of the redacted text.
pub(super) fn shape(bytes: &[u8], hasher: &mut impl Hasher) {
    for byte in bytes {
        hasher.write_u8(match byte {
            b'"' | b'\\' | b'<' | b'%' => *byte,
            8 | b'\t' | b'\n' | 0xc | b'\r' => b'\n',
            0..0x20 => 1,
            0x20..0x80 => b'x',
            _ => 0x80,
        });
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;
    use crate::trace::check::Fnv;
    use crate::wire::callback::Callback;
    use crate::wire::frame;
    use crate::{Message, Transport};

    /// The length and the shape of a message's frame.
    fn frame_of(transport: Transport, text: &str) -> (usize, u64) {
        let callback = Callback::parse(Some("c=cb"), transport).unwrap();
        let mut out = BytesMut::new();
        transport.wrap(callback.as_ref(), &mut out, |out| {
            frame::write_messages([Message::text(text)].iter(), 0, out);
        });
        let mut hasher = Fnv::default();
        shape(&out, &mut hasher);
        (out.len(), hasher.finish())
    }

    fn assert_alike(original: &str) {
        let redacted = text(original);
        assert_eq!(redacted.len(), original.len());
        for transport in Transport::ALL {
            let (real, written) = (frame_of(transport, original), frame_of(transport, &redacted));
            assert_eq!(real, written, "{original:?} on {transport}");
        }
    }

    #[test]
    fn every_character_has_a_stand_in() {
        (0..=u32::from(char::MAX))
            .filter_map(char::from_u32)
            .filter(|c| u32::from(*c) < 0x1_0100)
            .for_each(|c| assert_alike(&c.to_string()));
    }

    #[test]
    fn nothing_can_be_read() {
        assert_eq!(text("Pay 5 € to Zoë!"), "xxxxxx€xxxxxxéx");
        let redaction = Redaction(Seed::new(1));
        assert_eq!(redaction.name("id"), redaction.name("id"));
        assert_ne!(redaction.name("id"), redaction.name("other"));
        assert_ne!(redaction.name("id"), Redaction(Seed::new(2)).name("id"));
    }

    proptest! {
        #[test]
        fn any_text_is_framed_alike(text in "(?s).{0,50}") {
            assert_alike(&text);
        }
    }
}
