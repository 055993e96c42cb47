//! What carries a session over a WebSocket: a handshake, and then a pump.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use hyper::upgrade::OnUpgrade;
use sockjs_core::Service;

use super::pump::Pump;
use crate::claim::Claim;
use crate::connection::Stream;
use crate::guard::{Connection, Guard};
use crate::shard::Shard;

/// The handshake was answered; its connection is not free yet.
pub(crate) struct Handshake {
    pub(crate) upgrade: OnUpgrade,
    /// The one that is upgraded, if it is one of ours.
    pub(crate) connection: Option<Connection>,
    pub(crate) guard: Guard,
    pub(crate) service: Service,
    pub(crate) claim: Claim,
}

/// Carries the session that the handshake opened, to its end.
pub(crate) fn carry(handshake: Handshake) -> impl Future<Output = ()> + Send {
    Carrier::Handshake(handshake)
}

/// One or the other, in the same memory: there is one for each WebSocket, as long as that lasts.
#[expect(clippy::large_enum_variant, reason = "the pump is what nearly all of them are")]
enum Carrier {
    Handshake(Handshake),
    /// With the shard beside it, which a turn borrows while it changes the pump.
    Pump(Arc<Shard>, Pump),
    Ended,
}

impl Future for Carrier {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let carrier = self.get_mut();
        if let Self::Handshake(handshake) = carrier {
            let upgraded = ready!(Pin::new(&mut handshake.upgrade).poll(cx));
            // An upgrade that fails drops the guard, which tells.
            if let (Self::Handshake(handshake), Ok(upgraded)) =
                (mem::replace(carrier, Self::Ended), upgraded)
            {
                let Handshake { connection, guard, service, claim, .. } = handshake;
                let (stream, front) = match connection {
                    Some(connection) => connection.open(upgraded),
                    None => (Stream::from(upgraded), BytesMut::new()),
                };
                let shard = guard.shard().clone();
                let pump = Pump::new(stream, front, guard, service.settings(), claim);
                *carrier = Self::Pump(shard, pump);
            }
        }
        match carrier {
            Self::Pump(shard, pump) => pump.poll(shard, cx),
            Self::Handshake(_) | Self::Ended => Poll::Ready(()),
        }
    }
}
