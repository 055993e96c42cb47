//! One session's channels at work: what the session receives goes to their queues, and what the
//! machine wants to say goes out.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use sockjs_core::multiplex::{ChannelKey, Event, Multiplexer};
use sockjs_core::{MESSAGE_OVERHEAD_BYTES, Message};

use super::{Channel, Handler, Multiplex};
use crate::runtime::Task;
use crate::session::{End, Session, SessionHandle};

/// Messages taken from a session before other tasks get their turn.
const MESSAGES_PER_POLL: usize = 64;

/// Moves messages until the session ends.
pub(super) struct Pump {
    multiplex: Multiplex,
    session: Session,
    shared: Arc<Shared>,
    /// Something to say for which there was no room yet.
    saying: Option<Message>,
    /// The session's.
    end: End,
}

/// What the channels of a session share.
pub(super) struct Shared {
    pub(super) session: SessionHandle,
    state: Mutex<State>,
}

/// Locked for a few steps, never around a turn or a wake.
pub(super) struct State {
    machine: Multiplexer,
    inboxes: BTreeMap<ChannelKey, Inbox>,
    queued_bytes: usize,
    /// The session brings no more.
    is_over: bool,
    pump: Option<Waker>,
    /// The pump waits for room.
    is_full: bool,
}

#[derive(Default)]
struct Inbox {
    messages: VecDeque<Message>,
    reader: Option<Waker>,
}

impl Pump {
    pub(super) fn new(multiplex: Multiplex, session: Session) -> Self {
        let state = State {
            machine: Multiplexer::new(multiplex.limits),
            inboxes: BTreeMap::new(),
            queued_bytes: 0,
            is_over: false,
            pump: None,
            is_full: false,
        };
        let handle = session.handle();
        let end = End::of(handle.0.clone());
        let shared = Arc::new(Shared { session: handle, state: Mutex::new(state) });
        Self { multiplex, session, shared, saying: None, end }
    }

    /// Says what the machine wants to have said.
    fn poll_say(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.saying.is_none() {
                let mut state = self.shared.lock();
                state.wait(cx.waker());
                self.saying = state.machine.poll_transmit();
            }
            if self.saying.is_none() {
                return Poll::Ready(());
            }
            // To a session that has ended there is nothing to say.
            let _ = ready!(self.shared.session.0.poll_send(&mut self.saying, cx.waker()));
            self.saying = None;
        }
    }

    /// Waits for room in the channels' queues. What is left of a session that has ended is within
    /// the session's own limit, and is not held back: other channels must hear of its end.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.shared.lock();
        state.is_full = state.queued_bytes >= self.multiplex.inbox_bytes.max(1);
        if !state.is_full {
            return Poll::Ready(());
        }
        drop(state);
        self.end.poll(cx.waker())
    }

    fn take(&self, message: &Message) {
        let mut state = self.shared.lock();
        let known = |topic: &_| self.multiplex.handler(topic).is_some();
        match state.machine.handle_message(message, known) {
            None => {}
            Some(Event::Subscribed(key)) => {
                state.inboxes.insert(key.clone(), Inbox::default());
                drop(state);
                self.start(key);
            }
            Some(Event::Message(key, payload)) => {
                let waker = state.put(&key, payload);
                drop(state);
                wake(waker);
            }
            Some(Event::Unsubscribed(key)) => {
                let waker = state.reader(&key);
                drop(state);
                wake(waker);
            }
        }
    }

    fn start(&self, key: ChannelKey) {
        let Some(handler) = self.multiplex.handler(key.topic()) else { return };
        let running = Running::new(handler.clone(), self.shared.clone(), key);
        self.shared.session.0.shard.app.runtime.spawn(Box::pin(running));
    }
}

