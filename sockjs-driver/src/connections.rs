//! Counts of connections, and their limits.

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};

use crate::ending::{Phase, Watch};

/// Counts the connections of an accept loop: those that are upgraded to WebSockets as well, until
/// their sockets close. A clone counts the same ones.
#[derive(Clone, Debug, Default)]
pub struct Connections(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    opened: AtomicU64,
    closed: AtomicU64,
    refused: AtomicU64,
    /// Those now open, of each address that has some; empty if addresses have no limit.
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

/// How many connections a server holds at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) total: usize,
    pub(crate) for_each_address: usize,
}

impl Default for Room {
    /// Two for each session of a service with the default limits: a client that streams has one to
    /// receive and one to send. No limit for addresses, for behind a proxy all clients have the
    /// proxy's.
    fn default() -> Self {
        Self { total: 2 * 65_536, for_each_address: usize::MAX }
    }
}

impl Connections {
    /// Connections ever accepted.
    pub fn opened(&self) -> u64 {
        self.0.opened.load(Ordering::Relaxed)
    }

    /// Connections now open.
    pub fn open(&self) -> u64 {
        // Read first: whoever has closed has opened before.
        let closed = self.0.closed.load(Ordering::Acquire);
        self.0.opened.load(Ordering::Acquire) - closed
    }

    /// Connections closed unserved, because there were too many.
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    /// Counts a connection until its socket is dropped.
    pub fn count<I>(&self, io: I) -> Counted<I> {
        self.enter(io, None, None)
    }

    /// As [`count`](Self::count), if there is room. The socket fails once the server cuts off whoever
    /// is left, which is how WebSockets learn of it.
    pub(crate) fn admit<I>(
        &self,
        io: I,
        peer: Option<SocketAddr>,
        room: Room,
        watch: Watch,
    ) -> Option<Counted<I>> {
        let has_room = usize::try_from(self.open()).is_ok_and(|open| open < room.total);
        let address = peer.map(neighbourhood).filter(|_| room.for_each_address < usize::MAX);
        if has_room && self.0.enter_from(address, room.for_each_address) {
            return Some(self.enter(io, address, Some(watch)));
        }
        self.0.refused.fetch_add(1, Ordering::Relaxed);
        None
    }

    fn enter<I>(&self, io: I, address: Option<IpAddr>, watch: Option<Watch>) -> Counted<I> {
        self.0.opened.fetch_add(1, Ordering::Relaxed);
        Counted { io, watch, _count: Count { counts: self.0.clone(), address } }
    }
}

impl Counts {
    /// Takes one of an address's places, if there is one.
    fn enter_from(&self, address: Option<IpAddr>, limit: usize) -> bool {
        let Some(address) = address else { return true };
        let mut by_address = self.by_address();
        let open = by_address.get(&address).copied().unwrap_or_default();
        let has_room = open < limit;
        if has_room {
            by_address.insert(address, open + 1);
        }
        has_room
    }

    fn leave_from(&self, address: IpAddr) {
        let mut by_address = self.by_address();
        match by_address.get_mut(&address) {
            Some(open) if *open > 1 => *open -= 1,
            _ => drop(by_address.remove(&address)),
        }
    }

    fn by_address(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The address that counts: of IPv6 the /64, which is the least that a network gives a single host.
fn neighbourhood(peer: SocketAddr) -> IpAddr {
    match peer.ip().to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

impl<I> Counted<I> {
    /// The socket.
    pub(crate) fn get_ref(&self) -> &I {
        &self.io
    }

    /// What the socket said, unless that is to wait and the server waits no longer.
    fn unless_cut<T>(
        &mut self,
        said: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if said.is_pending() {
            self.check(cx)?;
        }
        said
    }

    /// Fails once the server waits no longer; wakes then.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.watch.as_mut().map(|watch| watch.phase(cx)) {
            Some(Phase::Cut) => Err(io::ErrorKind::ConnectionAborted.into()),
            _ => Ok(()),
        }
    }
}

/// A socket that is counted; see [`Connections::count`].
#[derive(Debug)]
pub struct Counted<I> {
    io: I,
    watch: Option<Watch>,
    _count: Count,
}

#[derive(Debug)]
struct Count {
    counts: Arc<Counts>,
    /// Whose place it takes, if those are counted.
    address: Option<IpAddr>,
}

impl Drop for Count {
    fn drop(&mut self) {
        if let Some(address) = self.address {
            self.counts.leave_from(address);
        }
        self.counts.closed.fetch_add(1, Ordering::Release);
    }
}

impl<I: Read + Unpin> Read for Counted<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        self.unless_cut(read, cx)
    }
}

impl<I: Write + Unpin> Write for Counted<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.unless_cut(written, cx)
    }

    /// Also a flush tells of the end, for whoever neither reads nor has anything to write.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}
