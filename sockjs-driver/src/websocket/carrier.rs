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
#[cfg(feature = "http2")]
use crate::http2::Use;
use crate::shard::Shard;

/// Without HTTP/2 there is none.
#[cfg(not(feature = "http2"))]
pub(crate) enum Use {}

/// The upgrade that the server around us offers with a request.
pub(crate) struct Upgrade {
    pub(crate) on: OnUpgrade,
    /// To be dropped with what is upgraded.
    pub(crate) stream: Option<Use>,
}

/// The handshake was answered; its connection is not free yet.
pub(crate) struct Handshake {
    pub(crate) upgrade: Upgrade,
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
    /// With the shard beside it, which a turn borrows while it changes the pump, and what goes after it.
    Pump(
        Arc<Shard>,
        Pump,
        #[cfg_attr(feature = "http2", expect(dead_code, reason = "kept until it is dropped"))]
        Option<Use>,
    ),
    Ended,
}

impl Future for Carrier {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let carrier = self.get_mut();
        if let Self::Handshake(handshake) = carrier {
            let upgraded = ready!(Pin::new(&mut handshake.upgrade.on).poll(cx));
            // An upgrade that fails drops the guard, which tells.
            if let (Self::Handshake(handshake), Ok(upgraded)) =
                (mem::replace(carrier, Self::Ended), upgraded)
            {
                let Handshake { upgrade, connection, guard, service, claim } = handshake;
                let (stream, front) = match connection {
                    Some(connection) => connection.open(upgraded),
                    None => (Stream::from(upgraded), BytesMut::new()),
                };
                let shard = guard.shard().clone();
                let pump = Pump::new(stream, front, guard, service.settings(), claim);
                *carrier = Self::Pump(shard, pump, upgrade.stream);
            }
        }
        match carrier {
            Self::Pump(shard, pump, _) => pump.poll(shard, cx),
            Self::Handshake(_) | Self::Ended => Poll::Ready(()),
        }
    }
}
