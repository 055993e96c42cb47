//! Accepting: a task does it, for a server.
//!
//! A server's future is often what a program's main thread waits for, and each connection would wake that
//! thread, which hands it to another. A task is run where connections are.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use hyper::rt::Sleep;

use crate::runtime::Runtime;
use crate::serve::Listener;
use crate::sync::{Mutex, lock};

/// How long accepting rests when the system is out of file descriptors or memory.
const PAUSE: Duration = Duration::from_millis(50);
/// Connections accepted in one poll, before other tasks have their turn.
const ACCEPTS_A_POLL: u8 = 32;

/// The server's side. Dropped, it closes the listener at once, or as soon as a poll of it is over.
pub(crate) struct Door<L>(Arc<Mutex<State<L>>>);

/// The task's side.
pub(crate) struct Porter<L>(Arc<Mutex<State<L>>>);

struct State<L> {
    is_open: bool,
    /// Until the door is closed, and but while it is polled: what is not ours runs without the lock.
    accept: Option<Accept<L>>,
    porter: Option<Waker>,
    server: Option<Waker>,
    has_porter: bool,
}

/// Both sides.
pub(crate) fn open<L>(listener: L) -> (Door<L>, Porter<L>) {
    let accept = Accept { listener, pause: None, count: 0 };
    let state = Arc::new(Mutex::new(State {
        is_open: true,
        accept: Some(accept),
        porter: None,
        server: None,
        has_porter: true,
    }));
    (Door(state.clone()), Porter(state))
}

impl<L> Door<L> {
    /// Ready if the task has ended though the door is open: it panicked, or its runtime dropped it.
    pub(crate) fn poll_lost(&self, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let mut state = lock(&self.0);
        if !state.has_porter {
            return Poll::Ready(());
        }
        let before = state.server.replace(waker);
        drop(state);
        drop(before);
        Poll::Pending
    }
}

impl<L> Drop for Door<L> {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.is_open = false;
        let (accept, porter) = (state.accept.take(), state.porter.take());
        drop(state);
        drop(accept);
        if let Some(porter) = porter {
            porter.wake();
        }
    }
}

impl<L: Listener> Porter<L> {
    /// The next connection; none once the door is closed.
    pub(crate) fn poll(
        &self,
        runtime: &dyn Runtime,
        cx: &mut Context<'_>,
    ) -> Poll<Option<(L::Io, Option<SocketAddr>)>> {
        let waker = cx.waker().clone();
        let mut state = lock(&self.0);
        let before = state.porter.replace(waker);
        let accept = state.accept.take();
        drop(state);
        drop(before);
        let Some(mut accept) = accept else { return Poll::Ready(None) };
        let accepted = accept.poll(runtime, cx);
        let mut state = lock(&self.0);
        if !state.is_open {
            drop(state);
            // A connection that came with the end is served to its end.
            return accepted.map(Some);
        }
        state.accept = Some(accept);
        accepted.map(Some)
    }
}

impl<L> Drop for Porter<L> {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.has_porter = false;
        let server = state.server.take();
        drop(state);
        if let Some(server) = server {
            server.wake();
        }
    }
}

/// A listener, with rests.
struct Accept<L> {
    listener: L,
    pause: Option<Pin<Box<dyn Sleep>>>,
    count: u8,
}

impl<L: Listener> Accept<L> {
    fn poll(
        &mut self,
        runtime: &dyn Runtime,
        cx: &mut Context<'_>,
    ) -> Poll<(L::Io, Option<SocketAddr>)> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            if self.count == ACCEPTS_A_POLL {
                self.count = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let Poll::Ready(accepted) = self.listener.poll_accept(cx) else {
                self.count = 0;
                return Poll::Pending;
            };
            self.count += 1;
            match accepted {
                Ok(accepted) => return Poll::Ready(accepted),
                Err(error) if is_of_connection(&error) => {}
                Err(_) => self.pause = Some(runtime.sleep(PAUSE)),
            }
        }
    }
}

/// Whether accepting failed because of the one connection that was to be accepted.
fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(all(test, not(sockjs_shuttle)))]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::ending::tests::Count;
    use crate::testing::{Plug, Socket, World, connection};

    /// Has one connection, and then waits.
    struct One(Option<Socket>, #[expect(dead_code, reason = "it counts listeners")] Arc<()>);

    impl Listener for One {
        type Io = Socket;

        fn poll_accept(
            &mut self,
            _: &mut Context<'_>,
        ) -> Poll<io::Result<(Socket, Option<SocketAddr>)>> {
            self.0.take().map_or(Poll::Pending, |socket| Poll::Ready(Ok((socket, None))))
        }
    }

    fn one() -> (One, Plug, Arc<()>) {
        let (socket, plug) = connection();
        let alive = Arc::new(());
        (One(Some(socket), alive.clone()), plug, alive)
    }

    #[test]
    fn a_closed_door_has_no_listener_and_sends_its_porter_home() {
        let (listener, _plug, alive) = one();
        let (door, porter) = open(listener);
        let (world, woken) = (World::new(), Arc::<Count>::default());
        let waker = Waker::from(woken.clone());
        let cx = &mut Context::from_waker(&waker);
        assert!(matches!(porter.poll(&world, cx), Poll::Ready(Some(_))));
        assert!(porter.poll(&world, cx).is_pending() && door.poll_lost(cx).is_pending());
        drop(door);
        assert_eq!((Arc::strong_count(&alive), woken.0.load(Ordering::Relaxed)), (1, 1));
        assert!(matches!(porter.poll(&world, cx), Poll::Ready(None)));
    }

    #[test]
    fn a_server_notices_that_its_porter_is_lost() {
        let (listener, _plug, _alive) = one();
        let (door, porter) = open(listener);
        let woken = Arc::<Count>::default();
        let waker = Waker::from(woken.clone());
        let cx = &mut Context::from_waker(&waker);
        assert!(door.poll_lost(cx).is_pending());
        drop(porter);
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert!(door.poll_lost(cx).is_ready());
    }
}
