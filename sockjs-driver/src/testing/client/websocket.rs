//! A client's WebSocket. A test's server is trusted: its frames are whole, short of memory's end, and
//! in order.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use http::StatusCode;
use sockjs_core::testing::read;
use sockjs_core::{CloseReason, FrameKind, Transport};

use super::Visit;
use super::exchange::{Exchange, payload};
use super::page::{Broken, Outgoing, Page};

/// RFC 6455 §1.2's; any will do.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

// RFC 6455 §5.2.
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

enum Turn {
    Send(Outgoing),
    Received(Option<Vec<u8>>),
}

/// Shakes hands, then carries frames until the session ends.
pub(super) async fn run(page: Arc<Page>, visit: Visit, transport: Transport) -> Result<(), Broken> {
    let head = visit.head("GET", "websocket", None);
    let mut exchange = Exchange::begin(
        &visit,
        &format!(
            "{head}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: {KEY}\r\n\r\n"
        ),
    );
    let status = exchange.head().await?;
    if status != StatusCode::SWITCHING_PROTOCOLS {
        return Err(page.refused(status));
    }
    if transport == Transport::RawWebsocket {
        page.open();
    }
    let (plug, mut buffer) = exchange.into_parts();
    loop {
        while let Some((opcode, payload)) = take_frame(&mut buffer) {
            let kind = match opcode {
                TEXT => FrameKind::Text,
                BINARY => FrameKind::Binary,
                PING => {
                    plug.send(&frame(PONG, &payload));
                    continue;
                }
                CLOSE => {
                    plug.send(&frame(CLOSE, &payload));
                    page.end(reason(&payload));
                    return Ok(());
                }
                _ => continue,
            };
            page.take(read(transport, &kind, &payload))?;
        }
        let mut receiving = pin!(plug.received());
        let turn = poll_fn(|cx| match page.poll_outgoing(cx) {
            Poll::Ready(outgoing) => Poll::Ready(Turn::Send(outgoing)),
            Poll::Pending => receiving.as_mut().poll(cx).map(Turn::Received),
        });
        match turn.await {
            Turn::Send(Outgoing::Message(message)) => plug.send(&match transport {
                Transport::RawWebsocket if message.is_binary() => frame(BINARY, message.as_bytes()),
                Transport::RawWebsocket => frame(TEXT, message.as_bytes()),
                _ => frame(TEXT, payload(&message).as_bytes()),
            }),
            Turn::Send(Outgoing::Goodbye) => {
                plug.send(&frame(CLOSE, &1000_u16.to_be_bytes()));
                return Ok(());
            }
            Turn::Received(bytes) => buffer.extend(bytes.ok_or(Broken)?),
        }
    }
}

/// A close without a code is 1005 to a page (RFC 6455 §7.4.1).
fn reason(payload: &[u8]) -> CloseReason {
    match payload {
        [high, low, text @ ..] => {
            let text = String::from_utf8_lossy(text).into_owned();
            CloseReason::new(u16::from_be_bytes([*high, *low]), text)
        }
        _ => CloseReason::new(1005, ""),
    }
}

/// A client's frame. A mask of zeroes leaves the payload as it is.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length), _) if length < 126 => frame.push(0x80 | length),
        (_, Ok(length)) => {
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend_from_slice(payload);
    frame
}

/// Opcode and payload of the frame that the buffer begins with, if all of it is there.
fn take_frame(buffer: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let &[first, length, ..] = buffer.as_slice() else { return None };
    let (head, length) = match length {
        126 => (4, u64::from(u16::from_be_bytes(buffer.get(2..4)?.try_into().ok()?))),
        127 => (10, u64::from_be_bytes(buffer.get(2..10)?.try_into().ok()?)),
        length => (2, u64::from(length)),
    };
    let end = head + usize::try_from(length).ok()?;
    let payload = buffer.get(head..end)?.to_vec();
    buffer.drain(..end);
    Some((first & 0x0f, payload))
}
