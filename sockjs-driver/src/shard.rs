//! A shard: an endpoint behind a lock, and whom to wake (DESIGN §4).
//!
//! The lock is entered only through [`Shard::turn`], which is the drain contract made code: run,
//! drain the events, unlock, then wake. No lock is held across an await, the application's code, or
//! I/O.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use hyper::rt::Sleep;
use sockjs_core::trace::Traced;
use sockjs_core::{Event, SessionKey, Timestamp};

use crate::app::App;
use crate::broadcast::Left;
use crate::connection::Ledger;
use crate::guard::Handed;
use crate::observe::{Flow, Seen};
use crate::session::Inner;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard, lock};
use crate::waiting::{Place, Waiting, WakerId};

/// For turns that do nothing to which the time matters: an older one counts as the latest one seen,
/// and a look at the clock is saved.
pub(crate) const LATEST: Timestamp = Timestamp::EPOCH;

/// Tasks that are spawned in one poll of another.
const SPAWNS_A_POLL: usize = 256;

/// Some of a service's sessions.
pub(crate) struct Shard {
    pub(crate) app: Arc<App>,
    me: Weak<Shard>,
    state: Mutex<State>,
    handlers: Mutex<Handlers>,
    /// The timer task was dropped: nothing will run any more.
    is_over: AtomicBool,
}

/// The handlers of sessions over HTTP.
#[derive(Default)]
struct Handlers {
    /// Those that are to have a task.
    due: Vec<Arc<Inner>>,
    /// Who sees to that.
    waker: Option<Waker>,
    /// Of all sessions that are left, and of some that are not.
    all: Vec<Weak<Inner>>,
}

struct State {
    endpoint: Traced,
    waiting: Waiting,
    timer: TimerState,
    seen: Seen,
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
    pub(crate) endpoint: &'a mut Traced,
    pub(crate) waiting: &'a mut Waiting,
    pub(crate) now: Timestamp,
    aftermath: &'a mut Aftermath,
}

impl Turn<'_> {
    /// The application has taken all that there is: it is woken when there is more.
    pub(crate) fn wait_to_read(&mut self, key: SessionKey, waker: &Waker) {
        self.waiting.of(key).reader = Some(waker.clone());
    }

    /// The application waits for more. Whoever waits for that is woken after the turn.
    pub(crate) fn answered(&mut self, key: SessionKey) {
        let place = self.waiting.known(key);
        self.aftermath.wake(place.and_then(Place::take_answering));
    }
}

/// Whose handler the caller of a turn runs itself.
#[derive(Clone, Copy)]
enum Runs {
    /// That with this waker.
    Handler(WakerId),
    /// That of this session, if it waits for messages itself and no task of its own does.
    Session(SessionKey),
}

/// What a turn brought to the caller.
#[derive(Default)]
pub(crate) struct Brought {
    /// The session whose handler is to be run.
    pub(crate) opened: Option<Arc<Inner>>,
    /// There is something to receive for the handler that the caller runs, which was not woken for that.
    pub(crate) messages: bool,
}

/// What is left to do once the lock is released: mostly nothing, or to wake one.
#[derive(Default)]
pub(crate) struct Aftermath {
    brought: Brought,
    flow: Flow,
    waker: Option<Waker>,
    more: Vec<Then>,
}

enum Then {
    Wake(Waker),
    Tell(Ended),
    StartTimer,
}

/// A session that ended. Perhaps the last handle: what the application left in it is dropped where no lock is
/// held, and its end is told there, for both may run the application's code.
#[must_use = "it is to be told"]
pub(crate) struct Ended {
    session: Arc<Inner>,
    #[expect(dead_code, reason = "kept until it is dropped")]
    left: Left,
}

impl Ended {
    pub(crate) fn tell(self) {
        self.session.shard.app.observer.closed(&self.session);
    }
}

