//! Nonblocking connections to one server: one thread, one read and one write for each burst.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use socket2::{Domain, Protocol, Socket, Type};

use crate::Result;

/// What is read at a time.
const READ_BYTES: usize = 256 * 1024;
/// Ready connections taken at a time.
const EVENTS: usize = 1024;
/// Connections from one address of the loopback network, of the 28,232 ports that it has.
const FROM_ONE_ADDRESS: usize = 16_000;
/// Addresses that are used in turn, from 127.0.0.2 on: the first one is the servers'.
const ADDRESSES: usize = 64;

/// One connection of a [`Net`].
pub(crate) type Conn = usize;

/// Takes what arrives.
pub(crate) trait Receive {
    /// Bytes arrived on the connection that was opened for this owner. Says how many it has taken;
    /// the others come again, with more.
    fn received(&mut self, net: &mut Net, owner: usize, bytes: &[u8]) -> Result<usize>;

    /// The server ended the connection, which is closed already.
    fn ended(&mut self, net: &mut Net, owner: usize) -> Result<()>;
}

/// All connections.
pub(crate) struct Net {
    poll: Poll,
    server: SocketAddr,
    connections: Slab<Connection>,
    /// Those with output that was not tried to write.
    dirty: Vec<Conn>,
    opened: usize,
}

struct Connection {
    stream: TcpStream,
    owner: usize,
    input: Vec<u8>,
    output: Vec<u8>,
}

/// Buffers of the loop.
pub(crate) struct Buffers {
    events: Events,
    input: Vec<u8>,
}

impl Buffers {
    pub(crate) fn new() -> Self {
        Self { events: Events::with_capacity(EVENTS), input: vec![0; READ_BYTES] }
    }
}

impl Net {
    pub(crate) fn new(server: SocketAddr) -> Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            server,
            connections: Slab::new(),
            dirty: Vec::new(),
            opened: 0,
        })
    }

    pub(crate) fn connect(&mut self, owner: usize) -> Result<Conn> {
        let socket =
            Socket::new(Domain::for_address(self.server), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        // Nothing lingers, or the ports of one run would be missed in the next.
        socket.set_linger(Some(Duration::ZERO))?;
        if self.server.ip() == Ipv4Addr::LOCALHOST {
            let host = self.opened / FROM_ONE_ADDRESS % ADDRESSES + 2;
            let address = Ipv4Addr::new(127, 0, 0, u8::try_from(host)?);
            socket.bind(&SocketAddr::from((address, 0)).into())?;
        }
        match socket.connect(&self.server.into()) {
            Err(error) if error.raw_os_error() != Some(nix::errno::Errno::EINPROGRESS as i32) => {
                return Err(error.into());
            }
            _ => self.opened += 1,
        }
        let stream = TcpStream::from_std(socket.into());
        let entry = self.connections.vacant_entry();
        let conn = entry.key();
        let connection =
            entry.insert(Connection { stream, owner, input: Vec::new(), output: Vec::new() });
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut connection.stream, Token(conn), both)?;
        Ok(conn)
    }

    /// Where to append what shall be sent.
    pub(crate) fn output(&mut self, conn: Conn) -> &mut Vec<u8> {
        self.dirty.push(conn);
        &mut self.connections[conn].output
    }

    /// Waits for what arrives and passes it on. Says whether there was anything.
    pub(crate) fn turn(
        &mut self,
        buffers: &mut Buffers,
        timeout: Option<Duration>,
        load: &mut impl Receive,
    ) -> Result<bool> {
        self.flush()?;
        match self.poll.poll(&mut buffers.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        for event in &buffers.events {
            let conn = event.token().0;
            if event.is_writable() {
                self.write(conn)?;
            }
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                self.read(conn, event.is_read_closed(), &mut buffers.input, load)?;
                self.flush()?;
            }
        }
        Ok(!buffers.events.is_empty())
    }

    /// Writes all output.
    pub(crate) fn flush(&mut self) -> Result<()> {
        while let Some(conn) = self.dirty.pop() {
            self.write(conn)?;
        }
        Ok(())
    }

    fn write(&mut self, conn: Conn) -> Result<()> {
        let Some(connection) = self.connections.get_mut(conn) else { return Ok(()) };
        let mut written = 0;
        while written < connection.output.len() {
            match connection.stream.write(&connection.output[written..]) {
                Ok(count) => written += count,
                Err(error) if is_not_yet(&error) => break,
                // What the server said before it left is worth more than this error.
                Err(_) => break,
            }
        }
        connection.output.drain(..written);
        Ok(())
    }

    fn read(
        &mut self,
        conn: Conn,
        is_closed: bool,
        buf: &mut [u8],
        load: &mut impl Receive,
    ) -> Result<()> {
        while let Some(connection) = self.connections.get_mut(conn) {
            let owner = connection.owner;
            let count = match connection.stream.read(buf) {
                Ok(0) => {
                    self.connections.remove(conn);
                    return load.ended(self, owner);
                }
                Ok(count) => count,
                Err(error) if is_not_yet(&error) => return Ok(()),
                Err(_) => {
                    self.connections.remove(conn);
                    return load.ended(self, owner);
                }
            };
            let mut input = std::mem::take(&mut connection.input);
            if input.is_empty() {
                let taken = load.received(self, owner, &buf[..count])?;
                input.extend_from_slice(&buf[taken..count]);
            } else {
                input.extend_from_slice(&buf[..count]);
                let taken = load.received(self, owner, &input)?;
                input.drain(..taken);
            }
            if let Some(connection) = self.connections.get_mut(conn) {
                connection.input = input;
            }
            // A short read has emptied the socket; more is announced anew.
            if count < buf.len() && !is_closed {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn is_not_yet(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, NotConnected, WouldBlock};
    matches!(error.kind(), WouldBlock | NotConnected | Interrupted)
}
