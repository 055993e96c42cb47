//! Connections that are not read in vain.

use std::io::{self, IoSlice, Read};
use std::net::{Shutdown, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_io::Async;
use futures_io::{AsyncRead, AsyncWrite};

/// A TCP connection of async-io; those under [`Serve`](crate::Serve) are such. Beside what [`Async`]
/// does:
///
/// - Where a read emptied the socket, the next one asks the reactor first. `Async` reads, and asks when
///   there was nothing, which may be answered by what came before: three reads a message, two of them
///   in vain.
/// - To close it shuts down the sending side, so that the peer sees the end while what it still sends
///   is read.
#[derive(Debug)]
pub struct Socket {
    stream: Async<TcpStream>,
    is_empty: bool,
}

impl Socket {
    /// Takes a connection.
    pub const fn new(stream: Async<TcpStream>) -> Self {
        Self { stream, is_empty: false }
    }

    /// The connection.
    pub fn get_ref(&self) -> &TcpStream {
        self.stream.get_ref()
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            if self.is_empty {
                ready!(self.stream.poll_readable(cx))?;
            }
            let read = self.get_ref().read(buf);
            // Where more has come since, the reactor says so at once.
            self.is_empty = !matches!(read, Ok(count) if count == buf.len());
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        match self.get_ref().shutdown(Shutdown::Write) {
            // The peer was faster.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            shut => Poll::Ready(shut),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use futures_util::{AsyncReadExt, AsyncWriteExt, FutureExt};

    use super::*;

    async fn pair() -> (Socket, Async<TcpStream>) {
        let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).unwrap();
        let address = listener.get_ref().local_addr().unwrap();
        let client = Async::<TcpStream>::connect(address).await.unwrap();
        (Socket::new(listener.accept().await.unwrap().0), client)
    }

    #[test]
    fn what_comes_after_the_socket_was_emptied_is_read() {
        async_io::block_on(async {
            let (mut socket, mut client) = pair().await;
            for round in 0..100 {
                client.write_all(&[round; 3]).await.unwrap();
                let mut read = [0; 8];
                let count = socket.read(&mut read).await.unwrap();
                assert_eq!(read[..count], [round; 3]);
                // While it waits, and before it does.
                if round % 2 == 0 {
                    assert!(socket.read(&mut read).now_or_never().is_none());
                }
            }
            drop(client);
            assert_eq!(socket.read(&mut [0; 8]).await.unwrap(), 0);
            assert_eq!(socket.read(&mut [0; 8]).await.unwrap(), 0, "an end does not go away");
        });
    }

    #[test]
    fn a_socket_that_was_filled_up_is_read_on_without_being_asked() {
        async_io::block_on(async {
            let (mut socket, mut client) = pair().await;
            client.write_all(b"four").await.unwrap();
            drop(client);
            let mut read = [0; 2];
            socket.read_exact(&mut read).await.unwrap();
            assert!(!socket.is_empty);
            socket.read_exact(&mut read).await.unwrap();
            assert_eq!(&read, b"ur");
        });
    }

    #[test]
    fn the_peer_of_a_closed_socket_sees_the_end_and_can_still_send() {
        async_io::block_on(async {
            let (mut socket, mut client) = pair().await;
            socket.close().await.unwrap();
            assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
            client.write_all(b"late").await.unwrap();
            let mut read = [0; 4];
            socket.read_exact(&mut read).await.unwrap();
            assert_eq!(&read, b"late");
        });
    }
}