impl Future for Pump {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..MESSAGES_PER_POLL {
            ready!(self.poll_say(cx));
            ready!(self.poll_room(cx));
            match ready!(self.session.poll_recv(cx)) {
                Some(message) => self.take(&message),
                None => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Also when its task is dropped: the channels get nothing any more.
impl Drop for Pump {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.is_over = true;
        let readers: Vec<_> =
            state.inboxes.values_mut().filter_map(|inbox| inbox.reader.take()).collect();
        drop(state);
        readers.into_iter().for_each(Waker::wake);
    }
}

impl Shared {
    /// The next message of a channel.
    pub(super) fn poll_recv(&self, key: &ChannelKey, waker: &Waker) -> Poll<Option<Message>> {
        let mut state = self.lock();
        let State { machine, inboxes, queued_bytes, is_over, .. } = &mut *state;
        let Some(inbox) = inboxes.get_mut(key) else { return Poll::Ready(None) };
        if let Some(message) = inbox.messages.pop_front() {
            *queued_bytes -= cost(&message);
            let pump = if state.is_full { state.pump.take() } else { None };
            drop(state);
            wake(pump);
            return Poll::Ready(Some(message));
        }
        if *is_over || !machine.is_open(key) {
            return Poll::Ready(None);
        }
        inbox.reader = Some(waker.clone());
        Poll::Pending
    }

    /// The session's message for a payload; `None` if the channel has ended.
    pub(super) fn frame(&self, key: &ChannelKey, payload: &Message) -> Option<Message> {
        self.lock().machine.frame(key, payload)
    }

    pub(super) fn is_open(&self, key: &ChannelKey) -> bool {
        let state = self.lock();
        !state.is_over && state.machine.is_open(key)
    }

    /// The application ends a channel.
    pub(super) fn close(&self, key: &ChannelKey) {
        let mut state = self.lock();
        state.machine.close(key);
        // What it has not taken it will not take.
        let unread = state.empty(key);
        let wakers = [state.reader(key), state.pump.take()];
        drop(state);
        drop(unread);
        wakers.into_iter().for_each(wake);
    }

    /// The handler of a channel has ended.
    fn release(&self, key: &ChannelKey) {
        let mut state = self.lock();
        state.machine.release(key);
        let unread = state.empty(key);
        state.inboxes.remove(key);
        let pump = state.pump.take();
        drop(state);
        drop(unread);
        wake(pump);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn put(&mut self, key: &ChannelKey, payload: Message) -> Option<Waker> {
        let inbox = self.inboxes.get_mut(key)?;
        self.queued_bytes += cost(&payload);
        inbox.messages.push_back(payload);
        inbox.reader.take()
    }

    fn reader(&mut self, key: &ChannelKey) -> Option<Waker> {
        self.inboxes.get_mut(key)?.reader.take()
    }

    fn empty(&mut self, key: &ChannelKey) -> VecDeque<Message> {
        let Some(inbox) = self.inboxes.get_mut(key) else { return VecDeque::new() };
        let unread = std::mem::take(&mut inbox.messages);
        self.queued_bytes -= unread.iter().map(cost).sum::<usize>();
        unread
    }

    /// Whoever makes room, or gives the machine something to say, wakes the pump.
    fn wait(&mut self, waker: &Waker) {
        match &mut self.pump {
            Some(known) => known.clone_from(waker),
            None => self.pump = Some(waker.clone()),
        }
    }
}

/// A channel's handler at work. Its end ends the channel, however it comes.
struct Running {
    handler: Task,
    shared: Arc<Shared>,
    key: ChannelKey,
}

impl Running {
    fn new(handler: Handler, shared: Arc<Shared>, key: ChannelKey) -> Self {
        let channel = Channel::new(shared.clone(), key.clone());
        // In the task, so that its panics are caught, and that nothing waits for it.
        let handler = Box::pin(async move { handler(channel).await });
        Self { handler, shared, key }
    }
}

impl Future for Running {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let handler = self.handler.as_mut();
        match catch_unwind(AssertUnwindSafe(|| handler.poll(cx))) {
            Ok(poll) => ready!(poll),
            Err(_) => self.shared.session.0.panicked(),
        }
        Poll::Ready(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.release(&self.key);
    }
}

fn cost(message: &Message) -> usize {
    message.len() + MESSAGE_OVERHEAD_BYTES
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
