//! What WebSocket clients send, frame by frame (PROTOCOL §7).

use super::*;
use crate::event::ClientFrame;
use crate::wire::payload;

impl Endpoint {
    /// A frame from a WebSocket's client. Its messages go to the application; if it breaks a rule,
    /// the session ends, and the receiver transmits the WebSocket's close.
    ///
    /// While the application lags, the receiver holds the messages. As long as
    /// [`Receiver::is_holding`] says so, read no more from the socket: so the client is made to
    /// wait. [`poll_transmit`](Self::poll_transmit) passes on what is held; call it after
    /// [`Event::Resume`] too.
    pub fn handle_frame(
        &mut self,
        receiver: &mut Receiver,
        frame: ClientFrame<'_>,
        now: Timestamp,
    ) {
        let Some(key) = receiver.session() else { return };
        self.handle_alive(key, now);
        let limit_bytes = self.service.settings().limits.payload_bytes();
        let (transport, held) = (receiver.transport, &mut receiver.held);
        let read = match frame {
            ClientFrame::Text(text) => {
                payload::read_websocket_text(transport, text, limit_bytes, held)
            }
            ClientFrame::Binary(bytes) => payload::read_websocket_binary(transport, bytes, held),
            ClientFrame::Pong => return self.handle_pong(key, now),
            ClientFrame::Close(reason) => {
                self.leave(receiver, Gone::Closed(reason), now);
                receiver.stage = Stage::Finished;
                return;
            }
            ClientFrame::Violation(reason) => Err(reason),
        };
        match read {
            Ok(()) => self.pass_on(receiver),
            Err(reason) => self.violated(receiver, reason),
        }
    }

    /// Passes on what a receiver holds; if there is no room, it stays.
    pub(super) fn pass_on(&mut self, receiver: &mut Receiver) {
        let Some(key) = receiver.session() else { return };
        match self.handle_messages(key, &mut receiver.held, self.now) {
            Ok(()) | Err(Refused::Full) => {}
            Err(Refused::Overdue | Refused::Gone) => receiver.held.clear(),
        }
    }

    /// The client broke a rule: only the WebSocket's close goes out, no close frame of SockJS.
    fn violated(&mut self, receiver: &mut Receiver, reason: CloseReason) {
        self.leave(receiver, Gone::Violation(reason.clone()), self.now);
        receiver.stage = Stage::websocket_close(reason);
    }

    /// A receiver's client has left; what it had sent counts.
    pub(super) fn leave(&mut self, receiver: &mut Receiver, why: Gone, now: Timestamp) {
        let Some(attachment) = receiver.attachment() else { return };
        if receiver.is_holding() {
            self.handle_last_messages(attachment.session, &mut receiver.held, now);
        }
        self.with(attachment.session, now, |session, service, now| {
            if session.is_attached(attachment.number) {
                session.gone(why, service.settings(), now);
            }
        });
    }
}
