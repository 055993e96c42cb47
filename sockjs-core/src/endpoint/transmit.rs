//! Frames for receivers, and what follows from them.

use bytes::BytesMut;

use super::*;
use crate::event::Transmit;

impl Endpoint {
    /// The next frame for a receiver, appended to `buf`: one a call. `None` until
    /// [`Event::Transmit`] names its session. What the receiver holds of its client's messages is
    /// passed on first.
    pub fn poll_transmit(
        &mut self,
        receiver: &mut Receiver,
        buf: &mut BytesMut,
    ) -> Option<Transmit> {
        if receiver.is_holding() {
            self.pass_on(receiver);
        }
        if let Some(transmit) = receiver.transmit_alone(buf) {
            return Some(self.counted(transmit));
        }
        let attachment = receiver.attachment()?;
        let key = attachment.session;
        let holding = self.sessions.get_mut(key.slot);
        let transmit = match holding {
            Some(holding) if holding.session.is_attached(attachment.number) => {
                if holding.session.has_waiting_receiver() {
                    return None;
                }
                let settings = self.service.settings();
                holding.session.transmit(key, receiver, buf, settings, self.now)
            }
            // Its session ended without it.
            holding => {
                let reason = holding.map(|holding| holding.session.close_reason());
                receiver.stage = Stage::close(reason.unwrap_or(CloseReason::INTERRUPTED), None);
                receiver.transmit_alone(buf)
            }
        };
        self.follow_frame(key.slot);
        transmit.map(|transmit| self.counted(transmit))
    }

    /// Whether the session of a receiver ended without it: all that it would still get is the close
    /// frame. For a driver that cannot take more frames now.
    pub fn is_over(&self, receiver: &Receiver) -> bool {
        receiver.attachment().is_some_and(|attachment| {
            let holding = self.sessions.get(attachment.session.slot);
            !holding.is_some_and(|holding| holding.session.is_attached(attachment.number))
        })
    }

    /// Notes that a frame was taken: where it sets no deadline before the one that is kept already,
    /// nothing follows from it.
    fn follow_frame(&mut self, slot: Slot) {
        let Some(holding) = self.sessions.get(slot) else { return };
        let earliest = Session::earliest_after_frame(self.service.settings(), self.now);
        let is_known = holding.is_opened && holding.session.is_flowing();
        match is_known && holding.scheduled <= earliest {
            true => self.stir(slot),
            false => self.touch(slot),
        }
    }

    fn counted(&mut self, transmit: Transmit) -> Transmit {
        self.stats.frames_out += u64::from(transmit.chunk.is_some());
        transmit
    }
}
