//! A shard: an endpoint behind a lock, and whom to wake (DESIGN §4).
//!
//! The lock is entered only through [`Shard::turn`], which is the drain contract made code: run,
//! drain the events, unlock, then wake. No lock is held across an await, the application's code, or
//! I/O.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use hyper::rt::Sleep;
use smallvec::SmallVec;
use sockjs_core::{ChunkId, Endpoint, Event, SessionKey, Timestamp};

use crate::app::App;
use crate::connection::Ledger;
use crate::session::Inner;
use crate::waiting::Waiting;

/// Some of a service's sessions.
pub(crate) struct Shard {
    pub(crate) app: Arc<App>,
    me: Weak<Shard>,
    state: Mutex<State>,
}

struct State {
    endpoint: Endpoint,
    waiting: Waiting,
    timer: TimerState,
}

/// What the timer task is doing.
#[derive(Default)]
struct TimerState {
    is_started: bool,
    /// What it sleeps until.
    sleeps_until: Option<Timestamp>,
    waker: Option<Waker>,
}

/// What a turn works on.
pub(crate) struct Turn<'a> {
    pub(crate) endpoint: &'a mut Endpoint,
    pub(crate) waiting: &'a mut Waiting,
    pub(crate) now: Timestamp,
    wakers: &'a mut SmallVec<[Waker; 4]>,
}

impl Turn<'_> {
    /// The application has taken all that there is, and waits for more. Whoever waits for that is
    /// woken after the turn.
    pub(crate) fn wait_to_read(&mut self, key: SessionKey, waker: &Waker) {
        let place = self.waiting.of(key);
        place.reader = Some(waker.clone());
        self.wakers.extend(place.answering.take());
    }
}

/// What is left to do once the lock is released.
#[derive(Default)]
struct Aftermath {
    opened: SmallVec<[Arc<Inner>; 1]>,
    /// Perhaps the last handles: what the application left in them is dropped without the lock.
    ended: SmallVec<[Arc<Inner>; 1]>,
    wakers: SmallVec<[Waker; 4]>,
    start_timer: bool,
}

impl Shard {
    pub(crate) fn new(app: Arc<App>, endpoint: Endpoint) -> Arc<Self> {
        let state = State { endpoint, waiting: Waiting::default(), timer: TimerState::default() };
        Arc::new_cyclic(|me| Self { app, me: me.clone(), state: Mutex::new(state) })
    }

    /// One step of the endpoint, with all that follows from it.
    pub(crate) fn turn<R>(&self, step: impl FnOnce(&mut Turn<'_>) -> R) -> R {
        let mut aftermath = Aftermath::default();
        let now = self.app.now();
        let mut guard = self.lock();
        let state = &mut *guard;
        // The application's calls take the latest time seen for now.
        state.endpoint.handle_timeout(now);
        let result = step(&mut Turn {
            endpoint: &mut state.endpoint,
            waiting: &mut state.waiting,
            now,
            wakers: &mut aftermath.wakers,
        });
        self.drain(state, &mut aftermath);
        state.timer.rearm(state.endpoint.poll_timeout(), &mut aftermath);
        drop(guard);
        self.finish(aftermath);
        result
    }

    fn drain(&self, state: &mut State, aftermath: &mut Aftermath) {
        while let Some(event) = state.endpoint.poll_event() {
            let waiting = &mut state.waiting;
            match event {
                Event::Opened(key, info) => {
                    // Whoever takes a turn holds the shard.
                    let Some(shard) = self.me.upgrade() else { continue };
                    let session = Inner::new(shard, key, info);
                    waiting.of(key).session = Some(session.clone());
                    aftermath.opened.push(session);
                }
                Event::Readable(key) => aftermath.wakers.extend(waiting.of(key).reader.take()),
                Event::Transmit(key) => aftermath.wakers.extend(waiting.of(key).receiver.take()),
                Event::Writable(key) | Event::Resume(key) => {
                    aftermath.wakers.extend(waiting.of(key).others.take());
                }
                Event::Closed(key, report) => {
                    let mut place = waiting.remove(key);
                    aftermath.wakers.extend(place.reader);
                    aftermath.wakers.extend(place.answering);
                    aftermath.wakers.extend(place.others.take());
                    if let Some(session) = place.session {
                        session.end(report);
                        aftermath.ended.push(session);
                    }
                    waiting.idle(&state.endpoint, &mut aftermath.wakers);
                }
            }
        }
    }

    fn finish(&self, aftermath: Aftermath) {
        for session in aftermath.opened {
            self.app.run(session);
        }
        for waker in aftermath.wakers {
            waker.wake();
        }
        if aftermath.start_timer {
            let task = TimerTask { shard: self.me.clone(), sleep: None };
            self.app.runtime.spawn(Box::pin(task));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic inside a turn would be a bug of ours in one session; the others go on.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TimerState {
    /// Wakes the timer task if it would sleep too long.
    fn rearm(&mut self, deadline: Option<Timestamp>, aftermath: &mut Aftermath) {
        let Some(deadline) = deadline else { return };
        if !self.is_started {
            self.is_started = true;
            aftermath.start_timer = true;
        } else if self.sleeps_until.is_none_or(|until| deadline < until) {
            self.sleeps_until = Some(deadline);
            aftermath.wakers.extend(self.waker.take());
        }
    }
}

/// What became of frames that responses carried.
impl Ledger<ChunkId> for Shard {
    fn written(&self, chunks: &[ChunkId]) {
        self.turn(|turn| {
            for chunk in chunks {
                turn.endpoint.handle_written(*chunk, turn.now);
            }
        });
    }

    /// Only of the latest of a session's is it certain that its end never left: those before it
    /// may have arrived. The endpoint takes no further word on a session that ended by the first.
    fn lost(&self, chunks: &[ChunkId]) {
        self.turn(|turn| {
            for chunk in chunks.iter().rev() {
                turn.endpoint.handle_lost(*chunk, turn.now);
            }
        });
    }
}

/// The timer task sleeps without keeping its shard alive, so it must be told of the end.
impl Drop for Shard {
    fn drop(&mut self) {
        if let Some(waker) = self.lock().timer.waker.take() {
            waker.wake();
        }
    }
}

/// Tells the endpoint of time passing. One a shard; asleep unless a deadline is near.
struct TimerTask {
    shard: Weak<Shard>,
    sleep: Option<Pin<Box<dyn Sleep>>>,
}

impl Future for TimerTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(shard) = self.shard.upgrade() else { return Poll::Ready(()) };
            shard.turn(|_| ());
            let Some(deadline) = shard.sleep_until(cx.waker()) else { return Poll::Pending };
            let runtime = &shard.app.runtime;
            let at = shard.app.clock.instant(deadline);
            let sleep = self.sleep.get_or_insert_with(|| runtime.sleep_until(at));
            runtime.reset(sleep, at);
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl Shard {
    /// Notes that the timer task sleeps, and returns until when.
    fn sleep_until(&self, waker: &Waker) -> Option<Timestamp> {
        let mut state = self.lock();
        let deadline = state.endpoint.poll_timeout();
        state.timer.sleeps_until = deadline;
        state.timer.waker = Some(waker.clone());
        deadline
    }
}