impl Aftermath {
    pub(crate) fn wake(&mut self, waker: Option<Waker>) {
        let Some(waker) = waker else { return };
        match &self.waker {
            None => self.waker = Some(waker),
            Some(_) => self.more.push(Then::Wake(waker)),
        }
    }

    pub(crate) fn wake_all(&mut self, wakers: impl Iterator<Item = Waker>) {
        self.more.extend(wakers.map(Then::Wake));
    }
}

impl Shard {
    pub(crate) fn new(app: Arc<App>, endpoint: Traced) -> Arc<Self> {
        let state = State {
            endpoint,
            waiting: Waiting::default(),
            timer: TimerState::default(),
            seen: Seen::default(),
        };
        Arc::new_cyclic(|me| Self {
            app,
            me: me.clone(),
            state: Mutex::new(state),
            handlers: Mutex::default(),
            is_over: AtomicBool::new(false),
        })
    }

    /// One step of the endpoint, with all that follows from it.
    pub(crate) fn turn<R>(&self, step: impl FnOnce(&mut Turn<'_>) -> R) -> R {
        self.turn_at(self.app.now(), step)
    }

    /// As [`turn`](Self::turn), by whoever knows the time: at most a moment ago, for one poll of a task.
    pub(crate) fn turn_at<R>(&self, now: Timestamp, step: impl FnOnce(&mut Turn<'_>) -> R) -> R {
        let (result, aftermath) = self.take_turn(now, None, step);
        let opened = self.finish(aftermath).opened;
        if let Some(session) = opened {
            let handler = self.app.handle(session.clone());
            session.begin(handler);
        }
        result
    }

    /// As [`turn`](Self::turn), of which the ends of sessions are left to be told. It opens none.
    pub(crate) fn turn_within<R>(
        &self,
        ended: &mut Vec<Ended>,
        step: impl FnOnce(&mut Turn<'_>) -> R,
    ) -> R {
        let (result, mut aftermath) = self.take_turn(self.app.now(), None, step);
        let ends = aftermath.more.extract_if(.., |then| matches!(then, Then::Tell(_)));
        ended.extend(ends.filter_map(|then| match then {
            Then::Tell(end) => Some(end),
            Then::Wake(_) | Then::StartTimer => None,
        }));
        self.finish(aftermath);
        result
    }

    /// As [`turn_at`](Self::turn_at), by a request, which then runs the handler of its session if there are
    /// messages for it.
    pub(crate) fn turn_of_request<R>(
        &self,
        now: Timestamp,
        session: SessionKey,
        step: impl FnOnce(&mut Turn<'_>) -> R,
    ) -> (R, Brought) {
        let (result, aftermath) = self.take_turn(now, Some(Runs::Session(session)), step);
        (result, self.finish(aftermath))
    }

    /// As [`turn_at`](Self::turn_at), by a pump, which runs the handler of its session itself, with this waker.
    pub(crate) fn turn_of_pump<R>(
        &self,
        now: Timestamp,
        handler: WakerId,
        step: impl FnOnce(&mut Turn<'_>) -> R,
    ) -> (R, Brought) {
        let (result, aftermath) = self.take_turn(now, Some(Runs::Handler(handler)), step);
        (result, self.finish(aftermath))
    }

    fn take_turn<R>(
        &self,
        now: Timestamp,
        runs: Option<Runs>,
        step: impl FnOnce(&mut Turn<'_>) -> R,
    ) -> (R, Aftermath) {
        let mut aftermath = Aftermath::default();
        let mut guard = self.lock();
        let state = &mut *guard;
        // The application's calls take the latest time seen for now.
        if state.endpoint.needs_time(now) {
            state.endpoint.handle_timeout(now);
        }
        let result = step(&mut Turn {
            endpoint: &mut state.endpoint,
            waiting: &mut state.waiting,
            now,
            aftermath: &mut aftermath,
        });
        while state.endpoint.has_events()
            && let Some(event) = state.endpoint.poll_event()
        {
            self.follow(event, state, runs, &mut aftermath);
        }
        // Those that never opened end without an event.
        if state.waiting.has_idle(&state.endpoint) {
            aftermath.wake_all(state.waiting.take_idle());
        }
        state.timer.rearm(state.endpoint.poll_timeout(), &mut aftermath);
        if let Some(recording) = &self.app.recording {
            recording.take(&mut state.endpoint);
        }
        aftermath.flow = state.seen.look(state.endpoint.counts());
        (result, aftermath)
    }

    fn follow(
        &self,
        event: Event,
        state: &mut State,
        runs: Option<Runs>,
        aftermath: &mut Aftermath,
    ) {
        let waiting = &mut state.waiting;
        match event {
            Event::Opened(key, info) => {
                // Whoever takes a turn holds the shard.
                let Some(shard) = self.me.upgrade() else { return };
                let session = Inner::new(shard, key, info);
                waiting.of(key).session = Some(session.clone());
                // Of one at most: sessions open by the receiver that a turn transmits for.
                aftermath.brought.opened = Some(session);
                state.timer.start(aftermath);
            }
            Event::Readable(key) => {
                let place = waiting.of(key);
                // An application that never asked is not read ahead for.
                if let (Some(session), Some(reader)) = (&place.session, &place.reader) {
                    session.with_inbox(|inbox| inbox.fill(false, &mut state.endpoint, key));
                    let is_run = match runs {
                        Some(Runs::Handler(handler)) => handler == WakerId::of(reader),
                        Some(Runs::Session(own)) => own == key && session.is_woken_by(reader),
                        None => false,
                    };
                    match is_run {
                        true => aftermath.brought.messages = true,
                        false => aftermath.wake(Some(reader.clone())),
                    }
                }
            }
            Event::Transmit(key) => aftermath.wake(waiting.of(key).receiver.take()),
            Event::Writable(key) | Event::Resume(key) => {
                aftermath.wake_all(waiting.of(key).take_senders());
            }
            Event::Closed(key, report) => {
                let mut place = waiting.remove(key);
                aftermath.wake_all(place.take_all());
                if let Some(session) = place.session {
                    let left = session.end(report);
                    aftermath.more.push(Then::Tell(Ended { session, left }));
                }
            }
        }
    }

    fn finish(&self, aftermath: Aftermath) -> Brought {
        self.app.observer.flowed(aftermath.flow);
        if let Some(recording) = &self.app.recording {
            recording.write();
        }
        if let Some(waker) = aftermath.waker {
            waker.wake();
        }
        if aftermath.more.is_empty() {
            return aftermath.brought;
        }
        for then in aftermath.more {
            match then {
                Then::Wake(waker) => waker.wake(),
                Then::Tell(end) => end.tell(),
                Then::StartTimer => {
                    let task = TimerTask { shard: self.me.clone(), sleep: None };
                    self.app.runtime.spawn(Box::pin(task));
                }
            }
        }
        aftermath.brought
    }

    /// Takes note of a handler that is run from now on.
    pub(crate) fn runs(&self, session: &Arc<Inner>) {
        let mut handlers = self.handlers();
        let all = &mut handlers.all;
        if all.len() == all.capacity() {
            all.retain(|known| known.strong_count() > 0);
            all.shrink_to(2 * all.len());
        }
        all.push(Arc::downgrade(session));
    }

    /// Has a handler polled in a task of its own. From any thread.
    pub(crate) fn spawn_soon(&self, session: Arc<Inner>) {
        let mut handlers = self.handlers();
        handlers.due.push(session);
        // The task that sees to it is there since the first session has opened.
        let waker = handlers.waker.take();
        drop(handlers);
        if let Some(waker) = waker {
            waker.wake();
        }
        if self.has_lost_its_runtime() {
            self.abandon_all();
        }
    }

    /// Whether handlers wait in vain.
    pub(crate) fn has_lost_its_runtime(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// Drops all handlers.
    fn abandon_all(&self) {
        let handlers = std::mem::take(&mut *self.handlers());
        let all = handlers.all.iter().filter_map(Weak::upgrade);
        for session in all.chain(handlers.due) {
            // One that panics keeps no other.
            let _ = catch_unwind(AssertUnwindSafe(|| session.abandon()));
        }
    }

    fn handlers(&self) -> MutexGuard<'_, Handlers> {
        lock(&self.handlers)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic inside a turn would be a bug of ours in one session; the others go on.
        lock(&self.state)
    }
}

impl TimerState {
    /// Starts the timer task, which spawns what is due too, whether there is a deadline or not.
    fn start(&mut self, aftermath: &mut Aftermath) {
        if !std::mem::replace(&mut self.is_started, true) {
            aftermath.more.push(Then::StartTimer);
        }
    }

    /// Wakes the timer task if it would sleep too long.
    fn rearm(&mut self, deadline: Option<Timestamp>, aftermath: &mut Aftermath) {
        let Some(deadline) = deadline else { return };
        if !self.is_started {
            self.start(aftermath);
        } else if self.sleeps_until.is_none_or(|until| deadline < until) {
            self.sleeps_until = Some(deadline);
            aftermath.wake(self.waker.take());
        }
    }
}

/// What became of frames that responses carried.
impl Ledger<Handed> for Shard {
    fn written(&self, chunks: &[Handed], at: Option<Instant>) {
        if let Some(first) = chunks.first() {
            first.stopwatch().stop(&self.app);
        }
        let now = at.map_or_else(|| self.app.now(), |at| self.app.clock.timestamp(at));
        self.turn_at(now, |turn| {
            for chunk in chunks {
                turn.endpoint.handle_written(chunk.id, turn.now);
            }
        });
    }

    /// Only of the latest of a session's is it certain that its end never left: those before it
    /// may have arrived. The endpoint takes no further word on a session that ended by the first.
    fn lost(&self, chunks: &[Handed]) {
        self.turn(|turn| {
            for chunk in chunks.iter().rev() {
                turn.endpoint.handle_lost(chunk.id, turn.now);
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

/// Tells the endpoint of time passing, and spawns what is due. One a shard; asleep unless a deadline is near.
struct TimerTask {
    shard: Weak<Shard>,
    sleep: Option<Pin<Box<dyn Sleep>>>,
}

impl Future for TimerTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(shard) = self.shard.upgrade() else { return Poll::Ready(()) };
            shard.spawn_due(cx.waker());
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

/// The runtime ends, and with it whatever would run the handlers.
impl Drop for TimerTask {
    fn drop(&mut self) {
        if cfg!(sockjs_shuttle) {
            // A model's end finds tasks in the midst of anything, so no lock may be waited for.
            return;
        }
        if let Some(shard) = self.shard.upgrade() {
            shard.is_over.store(true, Ordering::SeqCst);
            shard.abandon_all();
        }
    }
}

impl Shard {
    /// Spawns the tasks of handlers that are due; this task is woken for the next.
    fn spawn_due(&self, waker: &Waker) {
        let next = waker.clone();
        let mut handlers = self.handlers();
        let before = handlers.waker.replace(next);
        let count = handlers.due.len().min(SPAWNS_A_POLL);
        let due: Vec<_> = handlers.due.drain(..count).collect();
        let has_more = !handlers.due.is_empty();
        drop(handlers);
        drop(before);
        if has_more {
            waker.wake_by_ref();
        }
        due.into_iter().for_each(Inner::spawn);
    }

    /// Notes that the timer task sleeps, and returns until when.
    fn sleep_until(&self, waker: &Waker) -> Option<Timestamp> {
        let mut state = self.lock();
        let deadline = state.endpoint.poll_timeout();
        state.timer.sleeps_until = deadline;
        state.timer.waker = Some(waker.clone());
        deadline
    }
}
